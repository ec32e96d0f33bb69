/** About how many tokens a conversation has: by the bytes of its text, so that no model has to be asked. */
import type { ContentBlock, Message } from "./Message.ts"
import { isOfStep, textOf } from "./MessageText.ts"
import * as Totals from "./Totals.ts"

/** Bytes of text that a token has, about. */
export const bytesPerToken = 4

/** Bytes of a text in UTF-8. */
export const bytesOf = (text: string): number => {
  let bytes = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    // Half a pair has two of the pair's four bytes.
    bytes += code < 0x800 || (code >= 0xd800 && code < 0xe000) ? 1 : 2
  }
  return bytes
}

/** The longest beginning of a text that has no more bytes than these, in characters. It ends with a whole one. */
export const charactersWithin = (text: string, bytes: number): number => {
  let left = bytes
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    const isFirst = code >= 0xd800 && code < 0xdc00
    const isPair = isFirst && i + 1 < text.length
    left -= code < 0x80 ? 1 : code < 0x800 ? 2 : isPair ? 4 : 3
    if (left < 0) return i
    if (isPair) i++
  }
  return text.length
}

/** The text that a block holds. What a provider ran itself is not sent to a model again, so it counts as none. */
export const written = (block: ContentBlock): string => {
  if (("provider_executed" in block && block.provider_executed === true) || isOfStep(block)) return ""
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

/** A block never changes, so each is measured once. */
const measured = new WeakMap<ContentBlock, number>()

/** Bytes of the text of a block. */
export const bytesIn = (block: ContentBlock): number => {
  const known = measured.get(block)
  if (known !== undefined) return known
  const bytes = bytesOf(written(block))
  measured.set(block, bytes)
  return bytes
}

const bytesOfMessage = ({ content }: Message): number => content.reduce((sum, block) => sum + bytesIn(block), 0)

const bytesOfAll = Totals.make<number>(0, bytesOfMessage, (before, own) => before + own)

/** Tokens of so many bytes. */
export const tokensOf = (bytes: number): number => Math.ceil(bytes / bytesPerToken)

/** Tokens of the text of messages, about; files do not count. Of a conversation that grows, only what is new is measured. */
export const tokensIn = (messages: ReadonlyArray<Message>): number => tokensOf(bytesOfAll(messages))

/** The same for one message or a part of one. */
export const tokensInBlocks = (blocks: ReadonlyArray<ContentBlock>): number =>
  tokensOf(blocks.reduce((sum, block) => sum + bytesIn(block), 0))
