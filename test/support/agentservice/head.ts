/** The newest source of the Agent Service that we know, as its typed clients read it. */
import { Schema } from "effect"
import { blockWith, fitsRole, hint, records } from "./Blocks.ts"
import { type Class, classOf, flag, given, list, object, orNull, text, whole } from "./Classes.ts"
import { event, events as shared, laterEvents } from "./Events.ts"

const finishedReason = Schema.Literal("completed", "interrupted", "exceed_max_iters", "error")

const errorInfo = Schema.Struct({
  type: given(Schema.Literal(
    "authentication",
    "permission",
    "rate_limit",
    "invalid_request",
    "upstream",
    "connection",
    "internal",
    "setup",
    "unknown"
  )),
  message: text
})

const usage = {
  input_tokens: whole,
  output_tokens: whole,
  cache_input_tokens: given(whole),
  cache_creation_input_tokens: given(whole)
}

export const events: Readonly<Record<string, Class>> = {
  ...shared,
  ...laterEvents,
  REPLY_END: event("REPLY_END", {
    session_id: text,
    reply_id: text,
    finished_reason: given(finishedReason),
    error: orNull(errorInfo)
  }),
  MODEL_CALL_END: event("MODEL_CALL_END", {
    reply_id: text,
    ...usage,
    finished_reason: given(Schema.Literal("completed", "interrupted"))
  })
}

const Msg = Schema.Struct({
  id: given(text),
  name: text,
  role: Schema.Literal("user", "assistant", "system"),
  content: list(blockWith(hint)),
  metadata: given(object),
  created_at: given(text),
  finished_at: orNull(text),
  usage: orNull(Schema.Struct(usage)),
  finished_reason: orNull(finishedReason),
  error: orNull(errorInfo),
  structured_output: orNull(object)
}).pipe(Schema.filter(fitsRole))

const { AgentRecord, CredentialRecord, ModelCard, SessionRecord } = records({
  ratio: (ratio) => ratio > 0 && ratio <= 0.9,
  sources: ["user", "schedule", "channel"]
})

/** Answers that came after 2.0.0. */
const SessionItem = Schema.Struct({
  session: SessionRecord,
  is_running: flag,
  status: Schema.Literal("idle", "running", "awaiting_permission", "awaiting_external_result"),
  team: orNull(object)
})

const ChatStarted = Schema.Struct({ status: text, session_id: text })

export const classes = {
  Msg: classOf(Msg),
  AgentRecord: classOf(AgentRecord),
  CredentialRecord: classOf(CredentialRecord),
  SessionRecord: classOf(SessionRecord),
  ModelCard: classOf(ModelCard),
  SessionItem: classOf(SessionItem),
  ChatStarted: classOf(ChatStarted)
}
