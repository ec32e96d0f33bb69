/** The calls of workflows' steps in a reply: found by the call that they are steps of, which stands before them. */
import type { EventDraft } from "./Event.ts"
import type { ToolCallId } from "./Ids.ts"
import type { Message, ToolCallBlock, ToolResultBlock } from "./Message.ts"
import { isOfStep } from "./MessageText.ts"
import { unanswered } from "./OpenCalls.ts"
import { interrupted } from "./Reply.ts"

/** Most calls of steps in one reply. */
export const maxStepCalls = 512

export const countIn = ({ content }: Message): number =>
  content.filter((block) => block.type === "tool_call" && isOfStep(block)).length

/** The calls of a step so far, in their order. */
export const callsOfStep = ({ content }: Message, parent: ToolCallId, step: string): ReadonlyArray<ToolCallBlock> =>
  content.filter((block): block is ToolCallBlock =>
    block.type === "tool_call" && block.parent_tool_call_id === parent && block.step === step
  )

export const resultOf = ({ content }: Message, id: ToolCallId): ToolResultBlock | undefined =>
  content.find((block): block is ToolResultBlock => block.type === "tool_result" && block.id === id)

/** Gives each call below these ones that has no finished result an interrupted one: nobody goes on with it. */
const closing = (message: Message, parents: ReadonlySet<string>): ReadonlyArray<EventDraft> => {
  const ended = new Set(parents)
  for (const block of message.content) {
    const isBelow = block.type === "tool_call" && block.parent_tool_call_id !== undefined &&
      ended.has(block.parent_tool_call_id)
    if (isBelow) ended.add(block.id)
  }
  const open = unanswered(message).filter(({ id }) => ended.has(id) && !parents.has(id))
  return open.length === 0 ? [] : interrupted(
    { message },
    open,
    (_, begun) =>
      begun === undefined
        ? "The tool was not run: its workflow has ended."
        : "The tool call was interrupted: its workflow has ended."
  )
}

/** Closes what is open below a workflow that ends. */
export const closeBelow = (message: Message, id: ToolCallId) => closing(message, new Set([id]))

/** Closes what is open below workflows that have ended already. */
export const closeOrphans = (message: Message) =>
  closing(
    message,
    new Set(
      message.content.flatMap((block) => block.type === "tool_result" && block.state !== "running" ? [block.id] : [])
    )
  )
