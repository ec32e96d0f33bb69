/** Sessions as an editor begins them, finds them again, and is told of what was said in them. */
import type { ListSessionsResponse } from "@agentclientprotocol/sdk"
import { Effect, Option } from "effect"
import { type AgentId, SessionId } from "../../domain/Ids.ts"
import { maxMessages } from "../../domain/Page.ts"
import { type SessionView, timeName } from "../../domain/Session.ts"
import { defaultModel } from "../Addressed.ts"
import type { Connection } from "../Connection.ts"
import { resolve } from "../Model.ts"
import type { Editor } from "./Turn.ts"
import { planIn, replayOf } from "./Updates.ts"

/** Sessions of one page of a list. */
const pageSize = 50

/** Most messages of a session that are told again: the newest ones. */
const maxReplayed = 2_000

export const make = (connection: Connection, agent: AgentId, model: Option.Option<string>) => {
  const { api } = connection

  const get = (id: string) =>
    api.sessions.get({ path: { session_id: SessionId.make(encodeURIComponent(id)) }, urlParams: {} })

  /** Tells all that was said, oldest first. A reply in the making is told as far as it has come. */
  const replay = Effect.fnUntraced(function*(session: SessionView, editor: Editor) {
    const path = { session_id: session.id }
    const { total } = yield* api.messages.list({ path, urlParams: { offset: 0, limit: 1 } })
    for (let offset = Math.max(0, total - maxReplayed), more = true; more;) {
      const page = yield* api.messages.list({ path, urlParams: { offset, limit: maxMessages } })
      for (const message of page.messages) {
        for (const update of replayOf(message)) yield* editor.update(session.id, update)
      }
      offset += page.messages.length
      more = page.messages.length > 0 && offset < page.total
    }
    for (const update of planIn(session.state.tasks_context?.tasks)) yield* editor.update(session.id, update)
  })

  /** The model that was asked for, the agent's own, or the one that needs no key. An agent that is code has none. */
  const modelOf = Effect.gen(function*() {
    if (Option.isSome(model)) return yield* resolve(connection, model.value, Option.none())
    const { data: { chat_model_config, code } } = yield* api.agents.get({ path: { agent_id: agent } })
    if (chat_model_config !== null || code !== undefined) return chat_model_config
    return yield* resolve(connection, defaultModel, Option.none())
  })

  return {
    /** A new session, by its id. */
    begin: Effect.flatMap(modelOf, (chat_model_config) =>
      Effect.map(
        api.sessions.create({ headers: {}, payload: { agent_id: agent, chat_model_config } }),
        ({ session_id }) => session_id as string
      )),
    get,
    replay,
    /** The model's context in tokens, where that is known. */
    sizeOf: ({ config: { chat_model_config } }: SessionView) =>
      chat_model_config === null
        ? Effect.succeed(undefined)
        : api.models.get({
          path: {
            provider: encodeURIComponent(chat_model_config.type),
            name: encodeURIComponent(chat_model_config.model)
          },
          urlParams: { credential_id: chat_model_config.credential_id }
        }).pipe(
          Effect.map(({ context_size }) => context_size ?? undefined),
          Effect.orElseSucceed(() => undefined)
        ),
    /** The agent's sessions, newest first. They are not bound to folders of the editor's. */
    list: (cursor: string | null | undefined, cwd: string) =>
      Effect.map(
        api.sessions.list({ urlParams: { agent_id: agent, limit: pageSize, ...(cursor != null && { cursor }) } }),
        ({ next_cursor, sessions }): ListSessionsResponse => ({
          sessions: sessions.map(({ config: { name }, created_at, id, updated_at }) => ({
            sessionId: id,
            cwd,
            updatedAt: updated_at,
            ...(name !== timeName(created_at) && { title: name })
          })),
          ...(next_cursor !== null && { nextCursor: next_cursor })
        })
      )
  }
}
