import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer, Schema } from "effect"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import type { api } from "./Api.ts"
import * as Compact from "./Compact.ts"
import * as Conversations from "./Conversations.ts"
import * as Create from "./Create.ts"
import { begun, responseOf } from "./output/Answer.ts"
import { pageOf } from "./output/Lists.ts"
import * as Watch from "./output/Watch.ts"
import * as Asked from "./request/Asked.ts"
import { idleIn } from "./request/Requests.ts"
import * as Socket from "./Socket.ts"
import * as Stored from "./Stored.ts"
import * as Tokens from "./Tokens.ts"

type Api = typeof api

const me = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

/** Written as it is: it has been made by hand, and has no schema that could change something in it. */
const json = (answer: object) => HttpServerResponse.unsafeJson(answer)

const ConversationMade = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("conversation"),
  created_at: Schema.Int,
  metadata: Schema.Record({ key: Schema.String, value: Schema.String })
})

export const layer = (api: Api, options: Options) => {
  const responses = HttpApiBuilder.group(api, "responses", (handlers) =>
    Effect.gen(function*() {
      const create = yield* Create.make(options)
      const watch = yield* Watch.make
      const stored = yield* Stored.make(options.name, watch)
      const tokens = yield* Tokens.make(create)
      const compact = yield* Compact.make(options, watch, create)
      const socket = yield* Socket.make(create, watch)

      return handlers
        .handle(
          "create",
          Effect.fnUntraced(function*({ headers, payload }) {
            const owner = yield* me
            yield* warn(idleIn(payload).map((name) => `The field ${quoted(name)} has no effect here.`))
            const asked = yield* Asked.read(payload, headers.accept)
            const idempotencyKey = headers["idempotency-key"]
            const body = idempotencyKey === undefined ? undefined : comparable(payload)
            return yield* create.run({ owner, asked, idempotencyKey, body }, (given) => {
              if (asked.streams) return watch.stream(given)
              if (asked.background) return Effect.succeed(json(responseOf(given.head, begun("queued"))))
              return Effect.flatMap(watch.wait(given), (rendering) => {
                const { problem } = rendering
                // One that was stopped has an answer, as far as it came.
                return problem === undefined || problem.code === "cancelled"
                  ? Effect.succeed(json(rendering.response()))
                  : Effect.fail(problem)
              })
            })
          })
        )
        .handle("connect", () => Effect.flatMap(me, socket))
        .handle("compact", ({ payload }) => Effect.map(Effect.flatMap(me, (owner) => compact(owner, payload)), json))
        .handle("tokens", ({ payload }) => Effect.flatMap(me, (owner) => tokens(owner, payload)))
        .handle(
          "get",
          Effect.fnUntraced(function*({ headers, path: { response_id }, urlParams: { starting_after, stream } }) {
            const owner = yield* me
            const wantsStream = stream === "true" ||
              (stream === undefined && headers.accept?.includes("text/event-stream") === true)
            return wantsStream
              ? yield* stored.stream(owner, response_id, starting_after)
              : json(yield* stored.get(owner, response_id))
          })
        )
        .handle("remove", ({ path }) => Effect.flatMap(me, (owner) => stored.remove(owner, path.response_id)))
        .handle("cancel", ({ path }) =>
          Effect.map(Effect.flatMap(me, (owner) => stored.cancel(owner, path.response_id)), json))
        .handle("inputItems", ({ path, urlParams }) =>
          Effect.map(
            Effect.flatMap(me, (owner) =>
              stored.inputItems(owner, path.response_id)),
            (items) => json(pageOf(items, urlParams))
          ))
    }))

  const conversations = HttpApiBuilder.group(api, "conversations", (handlers) =>
    Effect.gen(function*() {
      const { conversing } = yield* Create.make(options)
      const own = yield* Conversations.make(options.name, conversing)
      const { once } = yield* Idempotency

      return handlers
        .handle(
          "createConversation",
          Effect.fnUntraced(function*({ headers, payload }) {
            const owner = yield* me
            const key = headers["idempotency-key"]
            let isRepeated = true
            const made = yield* once(
              {
                owner,
                key,
                request: "POST conversations",
                body: key === undefined ? undefined : comparable(payload),
                answer: ConversationMade
              },
              ({ keep }) => {
                isRepeated = false
                return keep(own.make(owner, payload.items ?? [], payload.metadata ?? {}))
              }
            )
            // One that was deleted since is not there again because its request is.
            if (isRepeated) yield* own.get(owner, made.id)
            return made
          })
        )
        .handle("getConversation", ({ path }) => Effect.flatMap(me, (owner) => own.get(owner, path.conversation_id)))
        .handle("updateConversation", ({ path, payload }) =>
          Effect.flatMap(me, (owner) =>
            own.update(owner, path.conversation_id, payload.metadata ?? {})))
        .handle("removeConversation", ({ path }) =>
          Effect.flatMap(me, (owner) =>
            own.remove(owner, path.conversation_id)))
        .handle("items", ({ path, urlParams }) =>
          Effect.map(
            Effect.flatMap(me, (owner) =>
              own.items(owner, path.conversation_id, urlParams)),
            json
          ))
        .handle("addItems", ({ path, payload }) =>
          Effect.map(
            Effect.flatMap(me, (owner) =>
              own.add(owner, path.conversation_id, payload.items)),
            (items) => json(pageOf(items, { after: undefined, limit: items.length, order: "asc" }))
          ))
        .handle("item", ({ path }) =>
          Effect.map(
            Effect.flatMap(me, (owner) => own.item(owner, path.conversation_id, path.item_id)),
            json
          ))
        .handle("removeItem", ({ path }) =>
          Effect.flatMap(me, (owner) =>
            own.removeItem(owner, path.conversation_id, path.item_id)))
    }))

  return Layer.mergeAll(responses, conversations)
}
