/** Conversations and their items. What was said is read from their sessions; what was only added waits in the record. */
import { Effect, Option } from "effect"
import { Invalid, LimitReached, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { Message } from "../../../domain/Message.ts"
import type { Conversation } from "../../../domain/Response.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"
import * as History from "./History.ts"
import type { InConversation } from "./InConversation.ts"
import { conversationPrefix, homeOf } from "./ItemIds.ts"
import { type Item, itemsOf } from "./Items.ts"
import type { InputItem } from "./ItemSchemas.ts"
import { noCall } from "./Refusals.ts"
import * as Said from "./Said.ts"
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
      Effect.mapError(conversations.get(owner, id), () => NotFound.of("Conversation", id))

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

    /** All of it, oldest first. */
    const itemsIn = Effect.fnUntraced(function*(conversation: Conversation) {
      const session = yield* conversing.sessionOf(conversation)
      const home = homeOf(conversation.id)
      const held = session === undefined ? [] : yield* conversing.heldIn(conversation, session)
      const names = session === undefined ? [] : yield* clientTools(conversation.user_id, session.agent_id)
      const asked = yield* toolsAsked(conversation)
      const known = new Set([...names, ...asked])
      return [...held, ...conversation.added].flatMap((message) => itemsOf(home, message, known))
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
        const session = yield* conversing.sessionOf(conversation)
        yield* conversations.remove(owner, id)
        if (session !== undefined) yield* release(session)
        return { id, object: "conversation.deleted" as const, deleted: true as const }
      }),

      items: (owner: UserId, id: string) => Effect.flatMap(mine(owner, id), itemsIn),

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

      item: Effect.fnUntraced(function*(owner: UserId, id: string, item: string) {
        const found = (yield* itemsIn(yield* mine(owner, id))).find((one) => one.id === item)
        return found === undefined ? yield* NotFound.of("Item", item) : found
      }),

      removeItem: Effect.fnUntraced(function*(owner: UserId, id: string, item: string) {
        const conversation = yield* mine(owner, id)
        const found: Item | undefined = (yield* itemsIn(conversation)).find((one) => one.id === item)
        if (found === undefined) return yield* NotFound.of("Item", item)
        if (conversation.removed.length >= maxRemoved) return yield* full
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
