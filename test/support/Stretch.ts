/** How long nothing else got its turn: the longest synchronous stretch of an effect. */
import { Effect } from "effect"

/** What the effect gives, how many turns others had, and the longest time in milliseconds between two turns of the event loop meanwhile. */
export const longestStretch = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen = { longest: 0, turns: 0, last: performance.now(), going: true }
      const turn = () => {
        const now = performance.now()
        seen.longest = Math.max(seen.longest, now - seen.last)
        seen.last = now
        seen.turns++
        if (seen.going) setImmediate(turn)
      }
      turn()
      return seen
    }),
    (seen) =>
      Effect.map(effect, (value) => {
        seen.longest = Math.max(seen.longest, performance.now() - seen.last)
        return { value, longest: seen.longest, turns: seen.turns }
      }),
    (seen) => Effect.sync(() => void (seen.going = false))
  )
