/** Work that happens later: written with what decides it, then done at least once. */
import { Schema } from "effect"
import { JobId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** `pending` is to be done or tried again, `done` is over, and `dead` is given up. */
export const JobStatus = Schema.Literal("pending", "done", "dead")
export type JobStatus = typeof JobStatus.Type

export const Job = Schema.Struct({
  id: JobId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** What is to be done: `notice`, `delivery` … */
  kind: Schema.String,
  status: JobStatus,
  /** What it is about: ids, and nothing secret. */
  payload: JsonObject,
  /** How often it was begun. */
  attempts: Schema.Int,
  /** Not before this time. */
  run_at: Timestamp,
  /** Why the last attempt failed, in words. */
  error: Schema.NullOr(Schema.String)
}).annotations({ identifier: "Job" })
export interface Job extends Schema.Schema.Type<typeof Job> {}

/** A job that is to be done at once. The same id is written once, however often it is added. */
export const newJob = (
  id: string,
  user_id: UserId,
  kind: string,
  payload: JsonObject,
  at: Timestamp
): Job => ({
  id: JobId.make(id),
  user_id,
  created_at: at,
  updated_at: at,
  kind,
  status: "pending",
  payload,
  attempts: 0,
  run_at: at,
  error: null
})
