/** Answers that a client wants to be kept: written when they are whole, and shown, labelled and deleted as it asks. */
import { Clock, Effect, Option } from "effect"
import { LimitReached, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { cursorAfter } from "../../../domain/Page.ts"
import type { StoredCompletion } from "../../../domain/StoredCompletion.ts"
import * as Base64 from "../../../services/Base64.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { timestampOf } from "../../../services/Now.ts"
import { type Order, Storage } from "../../../services/Storage.ts"
import type { ChatMessage, UserPart } from "./request/Requests.ts"

/** Most answers that are kept for one owner, rows that are read at once, and rows that one page looks at. */
const maxKept = 10_000
const batch = 100
const maxLooked = 10_000

/** What a client wants to be kept beside the answer. */
export interface Keeping {
  readonly messages: ReadonlyArray<ChatMessage>
  readonly metadata: Readonly<Record<string, string>>
}

export interface Page {
  readonly after?: string | undefined
  readonly limit: number
  readonly order: "asc" | "desc"
}

const full = new LimitReached({
  code: "too_many_stored",
  detail: `There are ${maxKept} stored completions already: delete some, or leave out store.`
})

const notFound = (id: string) =>
  new NotFound({ code: "completion_not_found", detail: `No stored chat completion has the id '${id.slice(0, 128)}'.` })

/** A part without the bytes of a file, which may be large and are nowhere asked for again. */
const withoutBytes = (part: UserPart | { readonly type: "refusal"; readonly refusal: string }): JsonObject => {
  if (part.type === "text" || part.type === "refusal") return part
  if (part.type === "image_url" && !Base64.isDataUrl(part.image_url.url)) return part
  return { type: "text", text: `[${part.type === "image_url" ? "An image" : "A file"}, which was not stored]` }
}

const messageOf = (message: ChatMessage, id: string): JsonObject => {
  const { content = null, ...rest } = message
  const parts = typeof content === "string" || content === null ? null : content.map(withoutBytes)
  const text = parts === null
    ? content
    : parts.flatMap((part) => typeof part["text"] === "string" ? [part["text"]] : []).join("")
  return { id, ...rest, content: text, content_parts: parts }
}

const shown = ({ completion, metadata }: StoredCompletion): JsonObject => ({ ...completion, metadata })

/** A list as OpenAI's clients page through it. */
const listOf = (data: ReadonlyArray<JsonObject>, has_more: boolean): JsonObject => ({
  object: "list",
  data,
  first_id: data[0]?.["id"] ?? null,
  last_id: data.at(-1)?.["id"] ?? null,
  has_more
})

export const make = Effect.gen(function*() {
  const { completionMessages, completions, transaction } = yield* Storage
  const { isWithdrawn, withdraw } = yield* Idempotency

  const get = (owner: UserId, id: string) => Effect.mapError(completions.get(owner, id), () => notFound(id))

  const messagesOf = (owner: UserId, id: string) =>
    Effect.flatMap(get(owner, id), ({ messages = [] }) =>
      completionMessages.get(owner, id).pipe(
        Effect.map((stored) => stored.messages),
        Effect.orElseSucceed(() => messages)
      ))

  return {
    /** Refuses before anything is asked of a model. */
    roomFor: (owner: UserId) =>
      Effect.flatMap(
        Effect.orDie(completions.list(owner, { limit: 1, cursor: undefined })),
        ({ total }) => total >= maxKept ? Effect.fail(full) : Effect.void
      ),

    /** Keeps an answer. One that cannot be kept has been given all the same, and is not taken back. */
    keep: (owner: UserId, { messages, metadata }: Keeping, completion: JsonObject & { readonly id: string }) =>
      Effect.gen(function*() {
        const now = timestampOf(yield* Clock.currentTimeMillis)
        const { id } = completion
        const record = { id, user_id: owner, created_at: now, updated_at: now }
        const model = typeof completion["model"] === "string" ? completion["model"] : ""
        yield* transaction(Effect.zipRight(
          completions.insert({ ...record, model, metadata, completion }),
          completionMessages.insert({
            ...record,
            messages: messages.map((message, i) => messageOf(message, `${id}-${i}`))
          })
        ))
        // It was deleted, and its request has come again with its key.
        if (yield* isWithdrawn(owner, id)) yield* completions.remove(owner, id)
      }).pipe(
        // It is there already: the request came again with its key.
        Effect.catchTag("Conflict", () => Effect.void),
        Effect.catchAllCause((cause) => Effect.logError("An answer that was to be stored could not be", cause))
      ),

    get: (owner: UserId, id: string) => Effect.map(get(owner, id), shown),

    messages: (owner: UserId, id: string, { after, limit, order }: Page) =>
      Effect.map(messagesOf(owner, id), (messages) => {
        const all = order === "asc" ? messages : messages.toReversed()
        const start = after === undefined ? 0 : all.findIndex((message) => message["id"] === after) + 1
        return listOf(all.slice(start, start + limit), start + limit < all.length)
      }),

    label: (owner: UserId, id: string, metadata: StoredCompletion["metadata"]) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.mapBoth(
          completions.modify(owner, id, (before) => ({ ...before, metadata, updated_at: timestampOf(now) })),
          { onFailure: () => notFound(id), onSuccess: shown }
        )),

    remove: (owner: UserId, id: string) =>
      Effect.mapBoth(transaction(Effect.zipRight(withdraw(owner, id), completions.remove(owner, id))), {
        onFailure: () => notFound(id),
        onSuccess: (): JsonObject => ({ object: "chat.completion.deleted", id, deleted: true })
      }),

    /** The answers of a model, and those that have all of these labels. Rows are looked at until the page is full. */
    list: Effect.fnUntraced(function*(
      owner: UserId,
      { after, limit, order }: Page,
      model: string | undefined,
      metadata: ReadonlyMap<string, string>
    ) {
      const where = model === undefined ? {} : { model }
      const direction: Order = order === "asc" ? "oldest" : "newest"
      const has = (row: StoredCompletion) => [...metadata].every(([key, value]) => row.metadata[key] === value)
      const found: Array<JsonObject> = []
      let cursor = after === undefined ? undefined : cursorAfter(after)
      for (let looked = 0; looked < maxLooked;) {
        // One more than the page has: whether there are more is said of those that fit.
        const size = metadata.size === 0 ? limit + 1 : batch
        const { items, next_cursor } = yield* completions.list(owner, { limit: size, cursor }, where, direction)
        for (const item of items) {
          if (!has(item)) continue
          if (found.length === limit) return listOf(found, true)
          found.push(shown(item))
        }
        if (next_cursor === null) return listOf(found, false)
        cursor = next_cursor
        looked += items.length
      }
      return listOf(found, true)
    })
  }
})

/** The labels that a query asks for: `metadata[name]=value`. */
export const labelsIn = (query: URLSearchParams): ReadonlyMap<string, string> =>
  new Map(
    Array.from(query, ([name, value]) => Option.map(labelOf(name), (label) => [label, value] as const)).flatMap(
      Option.toArray
    )
  )

const labelOf = (name: string): Option.Option<string> =>
  name.startsWith("metadata[") && name.endsWith("]")
    ? Option.some(name.slice("metadata[".length, -1))
    : Option.none()
