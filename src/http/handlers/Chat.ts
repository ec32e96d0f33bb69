import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import type { Accepted } from "../../domain/Chat.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import { Sse } from "../Sse.ts"
import * as TakenInput from "./TakenInput.ts"

const prefersAsync = (prefer: string | undefined) =>
  prefer !== undefined && /(^|,)\s*respond-async\s*($|[,;])/i.test(prefer)

const prefersJson = (accept: string | undefined) =>
  accept !== undefined && accept.includes("application/json") && !accept.includes("text/event-stream")

export const layer = HttpApiBuilder.group(Api, "chat", (handlers) =>
  Effect.gen(function*() {
    const { sessions } = yield* Storage
    const hub = yield* SessionHub
    const sse = yield* Sse
    const accept = yield* TakenInput.make

    const mine = ({ session_id }: Accepted) =>
      Effect.flatMap(CurrentPrincipal, ({ user_id }) => sessions.get(user_id, session_id))

    const asStream = (accepted: Accepted) =>
      Effect.flatMap(mine(accepted), (session) =>
        sse.respond((sink) => hub.attach(session, sink, { after: accepted.seq, only: accepted.run_id })))

    const asReply = (accepted: Accepted) =>
      Effect.flatMap(mine(accepted), (session) =>
        sse.whileValid(hub.reply(session, accepted.run_id, accepted.seq)))

    const atOnce = (accepted: Accepted, headers: Readonly<Record<string, string>> = {}) =>
      HttpServerResponse.unsafeJson(accepted, {
        status: 202,
        headers: { location: `/runs/${accepted.run_id}`, ...headers }
      })

    return handlers
      .handle(
        "send",
        Effect.fnUntraced(function*({ headers, payload }) {
          const accepted = yield* accept(headers["idempotency-key"], payload)
          if (prefersAsync(headers.prefer)) return atOnce(accepted, { "preference-applied": "respond-async" })
          return prefersJson(headers.accept)
            ? HttpServerResponse.unsafeJson(yield* asReply(accepted))
            : yield* asStream(accepted)
        })
      )
      .handle(
        "stream",
        ({ headers, payload }) => Effect.flatMap(accept(headers["idempotency-key"], payload), asStream)
      )
      .handle(
        "reply",
        // Written as it is: its schema has nothing to change in it.
        ({ headers, payload }) =>
          Effect.map(
            Effect.flatMap(accept(headers["idempotency-key"], payload), asReply),
            (message) => HttpServerResponse.unsafeJson(message)
          )
      )
      .handle(
        "async",
        ({ headers, payload }) =>
          Effect.map(accept(headers["idempotency-key"], payload), (accepted) => atOnce(accepted))
      )
  }))
