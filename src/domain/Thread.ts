/** A conversation as clients of LangGraph name it. What is said in it is in a session, which its first run makes. */
import { Schema } from "effect"
import { Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** Longest metadata of a thread, as JSON, in characters. */
export const maxThreadMetadata = 16 * 1024

/**
 * Rows of threads are in the order in which they were made. The id that a client has chosen stands in a second row, whose
 * own id is made of it: of many who choose it at once, the database lets one.
 */
export const Thread = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  /** The time of its newest run, or of the newest change of its metadata. */
  updated_at: Timestamp,
  kind: Schema.Literal("thread", "name"),
  /** As its client knows it. */
  thread_id: Schema.String,
  /** The thread's row, for a name. */
  names: Schema.NullOr(Schema.String),
  metadata: JsonObject
})
export interface Thread extends Schema.Schema.Type<typeof Thread> {}
