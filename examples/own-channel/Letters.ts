/**
 * A channel of one's own: a chat service that calls us for each message and wants
 * the reply by a call of ours. Its calls are signed; each is answered at once, when the
 * message is durable, and the replies of a chat are delivered in their order.
 */
import {
  FetchHttpClient,
  HttpApi,
  HttpApiBuilder,
  HttpApiEndpoint,
  HttpApiGroup,
  HttpClient,
  HttpClientRequest,
  HttpServerRequest,
  HttpServerResponse
} from "@effect/platform"
import { Chunk, Effect, Either, FiberSet, Layer, Schedule, Schema, Stream } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"
import { Accepted } from "../../src/domain/Chat.ts"
import { Invalid, NotFound, TooLarge, Unauthenticated } from "../../src/domain/Errors.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import { ClientKey } from "../../src/domain/SessionKey.ts"
import { operation } from "../../src/http/api/Operation.ts"
import * as Problem from "../../src/http/api/Problem.ts"
import * as Channel from "../../src/http/channels/Channel.ts"
import * as Sessions from "../../src/http/channels/Sessions.ts"
import { Idempotency } from "../../src/services/Idempotency.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { SessionKeys } from "../../src/services/SessionKeys.ts"
import { Storage } from "../../src/services/Storage.ts"

export interface Options {
  /** The service has one account here. */
  readonly owner: string
  /** The name of the agent that answers. */
  readonly agent: string
  /** The service signs the body of each call with it. */
  readonly secret: string
  /** Where replies go. */
  readonly replyTo: string
}

/** Longest call, in bytes. */
const maxBytes = 64 * 1024

/** How a reply is delivered when the service does not take it: about five minutes long. */
const retries = Schedule.exponential("200 millis", 2).pipe(Schedule.intersect(Schedule.recurs(10)), Schedule.jittered)

const Call = Schema.parseJson(Schema.Struct({
  /** The message's id: a call that comes again is the same message. */
  id: ClientKey,
  chat: ClientKey,
  text: Schema.NonEmptyString
}))

const badSignature = new Unauthenticated({ detail: "The signature does not fit the body." })
const badCall = new Invalid({ detail: "A call has an id, a chat and a text." })
const tooLong = new TooLarge({ detail: `A call has at most ${maxBytes} bytes.` })

const api = HttpApi.make("letters")
  .add(
    HttpApiGroup.make("letters").add(
      HttpApiEndpoint.post("receive", "/receive")
        .setHeaders(Schema.Struct({ "x-signature": Schema.String }))
        .addSuccess(Schema.Struct({ ok: Schema.Literal(true) }))
        // The signature is of the bytes as they came, and says who calls: no key of an API is asked for.
        .annotateContext(operation({ scope: null, summary: "Take a message", takesBytes: true }))
    )
  )
  .addError(Problem.Unauthenticated)
  .addError(Problem.NotFound)
  .addError(Problem.Conflict)
  .addError(Problem.TooLarge)
  .addError(Problem.Malformed)
  .addError(Problem.Invalid)
  .addError(Problem.LimitReached)
  .addError(Problem.Unavailable)

const isSigned = (body: Buffer, signature: string, secret: string) => {
  const expected = createHmac("sha256", secret).update(body).digest()
  const given = Buffer.from(signature, "hex")
  return given.length === expected.length && timingSafeEqual(given, expected)
}

/** The body, as far as it may be read. */
const bodyOf = Effect.gen(function*() {
  const { headers, stream } = yield* HttpServerRequest.HttpServerRequest
  if (Number(headers["content-length"] ?? maxBytes + 1) > maxBytes) return yield* tooLong
  const pieces = yield* Effect.mapError(Stream.runCollect(stream), () => badCall)
  return Buffer.concat(Chunk.toReadonlyArray(pieces))
})

export const letters = ({ agent: name, owner: ownerId, replyTo, secret }: Options): Channel.Channel => {
  const owner = ownerId as UserId

  const handlers = (mounted: typeof api, options: Channel.Options) =>
    HttpApiBuilder.group(mounted, "letters", (handlers) =>
      Effect.gen(function*() {
        const { agents } = yield* Storage
        const hub = yield* SessionHub
        const keys = yield* SessionKeys
        const { once } = yield* Idempotency
        const client = yield* HttpClient.HttpClient
        const sessions = yield* Sessions.make(options)
        // Deliveries end with the server; a worker for each chat keeps its replies in order.
        const fork = yield* FiberSet.makeRuntime<never, void, never>()
        const turns = new Map<string, { readonly turn: Effect.Semaphore; waiting: number }>()

        const deliver = (chat: string, text: string) =>
          HttpClientRequest.post(replyTo).pipe(
            HttpClientRequest.bodyUnsafeJson({ chat, text }),
            HttpClient.filterStatusOk(client).execute,
            Effect.scoped,
            Effect.retry(retries),
            Effect.catchAll((error) => Effect.logError("A reply could not be delivered", error)),
            Effect.asVoid
          )

        const inTurn = (chat: string, work: Effect.Effect<void>) => {
          const worker = turns.get(chat) ?? { turn: Effect.unsafeMakeSemaphore(1), waiting: 0 }
          turns.set(chat, worker)
          worker.waiting++
          fork(Effect.ensuring(
            worker.turn.withPermits(1)(work),
            Effect.sync(() => {
              if (--worker.waiting === 0) turns.delete(chat)
            })
          ))
        }

        const answer = Effect.fnUntraced(function*({ chat, id, text }: typeof Call.Type) {
          if (text === "/reset") {
            yield* keys.reset({ owner, channel: options.name, key: chat })
            return inTurn(chat, deliver(chat, "Let us begin anew."))
          }
          const { items } = yield* Effect.orDie(agents.list(owner, { limit: 100, cursor: undefined }))
          const agent = items.find(({ data }) => data.name === name)
          if (agent === undefined) return yield* NotFound.of("Agent", name)
          let isNew = false
          // The service calls again when it has not heard our answer: the message is taken once.
          const accepted = yield* once(
            { owner, key: `letters-${id}`, request: "letters", body: { chat, text }, answer: Accepted },
            Effect.fnUntraced(function*({ claim }) {
              isNew = true
              const { session } = yield* sessions.of(owner, agent, chat, {})
              const request = {
                agent_id: agent.id,
                session_id: session.id,
                input: { role: "user" as const, name: "user", content: text, metadata: {} },
                on_busy: "enqueue" as const,
                tools: []
              }
              return yield* hub.send(owner, request, claim, { source: "channel", source_id: options.name })
            })
          )
          if (!isNew) return
          const { session } = yield* sessions.of(owner, agent, chat, {})
          inTurn(
            chat,
            Effect.flatMap(hub.reply(session, accepted.run_id, accepted.seq), ({ content }) =>
              deliver(chat, textOf(content)))
          )
        })

        return handlers.handle(
          "receive",
          Effect.fnUntraced(function*({ headers }) {
            const body = yield* bodyOf
            if (!isSigned(body, headers["x-signature"], secret)) {
              return yield* badSignature
            }
            const call = Schema.decodeEither(Call)(body.toString())
            if (Either.isLeft(call)) {
              return yield* badCall
            }
            yield* answer(call.right)
            return { ok: true as const }
          })
        )
      })).pipe(Layer.provide(FetchHttpClient.layer))

  return Channel.make({
    name: "letters",
    title: "Letters",
    mount: "/letters",
    api,
    handlers,
    // A letter is words, and changes nothing about the agent.
    options: [],
    respond: ({ code, detail, status }, _, headers) =>
      HttpServerResponse.unsafeJson({ ok: false, code, why: detail }, { status, headers: { ...headers } }),
    errors: {
      statusOf: (status) => status,
      schema: {
        type: "object",
        properties: { ok: { const: false }, code: { type: "string" }, why: { type: "string" } }
      }
    }
  })
}
