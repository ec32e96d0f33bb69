import { Clock, DateTime, Effect } from "effect"
import type { Timestamp } from "../domain/Ids.ts"

/** A time in milliseconds as the wire writes it. */
export const timestampOf = (millis: number): Timestamp => DateTime.formatIso(DateTime.unsafeMake(millis)) as Timestamp

export const now: Effect.Effect<Timestamp> = Effect.map(Clock.currentTimeMillis, timestampOf)
