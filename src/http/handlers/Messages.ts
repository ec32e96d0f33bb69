import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { SessionHub } from "../../services/SessionHub.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

export const layer = HttpApiBuilder.group(Api, "messages", (handlers) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const mine = yield* MySession.make

    return handlers.handle(
      "list",
      Effect.fnUntraced(function*({ path, urlParams: { agent_id, limit, offset } }) {
        const session = yield* mine(path.session_id, agent_id)
        const page = yield* hub.messages(session, { offset, limit })
        return { ...page, has_more: offset + page.messages.length < page.total }
      })
    )
  }))
