/** About how much of a model's context a conversation takes. A message never changes, so each is measured once. */
import type { Message } from "../../domain/Message.ts"
import type { ModelCard } from "../../domain/Model.ts"
import { ModelFailed } from "../../services/Models.ts"
import { written } from "./Measure.ts"

/** Bytes of text that a token has, about. */
const bytesPerToken = 4

/** How far an estimate may be off: text of few words has fewer tokens than its bytes say. */
const doubt = 2

interface Total {
  readonly first: Message
  readonly previous: Message | undefined
  readonly index: number
  /** Bytes of this message and all before it. */
  readonly bytes: number
}

const totals = new WeakMap<Message, Total>()

const bytesOf = (message: Message): number =>
  message.content.reduce((sum, block) => sum + Buffer.byteLength(written(block)), 0)

/** Bytes of the messages' text. Looks back only as far as to a message that was counted in this place before. */
const bytes = (messages: ReadonlyArray<Message>): number => {
  const first = messages[0]
  if (first === undefined) return 0
  let start = messages.length
  let sum = 0
  while (start > 0) {
    const index = start - 1
    const before = totals.get(messages[index]!)
    if (before?.index === index && before.first === first && before.previous === messages[index - 1]) {
      sum = before.bytes
      break
    }
    start--
  }
  for (let index = start; index < messages.length; index++) {
    const message = messages[index]!
    sum += bytesOf(message)
    totals.set(message, { first, previous: messages[index - 1], index, bytes: sum })
  }
  return sum
}

/** Tokens of the text, about; files do not count. */
export const estimate = (system: string, messages: ReadonlyArray<Message>): number =>
  Math.ceil((Buffer.byteLength(system) + bytes(messages)) / bytesPerToken)

/** Why the model need not be asked: the conversation is far longer than its context. */
export const refusal = (
  card: ModelCard | undefined,
  system: string,
  messages: ReadonlyArray<Message>
): ModelFailed | undefined => {
  if (card === undefined || card.context_size === null) return undefined
  const tokens = estimate(system, messages)
  return tokens <= doubt * card.context_size ? undefined : new ModelFailed({
    type: "context_length",
    message:
      `The conversation is too long for the model: about ${tokens} tokens, where it takes ${card.context_size}. ` +
      "Start a new session, or choose a model with a larger context.",
    retryable: false
  })
}
