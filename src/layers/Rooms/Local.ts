/** Rooms of this process, made from the log and dropped after a minute in which nobody held them. */
import { Effect, FiberSet, Layer, PubSub, RcMap } from "effect"
import type { SessionId, UserId } from "../../domain/Ids.ts"
import { EventLog, type LogPage } from "../../services/EventLog.ts"
import { NewId } from "../../services/NewId.ts"
import { Rooms } from "../../services/Rooms.ts"
import { LiveRoom } from "./Room.ts"
import * as Writer from "./Writer.ts"

/** Messages of a session's transcript that a model is given at most: the newest. */
const maxContext = 2_000

/** Pages that a slow consumer inside the process may lag behind. */
const pagesKept = 64

type Key = `${UserId}/${SessionId}`

export const make = Effect.gen(function*() {
  const log = yield* EventLog
  const newId = yield* NewId
  const clock = yield* Effect.clock
  const writer = yield* Writer.make(log)
  const fork = yield* FiberSet.makeRuntime<never>()
  const live = new Map<SessionId, LiveRoom>()
  let closed: string | undefined

  const rooms: RcMap.RcMap<Key, LiveRoom> = yield* RcMap.make({
    idleTimeToLive: "1 minute",
    lookup: Effect.fnUntraced(function*(key: Key) {
      const slash = key.indexOf("/")
      const owner = key.slice(0, slash) as UserId
      const session_id = key.slice(slash + 1) as SessionId
      const { last } = yield* log.range(session_id)
      const placed = yield* log.recent(session_id, maxContext)
      const pages = yield* PubSub.sliding<LogPage>(pagesKept)
      const room = new LiveRoom({
        session_id,
        owner,
        head: last,
        context: placed.map(({ message }) => message),
        open: yield* log.open(session_id),
        lock: yield* Effect.makeSemaphore(1),
        log,
        newId,
        clock,
        pages,
        wake: writer.wake,
        closed: () => closed,
        onDead: () => {
          live.delete(session_id)
          fork(RcMap.invalidate(rooms, key))
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
    })
  })

  return Rooms.of({
    get: (session) => RcMap.get(rooms, `${session.user_id}/${session.id}`),
    close: (comment) =>
      Effect.sync(() => {
        closed = comment
        for (const room of live.values()) room.close(comment)
      }),
    forget: (session) => Effect.sync(() => live.get(session)?.close("session deleted", "session_gone")),
    healthy: writer.healthy
  })
})

export const layer: Layer.Layer<Rooms, never, EventLog> = Layer.scoped(Rooms, make)
