import { Clock, DateTime, Effect } from "effect"
import type { Timestamp } from "../domain/Ids.ts"

/** The time that was written last: many events of a run fall into the same millisecond. */
let last = { millis: 0, written: DateTime.formatIso(DateTime.unsafeMake(0)) as Timestamp }

/** A time in milliseconds as the wire writes it. */
export const timestampOf = (millis: number): Timestamp => {
  if (millis !== last.millis) last = { millis, written: DateTime.formatIso(DateTime.unsafeMake(millis)) as Timestamp }
  return last.written
}

/**
 * Milliseconds of a clock that only goes forward, whatever happens to the time of
 * day: for how long something takes, or may take. It says nothing outside of this process.
 */
export const monotonic = (clock: Clock.Clock): number => Number(clock.unsafeCurrentTimeNanos()) / 1e6

export const monotonicMillis: Effect.Effect<number> = Effect.clockWith((clock) => Effect.sync(() => monotonic(clock)))

export const now: Effect.Effect<Timestamp> = Effect.map(Clock.currentTimeMillis, timestampOf)
