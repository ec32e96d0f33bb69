/** Browsers load this: it imports types alone. */
import type { Message, ToolOutput } from "./Message.ts"

/** The text of a message or a tool's output, without thinking, hints and data. */
export const textOf = (content: Message["content"] | ToolOutput): string => {
  if (typeof content === "string") return content
  let text = ""
  for (const block of content) if (block.type === "text") text += block.text
  return text
}
