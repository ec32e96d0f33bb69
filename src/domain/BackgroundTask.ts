/**
 * A task: a tool call that took longer than its turn may, and goes on while its agent does something else. The agent is
 * told at once that it does, and what it has brought once it has ended.
 */
import { Schema } from "effect"
import { AgentId, type BlockId, RunId, SessionId, TaskId, Timestamp, ToolCallId, UserId } from "./Ids.ts"
import { DataBlock, type HintBlock, TextBlock } from "./Message.ts"
import { textOf } from "./MessageText.ts"

/** Most characters that a task may say after it has begun. */
export const maxTaskOutput = 100_000

/**
 * `completed` and `failed` have come to their end, `cancelled` was stopped by somebody, and of `lost` nobody knows: its
 * process is gone.
 */
export const TaskStatus = Schema.Literal("running", "completed", "failed", "cancelled", "lost")
export type TaskStatus = typeof TaskStatus.Type

export const BackgroundTask = Schema.Struct({
  id: TaskId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  session_id: SessionId,
  agent_id: AgentId,
  /** The run that called the tool. */
  run_id: RunId,
  tool_call_id: ToolCallId,
  tool_name: Schema.String,
  /** The process in which it runs. */
  process: Schema.String,
  status: TaskStatus,
  /** What came after the call's own result; empty while it runs. */
  output: Schema.Array(Schema.Union(TextBlock, DataBlock)),
  ended_at: Schema.NullOr(Timestamp),
  /** When its agent was told, in the same transaction as the hint that tells it. */
  told_at: Schema.NullOr(Timestamp)
})
export interface BackgroundTask extends Schema.Schema.Type<typeof BackgroundTask> {}

/** Whether its agent is still to be told. Whoever cancels a task knows it already. */
export const isUntold = ({ status, told_at }: Pick<BackgroundTask, "status" | "told_at">): boolean =>
  told_at === null && status !== "running" && status !== "cancelled"

/** As its owner sees it; the first three are those of the Agent Service. */
export const TaskView = Schema.Struct({
  task_id: TaskId,
  session_id: SessionId,
  agent_id: AgentId,
  run_id: RunId,
  tool_call_id: ToolCallId,
  tool_name: Schema.String,
  status: TaskStatus,
  created_at: Timestamp,
  ended_at: Schema.NullOr(Timestamp)
}).annotations({ identifier: "BackgroundTask" })
export type TaskView = typeof TaskView.Type

export const viewOf = (
  { agent_id, created_at, ended_at, id, run_id, session_id, status, tool_call_id, tool_name }: BackgroundTask
): TaskView => ({
  task_id: id,
  session_id,
  agent_id,
  run_id,
  tool_call_id,
  tool_name,
  status,
  created_at,
  ended_at
})

/** With the text of what it has said. */
export const TaskDetail = Schema.Struct({
  ...TaskView.fields,
  /** Null while it runs in another process. */
  output: Schema.NullOr(Schema.String)
}).annotations({ identifier: "BackgroundTaskDetail" })
export type TaskDetail = typeof TaskDetail.Type

/** Digits and letters that nobody takes for each other, in the order of their codes. */
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
const idLength = 22

/** The 22 characters of a short UUID, for the 32 hexadecimal digits of a new record's id. The order stays. */
export const taskIdOf = (record: string): TaskId => {
  let rest = BigInt(`0x${record}`)
  let id = ""
  while (id.length < idLength) {
    id = alphabet[Number(rest % 57n)]! + id
    rest /= 57n
  }
  return TaskId.make(id)
}

const whatComes = "What it brings will be injected into the context automatically when finished.</system-reminder>"

/** What the call's own result says in the end. */
export const placeholder = ({ id, tool_name }: Pick<BackgroundTask, "id" | "tool_name">): string =>
  `<system-reminder>Tool '${tool_name}' is taking longer than expected and has been moved to the background `
  + `(task_id=${id}). You may continue with other work. ${whatComes}`

/** Whether a result is that of a call which goes on, or went on, as a task. */
export const isMoved = (result: string): boolean => result.endsWith(whatComes)

/** The task of which a hint tells: it is named at the beginning. */
export const taskIdIn = (hint: string): string | undefined => /\(task_id=([A-Za-z0-9]{22})\)/.exec(hint)?.[1]

/** Output is foreign: it must not end the notification that it stands in, nor begin one. */
const tamed = (text: string) => text.replace(/<(?=\/?system-(?:notification|reminder)>)/g, "&lt;")

const fates: Readonly<Record<TaskStatus, string>> = {
  running: "is running.",
  completed: "has completed.",
  failed: "has failed.",
  cancelled: "was cancelled.",
  lost: "is lost: the server stopped while it ran, and its outcome is unknown."
}

/** How the agent is told: a text, or blocks when there are files among what it has brought. */
export const hintOf = (task: BackgroundTask, newBlock: () => BlockId): HintBlock["hint"] => {
  const text = tamed(textOf(task.output)).trim()
  const said = text === "" ? (task.status === "lost" ? "" : " It has said nothing more.") : ` Result:\n${text}\n`
  const whole = `<system-notification>Background task for tool '${tamed(task.tool_name)}' (task_id=${task.id}) ${
    fates[task.status]
  }${said}</system-notification>`
  const files = task.output.filter((block) => block.type === "data")
  return files.length === 0 ? whole : [{ type: "text", id: newBlock(), text: whole }, ...files]
}
