/** Browsers load this: it imports types alone. */
import type { ContentBlock, Message, ToolOutput } from "./Message.ts"

/** The text of a message or a tool's output, without thinking, hints and data. */
export const textOf = (content: Message["content"] | ToolOutput): string => {
  if (typeof content === "string") return content
  let text = ""
  for (const block of content) if (block.type === "text") text += block.text
  return text
}

/** A call of a workflow's step, or its result: models are not shown them. */
export const isOfStep = (block: ContentBlock): boolean =>
  (block.type === "tool_call" || block.type === "tool_result") && block.parent_tool_call_id !== undefined
