/** Keeps a loop alive: what breaks is logged, and the loop begins again after a pause that grows while it keeps breaking. */
import { Effect, Schedule } from "effect"

const pauses = Schedule.exponential("1 second").pipe(
  Schedule.union(Schedule.spaced("1 minute")),
  Schedule.jittered,
  Schedule.resetAfter("10 minutes")
)

export const supervise = <E, R>(name: string, loop: Effect.Effect<never, E, R>): Effect.Effect<never, never, R> =>
  Effect.sandbox(loop).pipe(
    Effect.tapError((cause) => Effect.logError(`${name} broke and begins again`, cause)),
    Effect.retry(pauses),
    Effect.orDie
  )
