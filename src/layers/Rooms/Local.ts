/** Rooms of this process, made from the log and dropped after a minute in which nobody held them. */
import { Cause, Effect, FiberSet, Layer, PubSub, RcMap, Scope } from "effect"
import { DurableSeq, type SessionId, type UserId } from "../../domain/Ids.ts"
import { EventLog, type LogPage } from "../../services/EventLog.ts"
import { NewId } from "../../services/NewId.ts"
import { Peers } from "../../services/Peers.ts"
import { Rooms } from "../../services/Rooms.ts"
import { type Left, LiveRoom, maxContext } from "./Room.ts"
import * as Writer from "./Writer.ts"

/** Pages that a slow consumer inside the process may lag behind. */
const pagesKept = 64

/** Sessions whose heads are asked for at a time. */
const headsAtOnce = 1_000

/** Tells the other processes of every page. */
const notifying = (log: typeof EventLog.Service, peers: typeof Peers.Service): typeof EventLog.Service => ({
  ...log,
  append: (batch) =>
    Effect.tap(log.append(batch), () =>
      Effect.sync(() => {
        for (const { session_id } of batch.pages) peers.notify({ type: "pages", session: session_id })
      }))
})

type Key = `${UserId}/${SessionId}`

/** A room of a session: the first, or the one after so many that could not go on. */
type RoomKey = `${Key}/${number}`

export const make = Effect.gen(function*() {
  const log = yield* EventLog
  const newId = yield* NewId
  const clock = yield* Effect.clock
  const peers = yield* Peers
  const writer = yield* Writer.make(peers.alone ? log : notifying(log, peers))
  const fork = yield* FiberSet.makeRuntime<never>()
  const live = new Map<SessionId, LiveRoom>()
  let closed: string | undefined

  /** How many rooms of a session could not go on, as long as one of its rooms is there. */
  const generations = new Map<Key, { left: number; rooms: number }>()

  const newest = (key: Key): RoomKey => `${key}/${generations.get(key)?.left ?? 0}`

  /** The room is given to nobody any more. Not `RcMap.invalidate`: an entry that is released afterwards takes its successor along. */
  const leave = (key: Key, room: RoomKey) => {
    const generation = generations.get(key)
    if (generation !== undefined && newest(key) === room) generation.left++
  }

  const counted = (key: Key) =>
    Effect.acquireRelease(
      Effect.sync(() => {
        const generation = generations.get(key)
        if (generation === undefined) generations.set(key, { left: 0, rooms: 1 })
        else generation.rooms++
      }),
      () =>
        Effect.sync(() => {
          const generation = generations.get(key)
          if (generation !== undefined && --generation.rooms === 0) generations.delete(key)
        })
    )

  const get = (key: Key) =>
    Effect.suspend(() => RcMap.get(rooms, newest(key))).pipe(
      Effect.tap((room) => peers.alone ? Effect.void : room.hold)
    )

  /** Subscribers go on in the next room, in the scopes that they came with. */
  const move = (key: Key, left: ReadonlyArray<Left>) =>
    Effect.forEach(
      left,
      ({ scope, sink, ...subscription }) =>
        Effect.flatMap(get(key), (room) => room.attach(sink, subscription)).pipe(
          Scope.extend(scope),
          Effect.catchAllCause(() => Effect.sync(() => sink.end("closing")))
        ),
      { discard: true }
    )

  const rooms: RcMap.RcMap<RoomKey, LiveRoom> = yield* RcMap.make({
    idleTimeToLive: "1 minute",
    lookup: Effect.fnUntraced(function*(own: RoomKey) {
      const key = own.slice(0, own.lastIndexOf("/")) as Key
      const slash = key.indexOf("/")
      const owner = key.slice(0, slash) as UserId
      const session_id = key.slice(slash + 1) as SessionId
      yield* counted(key)
      const { last } = yield* log.range(session_id)
      const placed = yield* log.recent(session_id, maxContext)
      const pages = yield* PubSub.sliding<LogPage>(pagesKept)
      const room = new LiveRoom({
        session_id,
        owner,
        head: DurableSeq(last),
        context: placed.map(({ message }) => message),
        open: yield* log.open(session_id),
        lock: yield* Effect.makeSemaphore(1),
        log,
        self: peers.alone ? undefined : peers.self,
        newId,
        clock,
        pages,
        wake: writer.wake,
        written: writer.written,
        fork: (effect) => {
          fork(effect)
        },
        thrown: (error) => {
          fork(
            Effect.annotateLogs(Effect.logError("What a room called has thrown", Cause.die(error)), { session_id })
          )
        },
        closed: () => closed,
        onDead: (left) => {
          if (live.get(session_id) === room) live.delete(session_id)
          leave(key, own)
          fork(move(key, left))
        }
      })
      live.set(session_id, room)
      yield* Effect.addFinalizer(() =>
        Effect.zipRight(
          Effect.sync(() => {
            if (live.get(session_id) === room) live.delete(session_id)
          }),
          PubSub.shutdown(pages)
        )
      )
      return room
    }, (lookup, own) =>
      // Storage may be back when it is asked again.
      Effect.onError(lookup, () => Effect.sync(() => leave(own.slice(0, own.lastIndexOf("/")) as Key, own))))
  })

  const forget = (session: SessionId) => live.get(session)?.close("session deleted", "session_gone")

  /** Rooms that may have missed something; those that nobody holds look when they are asked for. */
  const look = Effect.gen(function*() {
    const held: Array<LiveRoom> = []
    for (const room of live.values()) {
      if (room.isHeld()) held.push(room)
      else room.rung()
    }
    for (let i = 0; i < held.length; i += headsAtOnce) {
      const some = held.slice(i, i + headsAtOnce)
      const heads = yield* log.heads(some.map(({ session_id }) => session_id))
      for (const room of some) if ((heads.get(room.session_id) ?? 0) > room.head()) room.rung()
    }
  }).pipe(Effect.catchAllCause((cause) => Effect.logDebug("Sessions cannot be looked after now", cause)))

  yield* peers.listen((received) => {
    if (received.type === "look") fork(look)
    else if (received.type === "forget") forget(received.session)
    else if (received.type === "pages") live.get(received.session)?.rung()
  })

  return Rooms.of({
    get: (session) => get(`${session.user_id}/${session.id}`),
    close: (comment) =>
      Effect.sync(() => {
        closed = comment
        for (const room of live.values()) room.close(comment)
      }),
    forget: (session) =>
      Effect.sync(() => {
        forget(session)
        peers.notify({ type: "forget", session })
      }),
    healthy: writer.healthy,
    isHeldUp: writer.isHeldUp
  })
})

export const layer: Layer.Layer<Rooms, never, EventLog | Peers> = Layer.scoped(Rooms, make)
