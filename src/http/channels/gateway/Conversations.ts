/** Sessions as this protocol shows them: as sessions, and as what was said in them. */
import { Effect } from "effect"
import { NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { textOf } from "../../../domain/MessageText.ts"
import type { Session } from "../../../domain/Session.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import * as SessionRemoval from "../../handlers/SessionRemoval.ts"

/** Sessions whose counts are read side by side. */
const concurrency = 4

const seconds = (time: string) => Math.floor(Date.parse(time) / 1000)

const notFound = (id: string) =>
  new NotFound({ code: "session_not_found", detail: `Session '${id.slice(0, 128)}' not found.` })

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs, sessions } = yield* Storage
  const remove = yield* SessionRemoval.make

  const mine = (owner: UserId, id: string) => Effect.mapError(sessions.get(owner, id), () => notFound(id))

  const newest = (owner: UserId, limit: number, agent_id: string | undefined) =>
    Effect.map(
      Effect.orDie(
        sessions.list(owner, { limit, cursor: undefined }, agent_id === undefined ? {} : { agent_id }, "newest")
      ),
      ({ items }) => items
    )

  const messagesIn = (session: Session) =>
    Effect.map(Effect.orDie(hub.newest(session, { limit: 1 })), ({ total }) => total)

  const infoOf = Effect.fnUntraced(function*(session: Session) {
    const { agent_id, created_at, id, updated_at, user_id } = session
    const turns = yield* Effect.orDie(runs.list(user_id, { limit: 1, cursor: undefined }, { session_id: id }, "newest"))
    return {
      session_id: id,
      agent_id,
      turn_count: turns.total,
      message_count: yield* messagesIn(session),
      created_at: seconds(created_at),
      updated_at: seconds(turns.items[0]?.updated_at ?? updated_at)
    }
  })

  const conversationOf = (session: Session) =>
    Effect.map(messagesIn(session), (message_count) => ({
      conversation_id: session.id,
      agent_id: session.agent_id,
      user_id: session.user_id,
      title: session.config.name,
      summary: null,
      message_count,
      created_at: session.created_at,
      updated_at: session.updated_at,
      ended_at: null
    }))

  return {
    list: (owner: UserId, { agent_id, limit }: { readonly agent_id?: string | undefined; readonly limit: number }) =>
      Effect.flatMap(newest(owner, limit, agent_id), Effect.forEach(infoOf, { concurrency })),
    get: (owner: UserId, id: string) => Effect.flatMap(mine(owner, id), infoOf),
    remove: (owner: UserId, id: string) =>
      Effect.as(Effect.flatMap(mine(owner, id), remove), { deleted: true as const }),
    conversations: (
      owner: UserId,
      query: { readonly agent_id?: string | undefined; readonly limit: number; readonly offset: number }
    ) =>
      Effect.flatMap(
        newest(owner, query.offset + query.limit, query.agent_id),
        (found) => Effect.forEach(found.slice(query.offset), conversationOf, { concurrency })
      ),
    messages: Effect.fnUntraced(
      function*(owner: UserId, id: string, page: { readonly limit: number; readonly offset: number }) {
        const session = yield* mine(owner, id)
        const { messages } = yield* hub.messages(session, page)
        return messages.map(({ content, created_at, id: message_id, role }) => ({
          message_id,
          conversation_id: session.id,
          role,
          content: textOf(content),
          created_at
        }))
      }
    )
  }
})
