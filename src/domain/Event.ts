/**
 * The event catalogue: one vocabulary for the log, the wire and every fold.
 * Names and fields are those of the AgentEvent stream of the Agent Service, and its
 * enumerations are kept; what we know better stands in fields beside them. Events
 * of our own are in `CustomEvents.ts`. An event is plain JSON, so its encoded form is itself.
 */
import { Schema } from "effect"
import { Custom } from "./CustomEvents.ts"
import { block, call, event, reply, run } from "./EventBase.ts"
import { BlockId, CredentialId, ToolCallId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { Annotations, FinishedReason, HintBlock, ToolCallBlock, ToolResultBlock, ToolResultState } from "./Message.ts"
import { PermissionRule } from "./Permission.ts"
import { RunError } from "./RunError.ts"
import { StopDetails, StopReason } from "./Stop.ts"
import { Usage } from "./Usage.ts"

const stop = { stop_reason: Schema.optional(StopReason), stop_details: Schema.optional(StopDetails) }
/** The provider itself runs the tool, as part of the model's answer. */
const executed = { provider_executed: Schema.optional(Schema.Boolean) }
/** The call is a step of the workflow that this call began. */
const within = { parent_tool_call_id: Schema.optional(ToolCallId) }

export const ReplyStart = event("REPLY_START", {
  ...run,
  ...reply,
  name: Schema.String,
  role: Schema.Literal("assistant")
})
/** The terminal event of a reply. It always comes. */
export const ReplyEnd = event("REPLY_END", {
  ...run,
  ...reply,
  finished_reason: FinishedReason,
  ...stop,
  error: Schema.NullOr(RunError),
  usage: Usage,
  structured_output: Schema.optional(Schema.Unknown)
})
/** `provider` is the credential's type. */
export const ModelCallStart = event("MODEL_CALL_START", {
  ...reply,
  model_name: Schema.String,
  provider: Schema.optional(Schema.String),
  credential_id: Schema.optional(CredentialId),
  /** The call makes a summary of the context, or is a step of a workflow: it counts as no round, and the model is shown nothing of it. */
  purpose: Schema.optional(Schema.Literal("compaction", "workflow"))
})
/** `stop_reason` tells why the model stopped. */
export const ModelCallEnd = event("MODEL_CALL_END", {
  ...reply,
  ...Usage.fields,
  finished_reason: Schema.optional(Schema.Literal("completed", "interrupted")),
  ...stop
})

export const TextBlockStart = event("TEXT_BLOCK_START", block)
export const TextBlockDelta = event("TEXT_BLOCK_DELTA", { ...block, delta: Schema.String })
/** `provider_metadata` is what the provider wants back on the next call, here and below. */
export const TextBlockEnd = event("TEXT_BLOCK_END", {
  ...block,
  annotations: Annotations,
  provider_metadata: Schema.optional(JsonObject)
})

export const ThinkingBlockStart = event("THINKING_BLOCK_START", block)
export const ThinkingBlockDelta = event("THINKING_BLOCK_DELTA", { ...block, delta: Schema.String })
export const ThinkingBlockEnd = event("THINKING_BLOCK_END", {
  ...block,
  provider_metadata: Schema.optional(JsonObject)
})

export const DataBlockStart = event("DATA_BLOCK_START", { ...block, media_type: Schema.String })
/** `data` is a piece of base64 whose pieces concatenate; it is empty where `url` says where the bytes are. */
export const DataBlockDelta = event("DATA_BLOCK_DELTA", {
  ...block,
  data: Schema.String,
  media_type: Schema.String,
  url: Schema.optional(Schema.NullOr(Schema.String))
})
export const DataBlockEnd = event("DATA_BLOCK_END", { ...block, provider_metadata: Schema.optional(JsonObject) })

export const ToolCallStart = event("TOOL_CALL_START", {
  ...call,
  tool_call_name: Schema.String,
  ...executed,
  ...within,
  /** The name of the step. */
  step: Schema.optional(Schema.String)
})
/** A fragment of the arguments' JSON text. */
export const ToolCallDelta = event("TOOL_CALL_DELTA", { ...call, delta: Schema.String })
export const ToolCallEnd = event("TOOL_CALL_END", { ...call, provider_metadata: Schema.optional(JsonObject) })

export const ToolResultStart = event("TOOL_RESULT_START", {
  ...call,
  tool_call_name: Schema.String,
  ...executed,
  ...within
})
export const ToolResultTextDelta = event("TOOL_RESULT_TEXT_DELTA", { ...call, delta: Schema.String })
/** Carries either `data` or `url`. */
export const ToolResultDataDelta = event("TOOL_RESULT_DATA_DELTA", {
  ...call,
  block_id: BlockId,
  media_type: Schema.String,
  data: Schema.optional(Schema.NullOr(Schema.String)),
  url: Schema.optional(Schema.NullOr(Schema.String))
})
export const ToolResultEnd = event("TOOL_RESULT_END", { ...call, state: ToolResultState })

export const ExceedMaxIters = event("EXCEED_MAX_ITERS", { ...reply, name: Schema.String })

export const RequireUserConfirm = event("REQUIRE_USER_CONFIRM", { ...reply, tool_calls: Schema.Array(ToolCallBlock) })
export const RequireExternalExecution = event("REQUIRE_EXTERNAL_EXECUTION", {
  ...reply,
  tool_calls: Schema.Array(ToolCallBlock)
})
export const UserConfirmResult = event("USER_CONFIRM_RESULT", {
  ...reply,
  confirm_results: Schema.Array(Schema.Struct({
    confirmed: Schema.Boolean,
    tool_call: ToolCallBlock,
    rules: Schema.optional(Schema.NullOr(Schema.Array(PermissionRule)))
  }))
})
export const ExternalExecutionResult = event("EXTERNAL_EXECUTION_RESULT", {
  ...reply,
  execution_results: Schema.Array(ToolResultBlock)
})
export const UserInterrupt = event("USER_INTERRUPT", reply)

export const HintBlockEvent = event("HINT_BLOCK", {
  ...block,
  source: Schema.optional(Schema.NullOr(Schema.String)),
  hint: HintBlock.fields.hint,
  shown: HintBlock.fields.shown
})
export const AgentEvent = Schema.Union(
  ReplyStart,
  ReplyEnd,
  ModelCallStart,
  ModelCallEnd,
  TextBlockStart,
  TextBlockDelta,
  TextBlockEnd,
  ThinkingBlockStart,
  ThinkingBlockDelta,
  ThinkingBlockEnd,
  DataBlockStart,
  DataBlockDelta,
  DataBlockEnd,
  ToolCallStart,
  ToolCallDelta,
  ToolCallEnd,
  ToolResultStart,
  ToolResultTextDelta,
  ToolResultDataDelta,
  ToolResultEnd,
  ExceedMaxIters,
  RequireUserConfirm,
  RequireExternalExecution,
  UserConfirmResult,
  ExternalExecutionResult,
  UserInterrupt,
  HintBlockEvent,
  Custom
).annotations({ identifier: "AgentEvent", description: "One event of a session's log; the payload of one SSE frame." })
export type AgentEvent = typeof AgentEvent.Type

type Distribute<E> = E extends unknown ? Omit<E, "id" | "created_at"> : never
/** An event before it gets its id and time. */
export type EventDraft = Distribute<AgentEvent>

type KindOf<E> = E extends { readonly type: "CUSTOM"; readonly name: infer Name extends string } ? `CUSTOM ${Name}`
  : E extends { readonly type: infer Type extends string } ? Type
  : never

/** The type of an event; for those of our own their name too. */
type Kind = KindOf<AgentEvent>

/** Says for each kind whether a run's row or the transcript changes with it. A new kind does not compile without an entry. */
const changes: { readonly [K in Kind]: boolean } = {
  "CUSTOM run_queued": true,
  "CUSTOM user_message": true,
  "CUSTOM run_resumed": true,
  "CUSTOM run_parked": true,
  "CUSTOM model_switched": false,
  "CUSTOM state_updated": false,
  "CUSTOM task_started": false,
  "CUSTOM task_output": false,
  "CUSTOM task_ended": false,
  "CUSTOM context_compacted": true,
  "CUSTOM tool_result_offloaded": false,
  "CUSTOM tool_call_changed": false,
  "CUSTOM agent_state": false,
  "CUSTOM elicitation_requested": false,
  "CUSTOM elicitation_ended": false,
  REPLY_START: true,
  REPLY_END: true,
  USER_CONFIRM_RESULT: true,
  EXTERNAL_EXECUTION_RESULT: true,
  MODEL_CALL_START: false,
  MODEL_CALL_END: false,
  TEXT_BLOCK_START: false,
  TEXT_BLOCK_DELTA: false,
  TEXT_BLOCK_END: false,
  THINKING_BLOCK_START: false,
  THINKING_BLOCK_DELTA: false,
  THINKING_BLOCK_END: false,
  DATA_BLOCK_START: false,
  DATA_BLOCK_DELTA: false,
  DATA_BLOCK_END: false,
  TOOL_CALL_START: false,
  TOOL_CALL_DELTA: false,
  TOOL_CALL_END: false,
  TOOL_RESULT_START: false,
  TOOL_RESULT_TEXT_DELTA: false,
  TOOL_RESULT_DATA_DELTA: false,
  TOOL_RESULT_END: false,
  EXCEED_MAX_ITERS: false,
  REQUIRE_USER_CONFIRM: false,
  REQUIRE_EXTERNAL_EXECUTION: false,
  USER_INTERRUPT: false,
  HINT_BLOCK: false
}

/** Whether this event may change runs or the transcript; true for a kind that only a newer version knows. */
export const changesSession = (event: AgentEvent): boolean =>
  changes[(event.type === "CUSTOM" ? `CUSTOM ${event.name}` : event.type) as Kind] !== false

/** The bytes of one event on every native stream and in the log. */
export const frame = (seq: number, json: string): string => `id: ${seq}\ndata: ${json}\n\n`
