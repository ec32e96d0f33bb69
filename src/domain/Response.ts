/**
 * Answers of the Responses API that a client may come back for, and conversations. Neither holds what was said: that is in
 * the log of the session. A response is a part of one run's events, and what its request said of itself.
 */
import { Schema } from "effect"
import { AgentId, MessageId, RunId, SessionId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { Message } from "./Message.ts"

/** What the response says of its request, as the protocol writes it; and what is needed to write it again. */
export const ResponseHead = Schema.Struct({
  id: Schema.String,
  /** Seconds. */
  created_at: Schema.Int,
  model: Schema.String,
  /** The members of the response that repeat its request. */
  echo: JsonObject,
  /** What the ids of its items begin with: those of a session, or of a conversation, which may move from one to another. */
  home: Schema.String,
  /** Tools that a client runs: those of the request, and those of the agent. */
  client_tools: Schema.Array(Schema.String),
  /** The answer is to be JSON: what is said on the way to it is not part of it. */
  is_structured: Schema.Boolean,
  /** Whether thoughts come with what their provider wants back. */
  tells_encrypted: Schema.Boolean
})
export interface ResponseHead extends Schema.Schema.Type<typeof ResponseHead> {}

export const StoredResponse = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  session_id: SessionId,
  agent_id: AgentId,
  run_id: RunId,
  /** Its events have a greater `seq` than this; it ends where its run does, or is parked for the first time after it. */
  after: Schema.Int,
  /** Messages of the run's input that were said before this request. */
  known: Schema.Int,
  background: Schema.Boolean,
  conversation: Schema.NullOr(Schema.String),
  /** The response that goes on in the same session; any other one that follows begins a session of its own. */
  next: Schema.NullOr(Schema.String),
  head: ResponseHead
})
export interface StoredResponse extends Schema.Schema.Type<typeof StoredResponse> {}

/** The newest state of an exchange, to which each response of it adds. */
export const Conversation = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  metadata: Schema.Record({ key: Schema.String, value: Schema.String }),
  /** Empty until somebody answers in it. */
  session_id: Schema.String,
  /** What was added and no model has been told yet; it comes after all that the session holds. */
  added: Schema.Array(Message),
  /** Ids of items that were removed; the next answer is given in a session without them. */
  removed: Schema.Array(Schema.String),
  /** Where an answer is about to move it, and what it tells there: it has moved as soon as the run of that is accepted. */
  moving: Schema.optional(Schema.Struct({
    session_id: SessionId,
    added: Schema.Array(MessageId),
    removed: Schema.Array(Schema.String)
  })),
  /** Who begins an answer in it now, and until when nobody else does. */
  lease: Schema.optional(Schema.Struct({ by: Schema.String, until: Timestamp }))
})
export interface Conversation extends Schema.Schema.Type<typeof Conversation> {}
