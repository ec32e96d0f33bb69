/** A run and its reply as a task, at one moment. */
import { taskStateOf } from "../../../domain/A2aPush.ts"
import type { Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Run } from "../../../domain/Run.ts"
import type { Usage } from "../../../domain/Usage.ts"
import { complaint, partsOf, question, structuredPart } from "./Parts.ts"
import {
  type Artifact,
  artifactIdOf,
  artifactName,
  type Head,
  isTerminal,
  type Part,
  type Task,
  type TaskStatus,
  type WireMessage
} from "./Shapes.ts"

/** Where the id that a client gave its message is kept, and what it calls the conversation. */
export const messageIdKey = "a2a_message_id"
export const contextIdKey = "a2a_context_id"

export const contextOf = ({ input, session_id }: Pick<Run, "input" | "session_id">): string => {
  const given = input.at(-1)?.metadata[contextIdKey]
  return typeof given === "string" ? given : session_id
}

const exceeded = "The agent came to the end of its rounds before it had an answer."

/** What the protocol has no place for. */
export const metadataOf = (
  usage: Usage | null | undefined,
  stop_reason: string | undefined
): { readonly metadata?: object } => {
  const metadata = {
    ...(usage != null && { usage }),
    ...(stop_reason !== undefined && { stop_reason })
  }
  return Object.keys(metadata).length === 0 ? {} : { metadata }
}

/** Why it failed, as a sentence. */
export const failureOf = (
  reason: string | null | undefined,
  error: { readonly message: string } | null | undefined
): string => reason === "exceed_max_iters" ? exceeded : error?.message ?? "The run failed."

const statusOf = (head: Head, run: Run, reply: Message | undefined): TaskStatus => {
  const state = taskStateOf(run)
  const status = { state, timestamp: run.ended_at ?? run.updated_at }
  if (state === "TASK_STATE_FAILED") {
    return { ...status, message: complaint(head, failureOf(run.finished_reason, run.error)) }
  }
  if (state !== "TASK_STATE_INPUT_REQUIRED" || reply === undefined) return status
  const waits = run.status === "awaiting_permission" ? "approval" : "tool_results"
  const wanted = waits === "approval" ? "asking" : "submitted"
  return { ...status, message: question(head, waits, awaited(reply).filter((call) => call.state === wanted)) }
}

/** The artifact of a reply, if it says anything. */
const artifactOf = (head: Head, { content, structured_output }: Message): ReadonlyArray<Artifact> => {
  const parts: ReadonlyArray<Part> = [
    ...partsOf(head, content),
    ...(structured_output !== undefined ? [structuredPart(structured_output)] : [])
  ]
  return parts.length === 0 ? [] : [{ artifactId: artifactIdOf(head.run_id), name: artifactName, parts }]
}

/** What the client has said, oldest first. */
const historyOf = (head: Head, { input }: Run): ReadonlyArray<WireMessage> =>
  input.map(({ content, id, metadata }) => {
    const given = metadata[messageIdKey]
    return {
      messageId: typeof given === "string" ? given : id,
      contextId: head.contextId,
      taskId: head.run_id,
      role: "ROLE_USER" as const,
      parts: partsOf(head, content)
    }
  })

export interface Shown {
  /** Messages of the history, newest; undefined is all, 0 none. */
  readonly historyLength?: number | undefined
  readonly withArtifacts?: boolean
}

export const taskOf = (
  head: Head,
  run: Run,
  reply: Message | undefined,
  { historyLength, withArtifacts = true }: Shown = {}
): Task => {
  const history = historyOf(head, run).slice(historyLength === undefined ? 0 : -historyLength)
  const artifacts = withArtifacts && reply !== undefined ? artifactOf(head, reply) : []
  return {
    id: run.id,
    contextId: head.contextId,
    status: statusOf(head, run, reply),
    ...(artifacts.length > 0 && { artifacts }),
    ...(historyLength !== 0 && history.length > 0 && { history }),
    ...(isTerminal(run) ? metadataOf(run.usage, run.stop_reason) : metadataOf(reply?.usage, undefined))
  }
}
