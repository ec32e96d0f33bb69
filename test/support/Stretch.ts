/** How long nothing else got its turn: the longest synchronous stretch of an effect. */
import { Effect } from "effect"

/** What the effect gives, and the longest time in milliseconds between two turns of the event loop meanwhile. */
export const longestStretch = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen = { longest: 0, last: performance.now(), going: true }
      const turn = () => {
        const now = performance.now()
        seen.longest = Math.max(seen.longest, now - seen.last)
        seen.last = now
        if (seen.going) setImmediate(turn)
      }
      turn()
      return seen
    }),
    (seen) =>
      Effect.map(effect, (value) => {
        seen.longest = Math.max(seen.longest, performance.now() - seen.last)
        return { value, longest: seen.longest }
      }),
    (seen) => Effect.sync(() => void (seen.going = false))
  )

/**
 * The same, as processor time would tell on a quiet machine: the least of some
 * tries, because on a busy one others take their turns in between.
 */
export const leastStretch = <A, E, R>(effect: Effect.Effect<A, E, R>, tries = 3) =>
  Effect.map(
    Effect.all(Array.from({ length: tries }, () => longestStretch(effect))),
    (all) => Math.min(...all.map(({ longest }) => longest))
  )
