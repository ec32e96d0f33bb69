/** How long nothing else got its turn: the longest synchronous stretch of an effect. */
import { Effect } from "effect"

/** Milliseconds of the clock, and those that this process has worked. */
const times = () => {
  const { system, user } = process.cpuUsage()
  return { clock: performance.now(), worked: (system + user) / 1_000 }
}

/**
 * What the effect gives, how many turns others had, and the longest time in milliseconds between two turns of the event
 * loop meanwhile. Time in which the machine did something else does not count, nor what other threads did at the same time.
 */
export const longestStretch = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const seen = { longest: 0, turns: 0, last: times(), going: true }
      const look = () => {
        const now = times()
        seen.longest = Math.max(seen.longest, Math.min(now.clock - seen.last.clock, now.worked - seen.last.worked))
        seen.last = now
      }
      const turn = () => {
        look()
        seen.turns++
        if (seen.going) setImmediate(turn)
      }
      turn()
      return { seen, look }
    }),
    ({ look, seen }) =>
      Effect.map(effect, (value) => {
        look()
        return { value, longest: seen.longest, turns: seen.turns }
      }),
    ({ seen }) => Effect.sync(() => void (seen.going = false))
  )
