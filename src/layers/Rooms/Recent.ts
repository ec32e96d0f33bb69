/**
 * The newest messages of a session's transcript, which a model is given: bounded
 * in number and in size. What is left out stays in the log.
 */
import { Effect } from "effect"
import { type Compacted, maxMessages, maxSize, type PlacedCompaction } from "../../domain/Context.ts"
import type { SessionId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import type { EventLog, Snapshot } from "../../services/EventLog.ts"

/** Messages with their places in the transcript, and the compaction from whose place on they are. */
export type Kept = Pick<Snapshot, "compaction"> & {
  readonly messages: ReadonlyArray<{ readonly seq: number; readonly message: Message }>
}

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
  #places: Array<number> = []
  #sizes: Array<number> = []
  #size = 0
  #compaction: PlacedCompaction | undefined

  constructor(kept: Kept) {
    this.replace(kept)
  }

  /** The returned array never changes. */
  all = (): ReadonlyArray<Message> => this.#messages

  compaction = (): Compacted | undefined => this.#compaction?.event

  replace({ compaction, messages }: Kept) {
    this.#compaction = compaction
    this.#messages = messages.map(({ message }) => message)
    this.#places = messages.map(({ seq }) => seq)
    this.#sizes = this.#messages.map(sizeOf)
    this.#size = this.#sizes.reduce((sum, size) => sum + size, 0)
    this.#trim()
  }

  /** Adds a message, or replaces the last one, when that has the same id. */
  place(seq: number, message: Message) {
    const isSame = this.#messages.at(-1)?.id === message.id
    const kept = isSame ? this.#messages.slice(0, -1) : this.#messages
    if (isSame) {
      this.#size -= this.#sizes.pop()!
      this.#places.pop()
    }
    const size = sizeOf(message)
    this.#messages = [...kept, message]
    this.#places.push(seq)
    this.#sizes.push(size)
    this.#size += size
    this.#trim()
  }

  /** The place of a message that is kept here. */
  placeOf(id: string): number | undefined {
    const at = this.#messages.findLastIndex((message) => message.id === id)
    return at < 0 ? undefined : this.#places[at]
  }

  /** Drops what the summary stands for. */
  compact(compaction: PlacedCompaction) {
    this.#compaction = compaction
    const from = this.#places.findIndex((seq) => seq >= compaction.seq)
    this.#drop(from < 0 ? this.#messages.length : from)
  }

  /** The messages with what the transcript has gained in the log; only the last one may have changed. */
  grown(log: Pick<typeof EventLog.Service, "recent" | "compaction">, session: SessionId): Effect.Effect<Kept> {
    const more = (limit: number): Effect.Effect<Kept["messages"]> =>
      Effect.flatMap(log.recent(session, limit, maxSize), (messages) => {
        const known = messages.length === 0
          ? -1
          : this.#messages.findLastIndex(({ id }) => id === messages[0]!.message.id)
        if (known >= 0) {
          const before = this.#messages.slice(0, known).map((message, i) => ({ message, seq: this.#places[i]! }))
          return Effect.succeed([...before, ...messages])
        }
        return messages.length < limit || limit >= maxMessages ? Effect.succeed(messages) : more(limit * 4)
      })
    // The compaction is read first: messages that are read later are at most too many for it.
    return Effect.flatMap(log.compaction(session), (compaction) =>
      Effect.map(more(firstMessages), (messages) => ({
        compaction,
        messages: compaction === undefined ? messages : messages.filter(({ seq }) => seq >= compaction.seq)
      })))
  }

  #trim() {
    let from = 0
    let size = this.#size
    while (from < this.#sizes.length - 1 && (size > maxSize || this.#sizes.length - from > maxMessages)) {
      size -= this.#sizes[from++]!
    }
    this.#drop(from)
  }

  #drop(count: number) {
    if (count === 0) return
    for (let i = 0; i < count; i++) this.#size -= this.#sizes[i]!
    this.#messages = this.#messages.slice(count)
    this.#places = this.#places.slice(count)
    this.#sizes = this.#sizes.slice(count)
  }
}
