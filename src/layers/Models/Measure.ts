/** How much text messages hold. A message never changes, so each is measured once. */
import { type ContentBlock, type Message, textOf } from "../../domain/Message.ts"

interface Size {
  readonly chars: number
  readonly words: number
}

/** Runs of characters between blanks. */
export const words = (text: string): number => {
  let count = 0
  let inside = false
  for (let i = 0; i < text.length; i++) {
    const blank = text.charCodeAt(i) <= 32
    if (inside && blank) inside = false
    else if (!inside && !blank) {
      inside = true
      count++
    }
  }
  return count
}

/** The text that a block holds. */
export const written = (block: ContentBlock): string => {
  switch (block.type) {
    case "text":
      return block.text
    case "thinking":
      return block.thinking
    case "hint":
      return textOf(block.hint)
    case "tool_call":
      return block.input
    case "tool_result":
      return textOf(block.output)
    case "data":
      return ""
  }
}

const known = new WeakMap<Message, Size>()

const sizeOf = (message: Message): Size => {
  const before = known.get(message)
  if (before !== undefined) return before
  const size = { chars: 0, words: 0 }
  for (const block of message.content) {
    const text = written(block)
    size.chars += text.length
    size.words += words(text)
  }
  known.set(message, size)
  return size
}

interface Sum extends Size {
  messages: number
  chars: number
  words: number
  /** How many messages of the array are in it, and the last of them. */
  counted: number
  last: Message | undefined
}

const sums = new WeakMap<ReadonlyArray<Message>, Sum>()

/** A session's messages are one array that grows: what was counted before is not counted again. */
const sumOf = (messages: ReadonlyArray<Message>): Sum => {
  const before = sums.get(messages)
  if (before !== undefined && before.counted <= messages.length && messages[before.counted - 1] === before.last) {
    return before
  }
  const sum: Sum = { messages: 0, chars: 0, words: 0, counted: 0, last: undefined }
  sums.set(messages, sum)
  return sum
}

/** Characters and words of the messages' text, thinking, hints, calls' arguments and results; empty messages do not count. */
export const measure = (messages: ReadonlyArray<Message>): Size & { readonly messages: number } => {
  const sum = sumOf(messages)
  for (const message of messages.slice(sum.counted)) {
    sum.counted++
    sum.last = message
    if (message.content.length === 0) continue
    const { chars, words } = sizeOf(message)
    sum.messages++
    sum.chars += chars
    sum.words += words
  }
  return { messages: sum.messages, chars: sum.chars, words: sum.words }
}
