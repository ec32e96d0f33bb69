import { Clock, DateTime, Effect } from "effect"
import type { Timestamp } from "../domain/Ids.ts"

/** The time that was written last: many events of a run fall into the same millisecond. */
let last = { millis: 0, written: DateTime.formatIso(DateTime.unsafeMake(0)) as Timestamp }

/** A time in milliseconds as the wire writes it. */
export const timestampOf = (millis: number): Timestamp => {
  if (millis !== last.millis) last = { millis, written: DateTime.formatIso(DateTime.unsafeMake(millis)) as Timestamp }
  return last.written
}

export const now: Effect.Effect<Timestamp> = Effect.map(Clock.currentTimeMillis, timestampOf)
