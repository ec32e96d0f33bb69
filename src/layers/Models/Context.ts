/** About how much of a model's context a conversation takes. */
import type { Message } from "../../domain/Message.ts"
import type { ModelCard } from "../../domain/Model.ts"
import { bytesIn, bytesPerToken } from "../../domain/Tokens.ts"
import * as Totals from "../../domain/Totals.ts"
import { ModelFailed } from "../../services/Models.ts"

/** How far an estimate may be off: text of few words has fewer tokens than its bytes say. */
const doubt = 2

/** Longest conversation that is sent to any model, in bytes of text, whatever its card says. */
export const maxContext = 16 * 1024 * 1024

/** The same for its files, in characters of base64 and links. Whoever calls leaves out old files before there are so many. */
export const maxFiles = 48 * 1024 * 1024

interface Size {
  /** Bytes of text. */
  readonly text: number
  /** Characters of files and links. */
  readonly files: number
}

const filesIn = (blocks: Message["content"]): number => {
  let files = 0
  for (const block of blocks) {
    if (block.type === "data") {
      files += block.source.type === "base64" ? block.source.data.length : block.source.url.length
    } else if (block.type === "tool_result" && block.provider_executed !== true && typeof block.output !== "string") {
      files += filesIn(block.output)
    } else if (block.type === "hint" && typeof block.hint !== "string") files += filesIn(block.hint)
  }
  return files
}

/** How much the messages hold. */
const sizeOf = Totals.make<Size>(
  { text: 0, files: 0 },
  ({ content }) => ({
    text: content.reduce((sum, block) => sum + bytesIn(block), 0),
    files: filesIn(content)
  }),
  (before, own) => ({ text: before.text + own.text, files: before.files + own.files })
)

/** Tokens of the text, about; files do not count. */
export const estimate = (system: string, messages: ReadonlyArray<Message>): number =>
  Math.ceil((Buffer.byteLength(system) + sizeOf(messages).text) / bytesPerToken)

const tooLong = (message: string) => new ModelFailed({ type: "context_length", message, retryable: false })

/** Why the model is not asked: the conversation is too long for this server, or far longer than the model's context. */
export const refusal = (
  card: ModelCard | undefined,
  system: string,
  messages: ReadonlyArray<Message>
): ModelFailed | undefined => {
  const { files, text } = sizeOf(messages)
  const total = Buffer.byteLength(system) + text
  if (files > maxFiles) {
    return tooLong(
      `The conversation has too many files: ${files} characters of them, and at most ${maxFiles} are sent to a model. ` +
        "Start a new session."
    )
  }
  if (total > maxContext) {
    return tooLong(
      `The conversation is too long: it has ${total} bytes, and at most ${maxContext} are sent to a model. ` +
        "Start a new session."
    )
  }
  if (card === undefined || card.context_size === null) return undefined
  const tokens = estimate(system, messages)
  return tokens <= doubt * card.context_size ? undefined : tooLong(
    `The conversation is too long for the model: about ${tokens} tokens, where it takes ${card.context_size}. ` +
      "Start a new session, or choose a model with a larger context."
  )
}
