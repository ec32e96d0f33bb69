/**
 * The event catalogue: one vocabulary for the log, the wire and every fold.
 * Names and fields are those of the AgentEvent stream; `RUN_*` and
 * `USER_MESSAGE` are ours. An event is plain JSON, so its encoded form is
 * itself.
 */
import { Schema } from "effect"
import { BlockId, CredentialId, MessageId, RunId, SessionId, Timestamp, ToolCallId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import {
  Annotations,
  FinishedReason,
  HintBlock,
  Message,
  RunError,
  ToolCallBlock,
  ToolResultBlock,
  ToolResultState
} from "./Message.ts"
import { PermissionRule } from "./Permission.ts"
import { StopDetails, StopReason } from "./Stop.ts"
import { Usage } from "./Usage.ts"

const event = <const Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({
    id: Schema.String,
    created_at: Timestamp,
    type: Schema.Literal(type),
    ...fields,
    metadata: Schema.optional(JsonObject),
    /** Names of the nested agents that this event comes through, outermost first. */
    agent_path: Schema.optional(Schema.Array(Schema.String))
  }).annotations({ identifier: type })

const reply = { reply_id: MessageId }
const block = { ...reply, block_id: BlockId }
const call = { ...reply, tool_call_id: ToolCallId }
const run = { session_id: SessionId, run_id: RunId }
const stop = { stop_reason: Schema.optional(StopReason), stop_details: Schema.optional(StopDetails) }
/** The provider itself runs the tool, as part of the model's answer. */
const executed = { provider_executed: Schema.optional(Schema.Boolean) }

/** An input waits for the run before it. */
export const RunQueued = event("RUN_QUEUED", run)
/** The input as every subscriber sees it. */
export const UserMessage = event("USER_MESSAGE", { ...run, message: Message })
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
/** The run goes on after a crash; `attempt` is 2 for the first recovery. */
export const RunResumed = event("RUN_RESUMED", { ...run, attempt: Schema.Int })
/** The run waits for a person or for a client's tool. A stream that ends here has ended properly. */
export const RunParked = event("RUN_PARKED", {
  ...run,
  ...reply,
  waiting_for: Schema.Literal("user_confirmation", "external_execution")
})

/** `provider` is the credential's type. */
export const ModelCallStart = event("MODEL_CALL_START", {
  ...reply,
  model_name: Schema.String,
  provider: Schema.optional(Schema.String),
  credential_id: Schema.optional(CredentialId)
})
/** `finished_reason` is `completed` or `interrupted`; older logs have the provider's reason there. */
export const ModelCallEnd = event("MODEL_CALL_END", {
  ...reply,
  ...Usage.fields,
  finished_reason: Schema.optional(Schema.String),
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

export const ToolCallStart = event("TOOL_CALL_START", { ...call, tool_call_name: Schema.String, ...executed })
/** A fragment of the arguments' JSON text. */
export const ToolCallDelta = event("TOOL_CALL_DELTA", { ...call, delta: Schema.String })
export const ToolCallEnd = event("TOOL_CALL_END", { ...call, provider_metadata: Schema.optional(JsonObject) })

export const ToolResultStart = event("TOOL_RESULT_START", { ...call, tool_call_name: Schema.String, ...executed })
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
  hint: HintBlock.fields.hint
})
/** A fact about the session that is no part of a reply, such as its new title. */
export const Custom = event("CUSTOM", { name: Schema.String, value: Schema.Unknown })

const modelName = Schema.Struct({ type: Schema.String, model: Schema.String, credential_id: CredentialId })

/** The value of `CUSTOM model_switched`: the model of a reply failed before it said anything, and a fallback is asked. */
export const ModelSwitched = Schema.Struct({
  ...reply,
  from: modelName,
  to: modelName,
  /** `type` is one of a model's failures, such as `rate_limit`; the message names no secret. */
  error: Schema.Struct({ type: Schema.String, message: Schema.String })
}).annotations({ identifier: "ModelSwitched" })
export type ModelSwitched = typeof ModelSwitched.Type

export const AgentEvent = Schema.Union(
  RunQueued,
  UserMessage,
  ReplyStart,
  ReplyEnd,
  RunResumed,
  RunParked,
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

/** After this event a stream of one run has ended properly. */
export const endsStream = (type: AgentEvent["type"]): boolean => type === "REPLY_END" || type === "RUN_PARKED"

/** Says for each type whether a run's row or the transcript changes with it. A new type does not compile without an entry. */
const changes: { readonly [Type in AgentEvent["type"]]: boolean } = {
  RUN_QUEUED: true,
  USER_MESSAGE: true,
  REPLY_START: true,
  REPLY_END: true,
  RUN_RESUMED: true,
  RUN_PARKED: true,
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
  HINT_BLOCK: false,
  CUSTOM: false
}

/** Whether an event of this type may change runs or the transcript; true for a type that only a newer version knows. */
export const changesSession = (type: AgentEvent["type"]): boolean => changes[type] !== false

/** The bytes of one event on every native stream and in the log. */
export const frame = (seq: number, json: string): string => `id: ${seq}\ndata: ${json}\n\n`
