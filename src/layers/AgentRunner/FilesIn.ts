/**
 * Stored files on their way to a model: their bytes take the place of their path
 * in what one call is given. The newest files go first into the room that there
 * is; a file that is gone, that no model could read, or for which no room is left,
 * becomes a note.
 */
import { Duration, Effect } from "effect"
import type { NotFound } from "../../domain/Errors.ts"
import { faultOf, fileAt, mediaTypeOf, type StoredFile } from "../../domain/File.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { DataBlock, Message } from "../../domain/Message.ts"
import * as Base64 from "../../services/Base64.ts"
import { Files, wholeOf } from "../../services/Files.ts"
import * as HeavyWork from "../../services/HeavyWork.ts"
import { ModelFailed } from "../../services/Models.ts"
import { dataIn, note, type Piece, replaced } from "./FileBlocks.ts"
import { newest } from "./Pictures.ts"
import { readable } from "./ReadableFiles.ts"

/** Characters of base64 that a call may have in stored files, when the operator allows no larger requests. */
const leastRoom = 28 * 1024 * 1024

/** Calls with more characters of files than this take turns, because each holds its files while it lasts. */
const large = 2 * 1024 * 1024
const turns: HeavyWork.Options = { slots: 8, perOwner: 2, maxWaiting: 64, timeout: Duration.minutes(2) }

/** Characters of base64 that are kept for the next call, of all sessions together. */
const maxCached = 48 * 1024 * 1024

const busy = new ModelFailed({
  type: "rate_limit",
  message: "Too many calls with large files were under way at once. Try again.",
  retryable: true
})

/** The path of a stored file in a block; undefined for other sources. */
const placeOf = ({ source }: DataBlock) => source.type === "url" ? fileAt(source.url) : undefined

/** A message never changes, so each is looked through once. */
const found = new WeakMap<Message, ReadonlyArray<DataBlock>>()

const storedIn = (message: Message): ReadonlyArray<DataBlock> => {
  const known = found.get(message)
  if (known !== undefined) return known
  const stored = message.content.flatMap(dataIn).filter((block) => placeOf(block) !== undefined)
  found.set(message, stored)
  return stored
}

/** Characters of base64 for so many bytes. */
const charactersOf = (bytes: number) => Math.ceil(bytes / 3) * 4

/** A file that a message names stays as long as its session, so each is asked for once. */
const known = new WeakMap<DataBlock, StoredFile>()

export interface Options {
  /** Megabytes that the files of one request may have together: one such request fits into a call. */
  readonly max_files_mb: number
}

export const make = Effect.fnUntraced(function*({ max_files_mb }: Options) {
  const files = yield* Files
  const room = Math.max(leastRoom, charactersOf(max_files_mb * 1024 * 1024))
  const line = HeavyWork.make(turns)
  /** Messages with their files in place, the least recently used first. */
  const cache = new Map<Message, { readonly message: Message; readonly characters: number }>()
  let cached = 0

  const forget = (message: Message) => {
    cached -= cache.get(message)?.characters ?? 0
    cache.delete(message)
  }

  const remember = (message: Message, whole: Message, characters: number) => {
    forget(message)
    if (characters > maxCached) return
    cache.set(message, { message: whole, characters })
    cached += characters
    for (const oldest of cache.keys()) {
      if (cached <= maxCached) return
      forget(oldest)
    }
  }

  const read = Effect.fnUntraced(function*(
    owner: UserId,
    block: DataBlock,
    file: StoredFile
  ): Effect.fn.Return<Piece, NotFound> {
    const bytes = yield* wholeOf(files, owner, file)
    // Models and tools may have made what is not of its type; providers refuse the request for it, turn after turn.
    const fault = faultOf(mediaTypeOf(block.source.media_type), bytes)
    if (fault !== undefined) return note(block, `it ${fault}`)
    return {
      ...block,
      source: { type: "base64" as const, data: Base64.encode(bytes), media_type: block.source.media_type }
    }
  })

  const gone = (block: DataBlock) => note(block, "it is not stored any more")
  const left = (block: DataBlock) => note(block, "the conversation has more files than are sent at once")

  const find = Effect.fnUntraced(function*(owner: UserId, block: DataBlock) {
    const { hash, session_id } = placeOf(block)!
    const file = yield* Effect.option(files.get(owner, session_id, hash))
    if (file._tag === "None") return undefined
    known.set(block, file.value)
    return file.value
  })

  /** The stored files of a call, newest first, and how many characters they have together. */
  const plan = Effect.fnUntraced(function*(owner: UserId, messages: ReadonlyArray<Message>) {
    const shown = new Set<DataBlock>()
    let characters = 0
    for (const message of messages.toReversed()) {
      for (const block of storedIn(message).toReversed()) {
        const file = known.get(block) ?? (yield* find(owner, block))
        const size = file === undefined ? 0 : charactersOf(file.size)
        if (characters + size > room) continue
        shown.add(block)
        characters += size
      }
    }
    return { characters, shown }
  })

  type Plan = Effect.Effect.Success<ReturnType<typeof plan>>

  const inPlace = Effect.fnUntraced(function*(owner: UserId, message: Message, { shown }: Plan) {
    const blocks = storedIn(message)
    if (blocks.length === 0) return message
    const isWhole = blocks.every((block) => shown.has(block) && known.get(block) !== undefined)
    const before = cache.get(message)
    if (isWhole && before !== undefined) {
      remember(message, before.message, before.characters)
      return before.message
    }
    const places = new Map<DataBlock, Piece>()
    let characters = 0
    for (const block of blocks) {
      const file = known.get(block)
      if (file === undefined) places.set(block, gone(block))
      else if (!shown.has(block)) places.set(block, left(block))
      else {
        places.set(
          block,
          yield* Effect.catchTag(read(owner, block, file), "NotFound", () => Effect.succeed(gone(block)))
        )
        characters += charactersOf(file.size)
      }
    }
    const whole = replaced(message, places)
    if (isWhole) remember(message, whole, characters)
    return whole
  })

  /** Calls a model with the bytes of stored files in the messages. */
  return <A, E, R>(
    owner: UserId,
    given: ReadonlyArray<Message>,
    call: (messages: ReadonlyArray<Message>) => Effect.Effect<A, E, R>,
    maxPictures: number | null = null
  ): Effect.Effect<A, E | ModelFailed, R> => {
    const messages = newest(given.map(readable), maxPictures)
    if (messages.every((message) => storedIn(message).length === 0)) return call(messages)
    return Effect.flatMap(plan(owner, messages), (planned): Effect.Effect<A, E | ModelFailed, R> => {
      const whole = Effect.flatMap(Effect.forEach(messages, (message) => inPlace(owner, message, planned)), call)
      return planned.characters <= large
        ? whole
        : Effect.catchTag(line.run(owner, "processor", whole), "HeavyWorkRefused", () => Effect.fail(busy))
    })
  }
})
