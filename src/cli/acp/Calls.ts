/** Calls of tools as editors show them. */
import type { ToolCall, ToolCallStatus, ToolCallUpdate, ToolKind } from "@agentclientprotocol/sdk"
import type { ToolResultBlock } from "../../domain/Message.ts"
import { outputOf } from "./Content.ts"

const kinds: Readonly<Record<string, ToolKind>> = {
  Read: "read",
  ToolView: "read",
  ScheduleView: "read",
  SessionHistory: "read",
  Write: "edit",
  Edit: "edit",
  Bash: "execute",
  Calculate: "execute",
  Glob: "search",
  Grep: "search",
  WebFetch: "fetch",
  TaskCreate: "think",
  TaskUpdate: "think",
  TaskList: "think"
}

/** Longest argument that stands in a title, in characters. */
const maxTitle = 80

/** Arguments of which one says most of what a call does. */
const telling = ["command", "file_path", "path", "pattern", "url", "query", "subject"]

/** Providers count calls anew in every reply; editors know all of a session by their ids. */
export const callId = (reply: string, call: string): string => `${reply}.${call}`

const inputOf = (input: string): unknown => {
  try {
    return input.trim() === "" ? {} : JSON.parse(input)
  } catch {
    return input
  }
}

const titleOf = (name: string, input: unknown): string => {
  if (typeof input !== "object" || input === null) return name
  const said = telling.map((field) => Reflect.get(input, field) as unknown)
    .find((value): value is string => typeof value === "string" && value !== "")
  if (said === undefined) return name
  const line = said.split("\n", 1)[0]!
  return `${name}: ${line.length > maxTitle ? `${line.slice(0, maxTitle)}…` : line}`
}

/** A call whose arguments are still coming. */
export const begun = (reply: string, id: string, name: string): ToolCall => ({
  toolCallId: callId(reply, id),
  title: name,
  kind: kinds[name] ?? "other",
  status: "pending"
})

export const whole = (
  reply: string,
  { id, input, name }: { readonly id: string; readonly input: string; readonly name: string }
) => {
  const rawInput = inputOf(input)
  return { toolCallId: callId(reply, id), title: titleOf(name, rawInput), kind: kinds[name] ?? "other", rawInput }
}

const statusOf = (state: ToolResultBlock["state"]): ToolCallStatus =>
  state === "running" ? "in_progress" : state === "success" ? "completed" : "failed"

export const ended = (reply: string, { id, output, state }: Pick<ToolResultBlock, "id" | "output" | "state">) =>
  ({
    toolCallId: callId(reply, id),
    status: statusOf(state),
    content: outputOf(output).map((content) => ({ type: "content" as const, content })),
    ...(typeof output === "string" && { rawOutput: output })
  }) satisfies ToolCallUpdate
