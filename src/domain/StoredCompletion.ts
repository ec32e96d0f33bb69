/** An answer of the chat completions channel that its client wanted to be kept, and what it was an answer to. */
import { Schema } from "effect"
import { Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

export const StoredCompletion = Schema.Struct({
  /** As the client knows it: `chatcmpl-…`. It begins with a time, so that the order of ids is that of age. */
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** As the client asked for it. */
  model: Schema.String,
  metadata: Schema.Record({ key: Schema.String, value: Schema.String }),
  /** The answer as it went out. */
  completion: JsonObject,
  /** Only those that were written before they had a record of their own. */
  messages: Schema.optional(Schema.Array(JsonObject))
})
export interface StoredCompletion extends Schema.Schema.Type<typeof StoredCompletion> {}

/** What it was an answer to: megabytes, which a list of answers does not read. */
export const CompletionMessages = Schema.Struct({
  /** The answer's. */
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  messages: Schema.Array(JsonObject)
})
export interface CompletionMessages extends Schema.Schema.Type<typeof CompletionMessages> {}
