import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { Accepted } from "../../domain/Chat.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import { note } from "../LogNotes.ts"
import { Sse } from "../Sse.ts"

const prefersAsync = (prefer: string | undefined) =>
  prefer !== undefined && /(^|,)\s*respond-async\s*($|[,;])/i.test(prefer)

const prefersJson = (accept: string | undefined) =>
  accept !== undefined && accept.includes("application/json") && !accept.includes("text/event-stream")

export const layer = HttpApiBuilder.group(Api, "chat", (handlers) =>
  Effect.gen(function*() {
    const { sessions } = yield* Storage
    const hub = yield* SessionHub
    const sse = yield* Sse
    const { once } = yield* Idempotency

    return handlers.handle(
      "send",
      Effect.fnUntraced(function*({ headers, payload }) {
        const { user_id } = yield* CurrentPrincipal
        yield* note({ session_id: payload.session_id })
        const accepted = yield* once(
          {
            owner: user_id,
            key: headers["idempotency-key"],
            request: "POST /chat",
            body: payload,
            answer: Accepted
          },
          ({ claim }) => hub.send(user_id, payload, claim)
        )
        const { run_id, seq } = accepted
        yield* note({ run_id })
        if (prefersAsync(headers.prefer)) {
          const location = { location: `/runs/${run_id}`, "preference-applied": "respond-async" }
          return HttpServerResponse.unsafeJson(accepted, { status: 202, headers: location })
        }
        const session = yield* sessions.get(user_id, payload.session_id)
        return prefersJson(headers.accept)
          ? HttpServerResponse.unsafeJson(yield* hub.reply(session, run_id, seq))
          : yield* sse.respond((sink) => hub.attach(session, sink, { after: seq, only: run_id }))
      })
    )
  }))
