/** Calls of a message that have no result yet. Browsers load this: it imports types alone. */
import type { Message, ToolCallBlock } from "./Message.ts"

/** Calls without a finished result, in order, those that the provider runs included. */
export const withoutResult = (message: Message): ReadonlyArray<ToolCallBlock> => {
  const done = new Set<string>()
  for (const block of message.content) if (block.type === "tool_result" && block.state !== "running") done.add(block.id)
  return message.content.filter((block): block is ToolCallBlock => block.type === "tool_call" && !done.has(block.id))
}

export const isProviders = ({ provider_executed }: ToolCallBlock) => provider_executed === true

/** Calls that are to be run, asked about or handed to a client, and have no finished result yet; in order. */
export const unanswered = (message: Message): ReadonlyArray<ToolCallBlock> =>
  withoutResult(message).filter((call) => !isProviders(call))

/** Calls that wait for a person's permission or for a client's result. */
export const awaited = (message: Message): ReadonlyArray<ToolCallBlock> =>
  unanswered(message).filter(({ state }) => state === "asking" || state === "submitted")
