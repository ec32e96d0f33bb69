/** Where updates of a task are sent to, as a client of A2A asks for it, and what they say. */
import { Schema } from "effect"
import { RunId, SessionId, Timestamp, UserId } from "./Ids.ts"
import type { Run } from "./Run.ts"

/** Longest address, token and credentials, in characters, and most receivers of one task. */
const maxUrl = 8 * 1024
const maxToken = 1024
const maxCredentials = 4096
export const maxPushes = 10

/** What a client calls a receiver. */
export const PushName = Schema.String.pipe(
  Schema.pattern(/^[\x21-\x7e]{1,64}$/, { message: () => "Expected 1 to 64 printable ASCII characters without blanks" })
)

export const PushTarget = Schema.Struct({
  url: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxUrl)),
  /** Sent with each update, so that its receiver knows who sends. */
  token: Schema.NullOr(Schema.String.pipe(Schema.maxLength(maxToken))),
  scheme: Schema.NullOr(Schema.String.pipe(Schema.maxLength(64))),
  credentials: Schema.NullOr(Schema.String.pipe(Schema.maxLength(maxCredentials)))
})
export type PushTarget = typeof PushTarget.Type

/** A receiver. Its id is made of the run and its name; address and secrets are sealed. */
export const A2aPush = Schema.Struct({
  id: Schema.String,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  session_id: SessionId,
  run_id: RunId,
  name: Schema.String,
  /** What the task calls its conversation. */
  context: Schema.String,
  sealed: Schema.String
})
export interface A2aPush extends Schema.Schema.Type<typeof A2aPush> {}

/** Kinds of jobs: an update that there is to tell of, and one that is on its way to one receiver. */
export const updateKind = "a2a_update"
export const pushKind = "a2a_push"

export type TaskState =
  | "TASK_STATE_SUBMITTED"
  | "TASK_STATE_WORKING"
  | "TASK_STATE_INPUT_REQUIRED"
  | "TASK_STATE_COMPLETED"
  | "TASK_STATE_FAILED"
  | "TASK_STATE_CANCELED"

/** What an ended run is called. Whoever came to the end of its rounds has no answer. */
export const endedState = (reason: Run["finished_reason"]): TaskState => {
  if (reason === "completed") return "TASK_STATE_COMPLETED"
  return reason === "interrupted" ? "TASK_STATE_CANCELED" : "TASK_STATE_FAILED"
}

export const taskStateOf = ({ finished_reason, status }: Pick<Run, "finished_reason" | "status">): TaskState => {
  switch (status) {
    case "queued":
      return "TASK_STATE_SUBMITTED"
    case "running":
      return "TASK_STATE_WORKING"
    case "ended":
      return endedState(finished_reason)
    default:
      return "TASK_STATE_INPUT_REQUIRED"
  }
}

/** The update that a run has to tell of: it has ended, or waits once more. Undefined while it goes on. */
export const updateOf = (
  run: Run
): { readonly id: string; readonly state: TaskState; readonly at: Timestamp } | undefined => {
  if (run.status === "queued" || run.status === "running") return undefined
  const at = run.ended_at ?? run.updated_at
  const name = run.status === "ended" ? "ended" : String(Date.parse(run.updated_at))
  return { id: `${run.id}.a2a.${name}`, state: taskStateOf(run), at }
}
