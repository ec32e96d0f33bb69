import { Schema } from "effect"
import { AgentId, MessageId, RunId, SessionId, ToolCallId } from "./Ids.ts"
import { InputMessage, ToolOutput } from "./Message.ts"
import { OutputSchema } from "./OutputSchema.ts"
import { PermissionRuleInput } from "./Permission.ts"
import { ClientToolsInput, ToolChoice } from "./Tool.ts"

/**
 * What happens to an input when the session has an active run: it waits behind
 * that run, is refused, stops that run first, or becomes part of the reply that
 * is being written, before its next model call.
 */
export const OnBusy = Schema.Literal("enqueue", "reject", "interrupt", "steer")
export type OnBusy = typeof OnBusy.Type

/** Most messages in one input, answers in one event, and rules in one answer. */
const maxInputMessages = 100
const maxAnswers = 100
const maxRules = 20

const eventBase = {
  id: Schema.optional(Schema.NullOr(Schema.String)),
  created_at: Schema.optional(Schema.NullOr(Schema.String)),
  reply_id: MessageId
}

/** A person's answer to REQUIRE_USER_CONFIRM. The call's `name` and `input` may be edited; absent ones stay. */
export const ConfirmInput = Schema.Struct({
  ...eventBase,
  type: Schema.Literal("USER_CONFIRM_RESULT"),
  confirm_results: Schema.Array(Schema.Struct({
    confirmed: Schema.Boolean,
    tool_call: Schema.Struct({
      id: ToolCallId,
      name: Schema.optional(Schema.String.pipe(Schema.maxLength(256))),
      input: Schema.optional(Schema.String.pipe(Schema.maxLength(256 * 1024)))
    }),
    rules: Schema.optional(Schema.NullOr(Schema.Array(PermissionRuleInput).pipe(Schema.maxItems(maxRules))))
  })).pipe(Schema.minItems(1), Schema.maxItems(maxAnswers))
}).annotations({ identifier: "UserConfirmInput" })
export type ConfirmInput = typeof ConfirmInput.Type

/** What a client's own tools answered to REQUIRE_EXTERNAL_EXECUTION. */
export const ExternalInput = Schema.Struct({
  ...eventBase,
  type: Schema.Literal("EXTERNAL_EXECUTION_RESULT"),
  execution_results: Schema.Array(Schema.Struct({
    type: Schema.optional(Schema.Literal("tool_result")),
    id: ToolCallId,
    name: Schema.optional(Schema.String),
    output: ToolOutput,
    state: Schema.optionalWith(Schema.Literal("success", "error", "interrupted", "denied"), {
      default: () => "success" as const
    })
  })).pipe(Schema.minItems(1), Schema.maxItems(maxAnswers))
}).annotations({ identifier: "ExternalExecutionInput" })
export type ExternalInput = typeof ExternalInput.Type

/** An answer that a parked run waits for. */
export type AnswerInput = ConfirmInput | ExternalInput

/** A message, several, an answer to what a parked run asks, or null to go on without one. The key must be there. */
export const ChatInput = Schema.Union(
  ConfirmInput,
  ExternalInput,
  InputMessage,
  Schema.Array(InputMessage).pipe(Schema.maxItems(maxInputMessages)),
  Schema.Null
).annotations({ identifier: "ChatInput" })
export type ChatInput = typeof ChatInput.Type

export const isAnswer = (input: ChatInput): input is AnswerInput => input !== null && "type" in input

export const ChatRequest = Schema.Struct({
  agent_id: AgentId,
  session_id: SessionId,
  input: ChatInput,
  on_busy: Schema.optionalWith(OnBusy, { default: () => "enqueue" as const }),
  /** Tools that this client runs itself, beside those of the agent. */
  tools: Schema.optionalWith(ClientToolsInput, { default: () => [] }),
  /** Applies to the reply's first model call; `none` applies to all of them. */
  tool_choice: Schema.optional(ToolChoice),
  /** The reply's last text is to be JSON of this schema; it is then the message's `structured_output`. */
  output_schema: Schema.optional(OutputSchema)
}).annotations({ identifier: "ChatRequest" })
export type ChatRequest = typeof ChatRequest.Type

/** An input is durable; follow it from `seq` on. */
export const Accepted = Schema.Struct({
  session_id: SessionId,
  run_id: RunId,
  /** Its events have a greater `seq` than this. */
  seq: Schema.Int
}).annotations({ identifier: "Accepted" })
export type Accepted = typeof Accepted.Type
