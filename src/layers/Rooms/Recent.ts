/**
 * The newest messages of a session's transcript, which a model is given: bounded
 * in number and in size. What is left out stays in the log.
 */
import { Effect } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import type { EventLog } from "../../services/EventLog.ts"

/** Messages that are kept at most. */
export const maxMessages = 2_000

/** About their largest size together, in characters or bytes of JSON. The newest one is kept whatever its size. */
export const maxSize: number = 8 * 1024 * 1024

/** How many messages are read at first when another process has added to the transcript. */
const firstMessages = 8

/** Characters of all texts in it and some for each value: about the length of its JSON, without making that. */
const sizeOf = (value: unknown): number => {
  if (typeof value === "string") return value.length
  if (typeof value !== "object" || value === null) return 8
  let size = 8
  for (const [key, part] of Object.entries(value)) size += key.length + sizeOf(part)
  return size
}

export class Recent {
  #messages: ReadonlyArray<Message> = []
  #sizes: Array<number> = []
  #size = 0

  constructor(messages: ReadonlyArray<Message>) {
    this.replace(messages)
  }

  /** The returned array never changes. */
  all = (): ReadonlyArray<Message> => this.#messages

  replace(messages: ReadonlyArray<Message>) {
    this.#messages = messages
    this.#sizes = messages.map(sizeOf)
    this.#size = this.#sizes.reduce((sum, size) => sum + size, 0)
    this.#trim()
  }

  /** Adds a message, or replaces the last one, when that has the same id. */
  place(message: Message) {
    const isSame = this.#messages.at(-1)?.id === message.id
    const kept = isSame ? this.#messages.slice(0, -1) : this.#messages
    if (isSame) this.#size -= this.#sizes.pop()!
    const size = sizeOf(message)
    this.#messages = [...kept, message]
    this.#sizes.push(size)
    this.#size += size
    this.#trim()
  }

  /** The messages with what the transcript has gained in the log; only the last one may have changed. */
  grown(log: Pick<typeof EventLog.Service, "recent">, session: SessionId): Effect.Effect<ReadonlyArray<Message>> {
    const more = (limit: number): Effect.Effect<ReadonlyArray<Message>> =>
      Effect.flatMap(log.recent(session, limit, maxSize), (placed) => {
        const messages = placed.map(({ message }) => message)
        const known = messages.length === 0 ? -1 : this.#messages.findLastIndex(({ id }) => id === messages[0]!.id)
        if (known >= 0) return Effect.succeed([...this.#messages.slice(0, known), ...messages])
        return messages.length < limit || limit >= maxMessages ? Effect.succeed(messages) : more(limit * 4)
      })
    return more(firstMessages)
  }

  #trim() {
    let from = 0
    while (
      from < this.#sizes.length - 1 && (this.#size > maxSize || this.#sizes.length - from > maxMessages)
    ) this.#size -= this.#sizes[from++]!
    if (from === 0) return
    this.#messages = this.#messages.slice(from)
    this.#sizes = this.#sizes.slice(from)
  }
}
