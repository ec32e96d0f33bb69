/** The records of a run's timeline: what a run did, step by step. */
import { Schema } from "effect"
import { AgentId, CredentialId, MessageId, RunId, SessionId, Timestamp, ToolCallId } from "./Ids.ts"
import { Tokens } from "./Ledger.ts"
import { FinishedReason, ToolResultState } from "./Message.ts"
import { RunStatus } from "./Run.ts"
import { RunError } from "./RunError.ts"

const Count = Schema.NonNegativeInt

const step = <const Type extends string, Fields extends Schema.Struct.Fields>(
  type: Type,
  identifier: string,
  fields: Fields
) =>
  Schema.Struct({
    type: Schema.Literal(type),
    /** Its first event and its last one so far. Events of other steps may stand between them. */
    seq: Schema.Int,
    last_seq: Schema.Int,
    events: Count,
    started_at: Timestamp,
    ended_at: Schema.NullOr(Timestamp),
    duration_ms: Schema.NullOr(Count),
    ...fields
  }).annotations({ identifier })

const modelName = Schema.Struct({ type: Schema.String, model: Schema.String, credential_id: CredentialId })

const Input = step("input", "TimelineInput", { message_id: MessageId })
const Attempt = step("attempt", "TimelineAttempt", { attempt: Schema.Int })
const ModelCall = step("model_call", "TimelineModelCall", {
  model_name: Schema.String,
  provider: Schema.NullOr(Schema.String),
  credential_id: Schema.NullOr(CredentialId),
  ...Tokens.fields,
  cost: Schema.NullOr(Schema.Number),
  first_token_ms: Schema.NullOr(Count),
  attempts: Schema.NullOr(Count),
  outcome: Schema.NullOr(Schema.String),
  stop_reason: Schema.NullOr(Schema.String)
})
const ToolRun = step("tool", "TimelineTool", {
  tool_call_id: ToolCallId,
  tool_call_name: Schema.String,
  provider_executed: Schema.Boolean,
  state: ToolResultState
})
const Wait = step("wait", "TimelineWait", { waiting_for: Schema.Literal("user_confirmation", "external_execution") })
const ModelSwitch = step("model_switch", "TimelineModelSwitch", { from: modelName, to: modelName, code: Schema.String })
const End = step("end", "TimelineEnd", {
  finished_reason: FinishedReason,
  stop_reason: Schema.NullOr(Schema.String),
  error: Schema.NullOr(RunError)
})
const Other = step("other", "TimelineOther", { name: Schema.String })

const TimelineStep = Schema.Union(Input, Attempt, ModelCall, ToolRun, Wait, ModelSwitch, End, Other)
  .annotations({ identifier: "TimelineStep" })
export type TimelineStep = typeof TimelineStep.Type

const TimelineTotals = Schema.Struct({
  events: Count,
  model_calls: Count,
  tool_calls: Count,
  waits: Count,
  attempts: Count,
  /** From the acceptance of the input to the beginning, then in calls of models, in tools, and waiting for somebody. */
  queued_ms: Schema.NullOr(Count),
  model_ms: Count,
  tool_ms: Count,
  waited_ms: Count,
  /** From the beginning to the end. */
  duration_ms: Schema.NullOr(Count),
  ...Tokens.fields,
  cost: Schema.NullOr(Schema.Number),
  unpriced_calls: Count
}).annotations({ identifier: "TimelineTotals" })

export const Timeline = Schema.Struct({
  run_id: RunId,
  session_id: SessionId,
  agent_id: AgentId,
  status: RunStatus,
  /** False where retention has removed events of the run. */
  is_complete: Schema.Boolean,
  steps: Schema.Array(TimelineStep),
  /** Steps beyond the bound. */
  steps_left_out: Count,
  totals: TimelineTotals
}).annotations({ identifier: "Timeline" })
export type Timeline = typeof Timeline.Type
