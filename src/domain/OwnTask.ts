/** Work of the server's own program that a client hands in and asks about later. */
import { Schema } from "effect"
import { TaskId, Timestamp, UserId } from "./Ids.ts"
import { JsonValue } from "./Json.ts"

/** Longest input and longest result, in characters of JSON. */
export const maxTaskInput = 256 * 1024
export const maxTaskResult = 1024 * 1024

/** Most tasks of one owner that wait or run. */
export const maxPendingTasks = 1_000

/** `pending` waits for its turn, or for its next attempt. */
const OwnTaskStatus = Schema.Literal("pending", "running", "finished", "error")

export const OwnTask = Schema.Struct({
  id: TaskId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** The name of what does it. */
  name: Schema.String,
  status: OwnTaskStatus,
  /** As it came, in JSON. */
  input: JsonValue,
  /** What it brought, once it is finished. */
  result: JsonValue,
  /** Why the last attempt failed, in words. */
  error: Schema.NullOr(Schema.String),
  /** How often it was begun. */
  attempts: Schema.Int,
  started_at: Schema.NullOr(Timestamp),
  ended_at: Schema.NullOr(Timestamp)
})
export interface OwnTask extends Schema.Schema.Type<typeof OwnTask> {}

/** Whether its owner may still wait for it. */
export const isOpen = ({ status }: Pick<OwnTask, "status">): boolean => status === "pending" || status === "running"
