/** Conversations and their items. What was said is read from their sessions; what was only added waits in the record. */
import { Effect, Option } from "effect"
import { Invalid, LimitReached, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Message } from "../../../domain/Message.ts"
import { maxMessages } from "../../../domain/Page.ts"
import type { Conversation } from "../../../domain/Response.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { conversationPrefix, homeOf } from "./output/ItemIds.ts"
import { type Item, itemsOf } from "./output/Items.ts"
import { collecting, type PageQuery } from "./output/Lists.ts"
import * as History from "./place/History.ts"
import type { InConversation } from "./place/InConversation.ts"
import { noCall } from "./Refusals.ts"
import type { InputItem } from "./request/ItemSchemas.ts"
import * as Said from "./request/Said.ts"
import { releasing } from "./Stored.ts"

/** Most messages, and characters of JSON, that wait in a conversation for the next answer; and items that are taken out meanwhile. */
const maxAdded = 500
const maxCharacters = 2 * 1024 * 1024
const maxRemoved = 500

const full = new LimitReached({
  code: "conversation_full",
  detail: "More was added to this conversation than it can hold without an answer. Ask for a response in it first."
})

const viewOf = ({ created_at, id, metadata }: Conversation) => ({
  id,
  object: "conversation" as const,
  created_at: Math.floor(Date.parse(created_at) / 1000),
  metadata
})

type Metadata = Conversation["metadata"]

export const make = (channel: string, conversing: InConversation) =>
  Effect.gen(function*() {
    const { agents, conversations, responses } = yield* Storage
    const { heads } = conversing
    const hub = yield* SessionHub
    const newId = yield* NewId
    const history = yield* History.make
    const release = yield* releasing(channel)

    const messagesOf = Effect.fnUntraced(function*(items: ReadonlyArray<InputItem>) {
      const said = yield* Said.read(items, newId.short, new Map(), "items")
      const [result] = said.results
      if (result !== undefined) return yield* noCall(result.at, result.call)
      if (said.approvals.length > 0 || said.instructions.length > 0) {
        return yield* new Invalid({
          code: "unsupported_item",
          detail:
            "Approvals and messages of the system are a part of a request for a response; they cannot be kept here."
        })
      }
      return yield* history.kept(said.turns)
    })

    const mine = (owner: UserId, id: string) =>
      Effect.mapError(heads.get(owner, id), () => NotFound.of("Conversation", id))

    const clientTools = Effect.fnUntraced(function*(owner: UserId, agent: string) {
      const found = yield* Effect.option(agents.get(owner, agent))
      return Option.isNone(found) ? [] : found.value.data.client_tools.map(({ name }) => name)
    })

    /** The names of tools that requests in it have brought along. */
    const toolsAsked = Effect.fnUntraced(function*({ session_id, user_id }: Conversation) {
      if (session_id === "") return []
      const page = { limit: 100, cursor: undefined }
      const { items } = yield* Effect.orDie(responses.list(user_id, page, { session_id }, "newest"))
      return items.flatMap(({ head }) => head.client_tools)
    })

    /** Goes through the items of a conversation, page by page, until whoever looks at them has enough. */
    const scan = Effect.fnUntraced(function*(
      conversation: Conversation,
      order: "asc" | "desc",
      take: (items: ReadonlyArray<Item>) => boolean
    ) {
      const session = yield* heads.sessionOf(conversation)
      const home = homeOf(conversation.id)
      const names = session === undefined ? [] : yield* clientTools(conversation.user_id, session.agent_id)
      const known = new Set([...names, ...(yield* toolsAsked(conversation))])
      const removed = new Set(conversation.removed)
      const itemsIn = (messages: ReadonlyArray<Message>) => {
        const items = messages.flatMap((message) => itemsOf(home, message, known)).filter(({ id }) => !removed.has(id))
        return order === "asc" ? items : items.toReversed()
      }
      if (order === "desc" && take(itemsIn(conversation.added))) return
      if (session !== undefined) {
        let before: Message["id"] | undefined
        for (let offset = 0, more = true; more;) {
          const page = order === "asc"
            ? yield* hub.messages(session, { offset, limit: maxMessages })
            : yield* Effect.orDie(hub.newest(session, { before, limit: maxMessages }))
          // The answer in the making is none of it yet.
          const whole = page.messages.filter(({ finished_at, role }) => role !== "assistant" || finished_at !== null)
          if (take(itemsIn(whole))) return
          offset += page.messages.length
          before = page.messages[0]?.id
          more = page.has_more && page.messages.length > 0
        }
      }
      if (order === "asc") take(itemsIn(conversation.added))
    })

    const find = Effect.fnUntraced(function*(conversation: Conversation, id: string) {
      const found: { item?: Item } = {}
      yield* scan(conversation, "desc", (items) => {
        const item = items.find((one) => one.id === id)
        if (item !== undefined) found.item = item
        return item !== undefined
      })
      return found.item ?? (yield* NotFound.of("Item", id))
    })

    const isTooMuch = (added: ReadonlyArray<Message>) =>
      added.length > maxAdded || JSON.stringify(added).length > maxCharacters

    return {
      make: Effect.fnUntraced(function*(owner: UserId, items: ReadonlyArray<InputItem>, metadata: Metadata) {
        const at = yield* now
        const added = yield* messagesOf(items)
        if (isTooMuch(added)) return yield* full
        const conversation: Conversation = {
          id: `${conversationPrefix}${newId.record(Date.parse(at))}`,
          user_id: owner,
          created_at: at,
          updated_at: at,
          metadata,
          session_id: "",
          added,
          removed: []
        }
        return viewOf(yield* Effect.orDie(conversations.insert(conversation)))
      }),

      get: (owner: UserId, id: string) => Effect.map(mine(owner, id), viewOf),

      update: Effect.fnUntraced(function*(owner: UserId, id: string, metadata: Metadata) {
        yield* mine(owner, id)
        const at = yield* now
        return viewOf(yield* conversations.modify(owner, id, (one) => ({ ...one, metadata, updated_at: at })))
      }),

      remove: Effect.fnUntraced(function*(owner: UserId, id: string) {
        const conversation = yield* mine(owner, id)
        const session = yield* heads.sessionOf(conversation)
        yield* conversations.remove(owner, id)
        if (session !== undefined) yield* release(session)
        return { id, object: "conversation.deleted" as const, deleted: true as const }
      }),

      items: Effect.fnUntraced(function*(owner: UserId, id: string, query: PageQuery) {
        const page = collecting(query)
        yield* scan(yield* mine(owner, id), query.order, (items) => {
          page.add(items)
          return page.isFull()
        })
        return page.page()
      }),

      add: Effect.fnUntraced(function*(owner: UserId, id: string, items: ReadonlyArray<InputItem>) {
        yield* mine(owner, id)
        const fresh = yield* messagesOf(items)
        const at = yield* now
        let fits = true
        yield* conversations.modify(owner, id, (one) => {
          const added = [...one.added, ...fresh]
          fits = !isTooMuch(added)
          return fits ? { ...one, added, updated_at: at } : one
        })
        if (!fits) return yield* full
        return fresh.flatMap((message) => itemsOf(homeOf(id), message, new Set()))
      }),

      item: (owner: UserId, id: string, item: string) =>
        Effect.flatMap(mine(owner, id), (conversation) => find(conversation, item)),

      removeItem: Effect.fnUntraced(function*(owner: UserId, id: string, item: string) {
        const conversation = yield* mine(owner, id)
        yield* find(conversation, item)
        if (conversation.removed.length >= maxRemoved) return yield* full
        const session = yield* heads.sessionOf(conversation)
        // Without the item it is a session of its own: one that could not begin would never be answered in again.
        if (session !== undefined) yield* conversing.heldIn(conversation, session)
        const home = homeOf(id)
        const at = yield* now
        return viewOf(
          yield* conversations.modify(owner, id, (one) => {
            const added = one.added.filter((message) => !itemsOf(home, message, new Set()).some((of) => of.id === item))
            // One that nobody was told of is gone at once; another is left out of the session that comes next.
            return added.length < one.added.length
              ? { ...one, added, updated_at: at }
              : { ...one, removed: [...one.removed, item], updated_at: at }
          })
        )
      })
    }
  })
