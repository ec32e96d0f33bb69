/** The rooms of this process. A room is made from the log, and dropped after a minute in which nobody held it. */
import { Cause, Effect, FiberSet, Layer, RcMap, Scope } from "effect"
import { maxMessages, maxSize } from "../../domain/Context.ts"
import { DurableSeq, type SessionId, type UserId } from "../../domain/Ids.ts"
import { EventLog, type Snapshot } from "../../services/EventLog.ts"
import { NewId } from "../../services/NewId.ts"
import { Peers } from "../../services/Peers.ts"
import { Rooms } from "../../services/Rooms.ts"
import { LiveRoom } from "./Room.ts"
import type { Left } from "./Subscribers.ts"
import * as Writer from "./Writer.ts"

/** Most sessions that are remembered as made here and never opened; for others the log is read. */
const maxCreated = 10_000

const empty: Snapshot = { last: 0, open: [], messages: [], compaction: undefined }

/** Sessions whose heads are asked for at a time. */
const headsAtOnce = 1_000

/** Notifies the other processes of every page. */
const notifying = (log: typeof EventLog.Service, peers: typeof Peers.Service): typeof EventLog.Service => ({
  ...log,
  append: (batch) =>
    Effect.tap(log.append(batch), () =>
      Effect.sync(() => {
        for (const { session_id } of batch.pages) peers.notify({ type: "pages", session: session_id })
      }))
})

type Key = `${UserId}/${SessionId}`

/** The key of a room: its session, and how many rooms of that session have died before it. */
type RoomKey = `${Key}/${number}`

export const make = Effect.gen(function*() {
  const log = yield* EventLog
  const newId = yield* NewId
  const clock = yield* Effect.clock
  const peers = yield* Peers
  const writer = yield* Writer.make(peers.alone ? log : notifying(log, peers))
  const fork = yield* FiberSet.makeRuntime<never>()
  const live = new Map<SessionId, LiveRoom>()
  /** New sessions that no other process can know of, as long as this process is the only one. */
  const created = new Set<SessionId>()
  let closed: string | undefined

  /** How many rooms of a session have died, as long as one of its rooms exists. */
  const generations = new Map<Key, { left: number; rooms: number }>()

  const newest = (key: Key): RoomKey => `${key}/${generations.get(key)?.left ?? 0}`

  /** From now on nobody gets this room. `RcMap.invalidate` would not do: an entry that is released afterwards removes its successor too. */
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

  /** Those who ask for a room now, by session. */
  const asking = new Map<Key, { readonly mutex: Effect.Semaphore; count: number }>()

  /**
   * One after the other in each session: `RcMap.get` may wait between its look for
   * an entry and the making of one, and two who ask at once would get two rooms.
   */
  const inTurn = <A, E, R>(key: Key, effect: Effect.Effect<A, E, R>) =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const those = asking.get(key) ?? { mutex: Effect.unsafeMakeSemaphore(1), count: 0 }
        asking.set(key, those)
        those.count++
        return those
      }),
      ({ mutex }) => mutex.withPermits(1)(effect),
      (those) =>
        Effect.sync(() => {
          if (--those.count === 0) asking.delete(key)
        })
    )

  const get = (key: Key) =>
    // The newest one when its turn has come: the one before may have died meanwhile.
    inTurn(key, Effect.suspend(() => RcMap.get(rooms, newest(key)))).pipe(
      Effect.tap((room) => peers.alone ? Effect.void : room.hold)
    )

  /** Subscribers continue in the next room, in the scopes that they came with. */
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
      // The log is assumed to be empty only once: when the room is gone, somebody has written.
      const isEmpty = created.delete(session_id) && peers.alone
      const { last, open, ...context } = isEmpty ? empty : yield* log.snapshot(session_id, maxMessages, maxSize)
      const room = new LiveRoom({
        session_id,
        owner,
        head: DurableSeq(last),
        context,
        open,
        lock: yield* Effect.makeSemaphore(1),
        log,
        self: peers.alone ? undefined : peers.self,
        newId,
        clock,
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
        Effect.sync(() => {
          if (live.get(session_id) === room) live.delete(session_id)
        })
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
      else room.catchUpSoon()
    }
    for (let i = 0; i < held.length; i += headsAtOnce) {
      const some = held.slice(i, i + headsAtOnce)
      const heads = yield* log.heads(some.map(({ session_id }) => session_id))
      for (const room of some) if ((heads.get(room.session_id) ?? 0) > room.head()) room.catchUpSoon()
    }
  }).pipe(Effect.catchAllCause((cause) => Effect.logDebug("Sessions cannot be looked after now", cause)))

  yield* peers.listen((received) => {
    if (received.type === "look") fork(look)
    else if (received.type === "forget") forget(received.session)
    else if (received.type === "pages") live.get(received.session)?.catchUpSoon()
  })

  return Rooms.of({
    get: (session) => get(`${session.user_id}/${session.id}`),
    created: (session) => {
      if (!peers.alone) return
      // The oldest one is removed: a set keeps the order of insertion.
      for (const oldest of created) {
        if (created.size < maxCreated) break
        created.delete(oldest)
      }
      created.add(session)
    },
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
