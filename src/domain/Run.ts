import { Schema } from "effect"
import { OnBusy } from "./Chat.ts"
import { AgentId, MessageId, RunId, SessionId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { FinishedReason, Message } from "./Message.ts"
import { RunError } from "./RunError.ts"
import { StopDetails, StopReason } from "./Stop.ts"
import { ClientTools, ToolChoice } from "./Tool.ts"
import { Usage } from "./Usage.ts"

/** `queued` waits its turn, `awaiting_*` is parked, `ended` has its terminal event in the log. */
export const RunStatus = Schema.Literal("queued", "running", "awaiting_permission", "awaiting_external_result", "ended")
export type RunStatus = typeof RunStatus.Type

/** What sent an input: a person's client, a schedule, a task in the background, another agent, or a channel. */
export const RunSource = Schema.Literal("user", "schedule", "task", "agent", "channel")
export type RunSource = typeof RunSource.Type

/** Where an input comes from, and what its sender adds to the system prompt for this run alone. */
export interface Origin {
  readonly source: RunSource
  /** The id of what sent it: of a fire, for a schedule. */
  readonly source_id: string | null
  readonly instructions?: string
  /** The context is to be compacted; there is no input. */
  readonly compact?: true
  /** The run whose input is sent again. */
  readonly retried_from?: RunId
  /** Longest time that the run may work, in milliseconds; the server's own bound holds beside it. */
  readonly timeout_ms?: number
  /** How often its input is sent again by the server, when it has failed for a reason that may pass. */
  readonly retries?: number
  /** What was said before in a conversation that its client keeps itself; it comes before the input. Its files are stored already. */
  readonly history?: ReadonlyArray<Message>
}

/** Most times that the server sends an input again by itself. */
const maxRetries = 10

/** A run is what one accepted input started. */
export const Run = Schema.Struct({
  id: RunId,
  user_id: UserId,
  session_id: SessionId,
  agent_id: AgentId,
  status: RunStatus,
  /** The process that drives it, or will; null while no process has taken it up, and while it is parked. */
  driver: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null }),
  /** What its input does when another run is active. */
  on_busy: Schema.optionalWith(OnBusy, { default: () => "enqueue" as const }),
  reply_id: MessageId,
  source: Schema.optionalWith(RunSource, { default: () => "user" as const }),
  source_id: Schema.optionalWith(Schema.NullOr(Schema.String), { default: () => null }),
  /** The run whose input this one has got again. */
  retried_from: Schema.optionalWith(RunId, { exact: true }),
  /** Longest time that it may work, in milliseconds, where its sender has said one. */
  timeout_ms: Schema.optionalWith(Schema.Int.pipe(Schema.positive()), { exact: true }),
  /** How often the server still sends its input again, when it fails for a reason that may pass. */
  retries: Schema.optionalWith(Schema.Int.pipe(Schema.between(0, maxRetries)), { exact: true }),
  /** Added to the agent's system prompt for this run. */
  instructions: Schema.optional(Schema.String),
  /** The run makes a summary of the context, and asks its model nothing else. */
  compact: Schema.optionalWith(Schema.Literal(true), { exact: true }),
  /** The messages that the client sent; empty means "go on". */
  input: Schema.Array(Message),
  /** Tools that the client which sent it runs itself. */
  tools: ClientTools,
  tool_choice: Schema.optional(ToolChoice),
  output_schema: Schema.optional(JsonObject),
  /** The `seq` of the run's first event, `run_queued` aside; null while it is queued. */
  first_seq: Schema.NullOr(Schema.Int),
  /** The `seq` of its terminal event. */
  last_seq: Schema.NullOr(Schema.Int),
  /** 1, and one more for each recovery after a crash. */
  attempt: Schema.Int,
  finished_reason: Schema.NullOr(FinishedReason),
  stop_reason: Schema.optional(StopReason),
  stop_details: Schema.optional(StopDetails),
  error: Schema.NullOr(RunError),
  usage: Schema.NullOr(Usage),
  created_at: Timestamp,
  updated_at: Timestamp,
  started_at: Schema.NullOr(Timestamp),
  ended_at: Schema.NullOr(Timestamp)
}).annotations({ identifier: "Run" })
export interface Run extends Schema.Schema.Type<typeof Run> {}

/** Whether a run has failed for a reason that may pass, and its sender has asked for it to be tried again. */
export const isToRetry = ({ error, retries, status }: Run): boolean =>
  status === "ended" && retries !== undefined && error !== null && error.retryable && error.code !== "run_timeout"

/** The job that sends its input again. */
export const retryJob = ({ id }: Pick<Run, "id">): string => `${id}.retry`

/** The claim that its input was sent again, or is not to be: whoever writes it first decides. */
export const retryClaim = ({ id }: Pick<Run, "id">): string => `retry ${id}`

/** The `source_id` of later runs that have the same input: that of the first, and behind it which that is. */
export const againOf = ({ id, source_id }: Pick<Run, "id" | "source_id">): string =>
  source_id !== null && source_id.includes(":") ? source_id : `${source_id ?? ""}:${id}`
