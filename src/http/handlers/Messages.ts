import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { cursorAfter, offsetOfCursor } from "../../domain/Page.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

export const layer = HttpApiBuilder.group(Api, "messages", (handlers) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const mine = yield* MySession.make

    return handlers.handle(
      "list",
      Effect.fnUntraced(function*({ path, urlParams: { agent_id, cursor, limit, ...named } }) {
        const session = yield* mine(path.session_id, agent_id)
        const offset = cursor === undefined ? named.offset : yield* offsetOfCursor(cursor)
        const page = yield* hub.messages(session, { offset, limit })
        const next = offset + page.messages.length
        const has_more = next < page.total
        return { ...page, has_more, next_cursor: has_more ? cursorAfter(String(next)) : null }
      })
    )
  }))
