import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect, type Either, Layer } from "effect"
import type { Invalid } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { quoted, warn } from "../../Warnings.ts"
import type { Options } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import { keyOf } from "../Keys.ts"
import type { api } from "./Api.ts"
import * as Direct from "./Direct.ts"
import * as Embeddings from "./Embeddings.ts"
import { json } from "./Json.ts"
import { type Asked, ofChat, ofCompletion } from "./request/Asked.ts"
import { type ChatRequest, type CompletionRequest, type EmbeddingRequest, idleIn } from "./request/Requests.ts"
import * as Stored from "./Stored.ts"
import * as Targets from "./Targets.ts"
import * as ThroughAgent from "./ThroughAgent.ts"

type Api = typeof api

interface Headers {
  readonly accept?: string | undefined
  readonly "idempotency-key"?: string | undefined
  readonly "x-session-id"?: string | undefined
}

const idle = (request: ChatRequest | CompletionRequest | EmbeddingRequest) =>
  warn(idleIn(request).map((name) => `The field ${quoted(name)} has no effect here.`))

export const layer = (api: Api, options: Options) => {
  const targets = Targets.make(options)

  const models = HttpApiBuilder.group(api, "models", (handlers) =>
    Effect.map(targets, ({ get, list }) =>
      handlers
        .handle("list", () =>
          Effect.map(
            Effect.flatMap(CurrentPrincipal, ({ user_id }) => list(user_id)),
            (data) => ({ object: "list" as const, data })
          ))
        .handle("get", ({ path }) => Effect.flatMap(CurrentPrincipal, ({ user_id }) => get(user_id, path["*"])))))

  const chat = HttpApiBuilder.group(api, "chat", (handlers) =>
    Effect.gen(function*() {
      const { find } = yield* targets
      const direct = yield* Direct.make
      const throughAgent = yield* ThroughAgent.make(options)

      const answer = Effect.fnUntraced(function*(
        path: string,
        headers: Headers,
        payload: ChatRequest | CompletionRequest,
        read: Either.Either<Asked, Invalid>
      ) {
        const { user_id: owner } = yield* CurrentPrincipal
        yield* idle(payload)
        const asked = yield* read
        const session = yield* keyOf(asked.metadata["session_id"], headers, options.trusted)
        const target = yield* find(owner, asked.model)
        const idempotencyKey = headers["idempotency-key"]
        const body = idempotencyKey === undefined ? undefined : comparable({ ...payload, session })
        const common = { owner, asked, idempotencyKey, body, path }
        if (target.type === "agent") return yield* throughAgent({ ...common, agent: target.agent, session })
        if (session !== undefined) {
          yield* warn(["A model by itself has no sessions: the session's key has no effect."])
        }
        return yield* direct({ ...common, credential: target.credential, model: target.model })
      })

      return handlers
        .handle("chat", ({ headers, payload }) =>
          answer("POST chat/completions", headers, payload, ofChat(payload, headers.accept)))
        .handle("completion", ({ headers, payload }) =>
          answer("POST completions", headers, payload, ofCompletion(payload, headers.accept)))
    }))

  const embeddings = HttpApiBuilder.group(api, "embeddings", (handlers) =>
    Effect.gen(function*() {
      const embed = yield* Embeddings.make(yield* targets)
      return handlers.handle("embed", ({ payload }) =>
        Effect.zipRight(
          idle(payload),
          Effect.flatMap(CurrentPrincipal, ({ user_id }) => embed(user_id, payload))
        ))
    }))

  const stored = HttpApiBuilder.group(api, "stored", (handlers) =>
    Effect.map(Stored.make, (stored) => {
      const own = <E>(ask: (owner: UserId) => Effect.Effect<object, E>) =>
        Effect.map(Effect.flatMap(CurrentPrincipal, ({ user_id }) => ask(user_id)), json)
      return handlers
        .handle("list", ({ request, urlParams: { model, ...page } }) =>
          own((owner) =>
            stored.list(owner, page, model, Stored.labelsIn(new URLSearchParams(request.url.split("?")[1])))
          ))
        .handle("get", ({ path }) =>
          own((owner) =>
            stored.get(owner, path.completion_id)
          ))
        .handle(
          "label",
          ({ path, payload }) => own((owner) => stored.label(owner, path.completion_id, payload.metadata))
        )
        .handle("remove", ({ path }) => own((owner) => stored.remove(owner, path.completion_id)))
        .handle(
          "messages",
          ({ path, urlParams }) => own((owner) => stored.messages(owner, path.completion_id, urlParams))
        )
    }))

  return Layer.mergeAll(models, chat, stored, embeddings)
}
