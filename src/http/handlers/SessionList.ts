/** A user's sessions, each with its status; how an item is shown is up to the version of the client. */
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { SessionArchive } from "../../services/SessionArchive.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import type { SessionsRequest } from "../api/Sessions.ts"

export const make = Effect.gen(function*() {
  const { agents, sessions } = yield* Storage
  const hub = yield* SessionHub
  const archive = yield* SessionArchive

  return Effect.fnUntraced(function*({ agent_id, q, ...page }: SessionsRequest) {
    const { user_id } = yield* CurrentPrincipal
    if (agent_id !== undefined) yield* agents.get(user_id, agent_id)
    const { items, ...rest } = q === undefined
      ? yield* sessions.list(user_id, page, agent_id === undefined ? {} : { agent_id }, "newest")
      : { ...yield* archive.search(user_id, { ...page, q, agent_id }), total: null }
    const statuses = yield* hub.statuses(items)
    return { items: items.map((session, i) => ({ session, status: statuses[i]! })), ...rest }
  })
})
