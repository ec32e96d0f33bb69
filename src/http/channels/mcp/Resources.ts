/** The caller's sessions with published agents as resources: their newest messages, and page by page what came before. */
import { Effect, Option, Schema } from "effect"
import { Malformed, NotFound } from "../../../domain/Errors.ts"
import { MessageId, type UserId } from "../../../domain/Ids.ts"
import { Message } from "../../../domain/Message.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import type { Options } from "../Channel.ts"
import * as Tools from "./Tools.ts"

/** Sessions in one page of a list, and messages in one resource, at most; long ones are fewer. */
const pageSize = 100
const maxMessages = 50

/** Longest cursor, in characters. */
const maxCursor = 512

const mimeType = "application/json"

const scheme = "stoa://sessions/"

export const templates = [
  {
    uriTemplate: `${scheme}{session_id}`,
    name: "session",
    title: "The newest messages of a session",
    mimeType
  },
  {
    uriTemplate: `${scheme}{session_id}/before/{message_id}`,
    name: "session_before",
    title: "The messages of a session before one of them",
    mimeType
  }
]

const uriOf = (session: string, before?: string): string =>
  before === undefined ? `${scheme}${session}` : `${scheme}${session}/before/${before}`

/** The ids in an address of a session; undefined for other addresses. */
const placeOf = (uri: string) => {
  const [, session, before] = /^stoa:\/\/sessions\/([\w.-]{1,128})(?:\/before\/([\w.-]{1,128}))?$/.exec(uri) ?? []
  return session === undefined ? undefined : { session, before }
}

const notFound = (uri: string) => NotFound.of("Resource", uri.slice(0, 256))

const badCursor = new Malformed({ code: "invalid_cursor", detail: "The cursor is not one that this server gave." })

const encode = Schema.encode(Schema.Array(Message))

export const make = (options: Options) =>
  Effect.gen(function*() {
    const { sessions } = yield* Storage
    const hub = yield* SessionHub
    const tools = yield* Tools.make(options)

    return {
      list: Effect.fnUntraced(function*(owner: UserId, cursor: string | undefined) {
        if (cursor !== undefined && cursor.length > maxCursor) return yield* badCursor
        const titles = new Map((yield* tools.all(owner)).map(({ agent, title }) => [agent, title]))
        const page = yield* sessions.list(owner, { limit: pageSize, cursor }, {}, "newest")
        // What is not published here is left out: such a page holds fewer than it could.
        const resources = page.items.filter(({ agent_id }) => titles.has(agent_id)).map((session) => ({
          uri: uriOf(session.id),
          name: session.id,
          title: session.config.name,
          description: `A session with ${titles.get(session.agent_id)}, begun ${session.created_at}.`,
          mimeType
        }))
        return { resources, ...(page.next_cursor !== null && { nextCursor: page.next_cursor }) }
      }),

      read: Effect.fnUntraced(function*(owner: UserId, uri: string) {
        const place = placeOf(uri)
        if (place === undefined) return yield* notFound(uri)
        const before = place.before === undefined ? undefined : MessageId.make(place.before)
        const session = yield* Effect.mapError(sessions.get(owner, place.session), () => notFound(uri))
        const agent = (yield* tools.all(owner)).find(({ agent }) => agent === session.agent_id)
        if (agent === undefined) return yield* notFound(uri)
        const page = yield* Effect.mapError(
          hub.newest(session, { limit: maxMessages, before }),
          () => notFound(uri)
        )
        const messages = yield* Effect.orDie(encode(page.messages))
        const oldest = Option.fromNullable(page.has_more ? page.messages[0] : undefined)
        const content = {
          session: { id: session.id, name: session.config.name, agent: agent.title },
          total: page.total,
          messages,
          /** Where those before them are; null at the beginning. */
          before: Option.match(oldest, { onNone: () => null, onSome: ({ id }) => uriOf(session.id, id) })
        }
        return { contents: [{ uri, mimeType, text: JSON.stringify(content) }] }
      })
    }
  })
