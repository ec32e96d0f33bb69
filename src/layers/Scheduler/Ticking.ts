/**
 * The loop of a process: it claims what is due, sends what is claimed, and follows the runs. It waits for a doorbell
 * or a time, and looks every second whatever happens, or every few where no other process can have written something:
 * timers only make it quick. The clock is that of the storage.
 */
import { Duration, Effect } from "effect"
import { FireId } from "../../domain/Ids.ts"
import { NewId } from "../../services/NewId.ts"
import { Peers } from "../../services/Peers.ts"
import { type Look, ScheduleStore } from "../../services/ScheduleStore.ts"
import * as AtOnce from "../AtOnce.ts"
import { supervise } from "../Supervise.ts"
import * as Following from "./Following.ts"
import { planOf } from "./Plan.ts"
import * as Sending from "./Sending.ts"

/** Schedules that are claimed together. */
const claimBatch = 64

/** Fires that this process sends at the same time, in all and of one owner. */
const maxSending = 32
const maxSendingOfOne = 8

/** Fires of one owner, over all processes, whose runs go on at the same time; those beyond wait. */
const maxRunning = 64

/**
 * Longest and shortest pause between two looks, in milliseconds, and the longest while runs of fires go on. A process
 * alone hears of all that is written; it looks because the clock may be moved.
 */
const longestAlone = 5_000
const longestShared = 1_000
/** The pause after a look that storage refused. */
const refused = 1_000
const longestOpen = 500
const shortest = 5
/** The pause after a look that found something due which cannot be done yet. */
const held = 100

/** Between two claims other fibers have their turn: finding the next times takes some milliseconds. */
const planChunk = 8

export const make = Effect.gen(function*() {
  const store = yield* ScheduleStore
  const peers = yield* Peers
  const newId = yield* NewId
  const send = yield* Sending.make
  const follow = yield* Following.make
  const bell = yield* Effect.makeLatch(false)
  const longest = peers.alone ? longestAlone : longestShared
  const fireId = (millis: number) => FireId.make(newId.record(millis))

  /** Claims a batch; answers how many schedules have moved. */
  const claim = Effect.fnUntraced(function*(now: number) {
    const due = yield* store.due(claimBatch)
    let moved = 0
    for (let from = 0; from < due.length; from += planChunk) {
      // Each few are written at once, so that they are not late because of those after them.
      const moves = due.slice(from, from + planChunk).map((one) => planOf(one, Math.max(now, one.next), fireId))
      const claimed = yield* store.advance(moves)
      moved += claimed.size
      for (const { due, reason, status } of moves) {
        if (status === "broken" && claimed.has(due.id)) {
          yield* Effect.logWarning(`Schedule '${due.id}' is broken: ${reason}`)
        }
      }
      yield* Effect.yieldNow()
    }
    return moved
  })

  /** Takes back what processes were sending that are gone; answers whether there was something. */
  const releaseDead = Effect.fnUntraced(function*({ senders }: Look) {
    if (!senders.some((sender) => sender !== peers.self)) return false
    const living = yield* peers.living
    const dead = senders.filter((sender) => !living.has(sender) && sender !== peers.self)
    if (dead.length > 0) yield* store.release(dead)
    return dead.length > 0
  })

  return Effect.gen(function*() {
    yield* store.listen(() => bell.unsafeOpen())
    const sending = yield* AtOnce.make(maxSending, maxSendingOfOne, () => bell.unsafeOpen())

    /** Takes fires and begins to send them; answers how many. */
    const take = Effect.gen(function*() {
      const limit = sending.free()
      if (limit <= 0) return 0
      const fires = yield* store.take({
        sender: peers.self,
        lease: Sending.leaseMillis,
        limit,
        perOwner: maxSendingOfOne,
        maxRunning,
        without: sending.full()
      })
      yield* Effect.forEach(fires, (fire) => sending.start(fire.user_id, send(fire)), { discard: true })
      return fires.length
    })

    const tick = Effect.gen(function*() {
      // The bell is closed before the look: who rings afterwards is heard at the end.
      bell.unsafeClose()
      const look = yield* store.look
      // What is free now is seen by the next look.
      if (yield* releaseDead(look)) return shortest
      const claimed = look.next_fire !== undefined && look.next_fire <= look.now ? yield* claim(look.now) : 0
      const taken = claimed > 0 || (look.next_send !== undefined && look.next_send <= look.now) ? yield* take : 0
      const followed = look.has_open ? yield* follow : 0
      if (claimed + taken + followed > 0) return shortest
      const until = Math.min(
        ...[look.next_fire, look.next_send].flatMap((at) => at === undefined ? [] : [at - look.now]),
        longest
      )
      return Math.min(until <= 0 ? held : Math.max(until, shortest), look.has_open ? longestOpen : longest)
    }).pipe(
      Effect.catchAllCause((cause) => Effect.as(Effect.logDebug("Schedules cannot be looked at now", cause), refused))
    )

    const loop: Effect.Effect<never> = Effect.forever(
      Effect.flatMap(tick, (pause) => Effect.timeoutOption(bell.await, Duration.millis(pause)))
    )
    return yield* supervise("The scheduler", loop)
  }).pipe(
    Effect.scoped,
    (run) => ({ run, wake: Effect.sync(() => bell.unsafeOpen()) })
  )
})
