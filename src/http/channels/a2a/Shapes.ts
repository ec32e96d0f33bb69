/** What this protocol calls a task, its parts and its updates, as JSON. Members that say nothing are left out, never null. */
import type { FinishedReason } from "../../../domain/Message.ts"
import type { Run } from "../../../domain/Run.ts"

export type TaskState =
  | "TASK_STATE_SUBMITTED"
  | "TASK_STATE_WORKING"
  | "TASK_STATE_INPUT_REQUIRED"
  | "TASK_STATE_COMPLETED"
  | "TASK_STATE_FAILED"
  | "TASK_STATE_CANCELED"

/** One of `text`, `raw` (base64), `url` and `data`. */
export interface Part {
  readonly text?: string
  readonly raw?: string
  readonly url?: string
  readonly data?: unknown
  readonly mediaType?: string
  readonly filename?: string
}

export interface WireMessage {
  readonly messageId: string
  readonly contextId: string
  readonly taskId: string
  readonly role: "ROLE_USER" | "ROLE_AGENT"
  readonly parts: ReadonlyArray<Part>
}

export interface TaskStatus {
  readonly state: TaskState
  readonly timestamp: string
  readonly message?: WireMessage
}

export interface Artifact {
  readonly artifactId: string
  readonly name: string
  readonly parts: ReadonlyArray<Part>
}

export interface Task {
  readonly id: string
  readonly contextId: string
  readonly status: TaskStatus
  readonly artifacts?: ReadonlyArray<Artifact>
  readonly history?: ReadonlyArray<WireMessage>
  readonly metadata?: object
}

/** One frame of a stream, and what a webhook is sent. */
export type StreamResponse =
  | { readonly task: Task }
  | {
    readonly statusUpdate: {
      readonly taskId: string
      readonly contextId: string
      readonly status: TaskStatus
      readonly metadata?: object
    }
  }
  | {
    readonly artifactUpdate: {
      readonly taskId: string
      readonly contextId: string
      readonly artifact: Artifact
      readonly append: boolean
      readonly lastChunk: boolean
    }
  }

/** Which task is spoken of. `base` is where this server was found, for files that it keeps. */
export interface Head {
  readonly run_id: string
  readonly contextId: string
  readonly base: string
}

/** The one artifact of a task: what the agent has answered. */
export const artifactIdOf = (run_id: string): string => `${run_id}-reply`
export const artifactName = "reply"

/** What an ended run is called. Whoever came to the end of its rounds has no answer. */
export const endedState = (reason: FinishedReason | null): TaskState => {
  if (reason === "completed") return "TASK_STATE_COMPLETED"
  return reason === "interrupted" ? "TASK_STATE_CANCELED" : "TASK_STATE_FAILED"
}

export const stateOf = ({ finished_reason, status }: Pick<Run, "finished_reason" | "status">): TaskState => {
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

export const isTerminal = ({ status }: Pick<Run, "status">): boolean => status === "ended"
