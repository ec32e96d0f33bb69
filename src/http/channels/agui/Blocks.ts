/** Begins blocks of a reply, as messages of their own. */
import type { Frames } from "./Frames.ts"
import { textId } from "./Ids.ts"

export const textKey = (block: string): string => `text ${block}`
export const thoughtKey = (block: string): string => `thought ${block}`

export const openText = (frames: Frames, block: string): void => {
  const messageId = textId(block)
  frames.start(
    textKey(block),
    [{ type: "TEXT_MESSAGE_START", messageId, role: "assistant" }],
    [{ type: "TEXT_MESSAGE_END", messageId }]
  )
}

export const openThought = (frames: Frames, block: string): void => {
  const messageId = textId(block)
  frames.start(
    thoughtKey(block),
    [
      { type: "REASONING_START", messageId },
      { type: "REASONING_MESSAGE_START", messageId, role: "reasoning" }
    ],
    [{ type: "REASONING_MESSAGE_END", messageId }, { type: "REASONING_END", messageId }]
  )
}
