/** One slot of a schedule, or one time that somebody triggered it, and what became of it. */
import { Schema } from "effect"
import { AgentId, FireId, RunId, ScheduleId, SessionId, Timestamp, UserId } from "./Ids.ts"
import { RunError } from "./RunError.ts"
import { Usage } from "./Usage.ts"

/**
 * `pending` has no run yet, `running` has one, and `waiting` has one that waits for a person or a client.
 * `completed`, `failed` and `interrupted` tell how the run ended; `failed` also that there could be none.
 * `skipped` was left out because of another fire, `missed` because no process did it in time, and `expired`
 * waited too long.
 */
export const FireStatus = Schema.Literal(
  "pending",
  "running",
  "waiting",
  "completed",
  "failed",
  "interrupted",
  "skipped",
  "missed",
  "expired"
)
export type FireStatus = typeof FireStatus.Type

export const Fire = Schema.Struct({
  id: FireId,
  user_id: UserId,
  schedule_id: ScheduleId,
  agent_id: AgentId,
  created_at: Timestamp,
  updated_at: Timestamp,
  trigger: Schema.Literal("clock", "manual"),
  /** 1 for the first fire by the clock; null when somebody triggered it, and when it was missed. */
  number: Schema.NullOr(Schema.Int),
  /** The time that the schedule names, and the one at which it was to fire, which is later by the jitter. */
  slot_at: Timestamp,
  due_at: Timestamp,
  status: FireStatus,
  /** Why it was not done, in words. */
  reason: Schema.NullOr(Schema.String),
  /** Slots before this one that were left out with it, because no process did them in time; 100 stands for more. */
  missed: Schema.Int,
  /** When its input was accepted, and how many milliseconds after `due_at` that was, by the clock of the storage. */
  sent_at: Schema.NullOr(Timestamp),
  lateness_ms: Schema.NullOr(Schema.Int),
  session_id: Schema.NullOr(SessionId),
  run_id: Schema.NullOr(RunId),
  /** Of its run. */
  error: Schema.NullOr(RunError),
  usage: Schema.NullOr(Usage),
  started_at: Schema.NullOr(Timestamp),
  ended_at: Schema.NullOr(Timestamp),
  duration_ms: Schema.NullOr(Schema.Int)
}).annotations({ identifier: "Fire" })
export interface Fire extends Schema.Schema.Type<typeof Fire> {}

/** Whether more will become of it. */
export const isOpen = ({ status }: Fire): boolean =>
  status === "pending" || status === "running" || status === "waiting"
