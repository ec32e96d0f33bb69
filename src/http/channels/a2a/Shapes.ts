/** What this protocol calls a task, its parts and its updates, as JSON. Members that say nothing are left out, never null. */
import type { TaskState } from "../../../domain/A2aPush.ts"
import type { Run } from "../../../domain/Run.ts"

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

export const isTerminal = ({ status }: Pick<Run, "status">): boolean => status === "ended"
