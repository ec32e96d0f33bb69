/** Talks to a provider as a session does: through `Models`, with a stored credential whose secrets are sealed. */
import { assert } from "@effect/vitest"
import { Duration, Effect, Layer, Logger, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { inspect } from "node:util"
import type { UserId } from "../../../src/domain/Ids.ts"
import type { JsonObject } from "../../../src/domain/Json.ts"
import type { Message } from "../../../src/domain/Message.ts"
import * as Host from "../../../src/layers/Host.ts"
import { type Bounds, bounds } from "../../../src/layers/Models/Bounds.ts"
import * as Providers from "../../../src/layers/Models/Providers.ts"
import * as ModelsRouter from "../../../src/layers/Models/Router.ts"
import * as OutboundGuarded from "../../../src/layers/Outbound/Guarded.ts"
import * as VaultAesGcm from "../../../src/layers/Vault/AesGcm.ts"
import {
  type Embedded,
  type ModelCall,
  ModelFailed,
  type ModelPart,
  type Models
} from "../../../src/services/Models.ts"
import type { Outbound } from "../../../src/services/Outbound.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { Vault } from "../../../src/services/Vault.ts"
import { credentialOf } from "../fixtures.ts"
import * as FakeProvider from "./FakeProvider.ts"
import * as Messages from "./Messages.ts"
import { type Subject, vectors } from "./Subject.ts"
import type { Asked, Json, Received } from "./Wire.ts"

const owner = "ada" as UserId

/** Printable, as keys are, and found by a search of anything that shows it. */
export const planted = "plantedSecret0123456789planted"

/** What the provider's own sentences hold, so that it is noticed when they are passed on. */
export const theirWords = "their-own-words"

const patient: Bounds = { ...bounds, attempts: 1, backoff: Duration.millis(1) }

export const impatient = (limits: Partial<Bounds>): Bounds => ({ ...patient, ...limits })

/** What is told of a failed check, and the least that is told of a failed call. */
export type Failed = Pick<ModelFailed, "message"> & { readonly type: string }

/** Everything that a log, an answer or a person could be shown of a failure. */
const shown = (failed: Failed) =>
  [
    JSON.stringify(failed),
    failed.message,
    ...(failed instanceof ModelFailed ? [String(failed), failed.stack, String(failed.cause)] : [])
  ].join("\n")

const assertClean = (failed: Failed, origin: string): void => {
  assert.match(failed.message, /^[A-Z].*\.$/)
  for (const secret of [planted, theirWords, new URL(origin).host]) assert.notInclude(shown(failed), secret)
}

/** Fails when a log shows what only the provider should know. */
export const logsClean = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const logged: Array<string> = []
  const keep = Logger.make(({ cause, message }) => void logged.push(inspect([message, cause], { depth: 9 })))
  return Effect.tap(
    Effect.provide(effect, Logger.replace(Logger.defaultLogger, keep)),
    () => Effect.sync(() => assert.notInclude(logged.join("\n"), planted))
  )
}

export type Asking = Partial<Pick<ModelCall, "system" | "messages" | "tools" | "tool_choice" | "output">> & {
  readonly parameters?: JsonObject
  /** Else the subject's. */
  readonly model?: string
}

export interface Talk {
  readonly server: FakeProvider.FakeProvider
  /** The parts of the answer; what has come before a failure is in `parts`. */
  readonly ask: (
    asking?: Asking,
    parts?: Array<ModelPart>
  ) => Effect.Effect<ReadonlyArray<ModelPart>, ModelFailed>
  /** Whether there is a card of the subject's model. */
  readonly isKnown: Effect.Effect<boolean>
  readonly check: Effect.Effect<ReadonlyArray<string>, Failed>
  readonly embed: (input: ReadonlyArray<string>, dimensions?: number) => Effect.Effect<Embedded, ModelFailed>
  /** Fails if the call does not, or if its failure shows what it must not. */
  readonly fail: (asking?: Asking, parts?: Array<ModelPart>) => Effect.Effect<ModelFailed>
  readonly failing: <A, E extends Failed>(effect: Effect.Effect<A, E>) => Effect.Effect<E>
  /** The last request, as sent and as understood. */
  readonly request: () => Received
  readonly asked: () => Asked
}

export type Base = Storage | Vault | Outbound

/** What all talks may share. */
export const base: Layer.Layer<Base> = Layer.mergeAll(
  Host.memory,
  OutboundGuarded.layer({ hosts: [], loopback: true }),
  Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(randomBytes(32)))] }))
)

/** Stores the credential as `POST /credential` does. */
const store = Effect.fnUntraced(function*(models: typeof Models.Service, subject: Subject, origin: string) {
  const { credentials } = yield* Storage
  const vault = yield* Vault
  const data = { type: subject.type, ...subject.credential(origin, planted) }
  const { secrets, ...fields } = yield* models.readCredential(data, [])
  assert.notInclude(JSON.stringify(fields), planted)
  const base = credentialOf(owner, fields)
  const names = Object.keys(secrets)
  const record = `credentials/${base.id}`
  const sealed = names.length === 0 ? null : yield* vault.seal(JSON.stringify(secrets), { owner, record })
  yield* credentials.insert({ ...base, secrets: names, sealed })
  return base.id
}, Effect.orDie)

/** Whether it is a conversation, not texts for vectors. */
const isAsked = (body: Json): boolean =>
  body?.messages !== undefined || body?.contents !== undefined ||
  Array.isArray(body?.input) && typeof body.input[0] === "object"

export const open = Effect.fnUntraced(function*(subject: Subject, limits: Bounds = patient, at?: string) {
  const { faults, refuse } = subject.wire
  const server = yield* FakeProvider.judging((request) => {
    const found = request.method === "POST" && isAsked(request.body) ? faults?.(request.body, request) ?? [] : []
    return found.length === 0 ? undefined : { faults: found, answer: refuse("bad_request", found.join("; ")) }
  })
  const origin = at ?? server.origin
  const models = yield* ModelsRouter.make(Providers.all, limits)
  const fresh = Effect.provide(store(models, subject, origin), yield* Effect.context<Base>())
  let credential_id = yield* fresh
  /** A circuit breaker would leave a provider alone that fails as often as here. */
  const renew = Effect.map(fresh, (id) => credential_id = id)
  const config = (parameters: JsonObject = {}, model = subject.model) => ({
    type: subject.type,
    credential_id,
    model,
    parameters: { ...subject.parameters, ...parameters }
  })
  const messages: ReadonlyArray<Message> = [Messages.user(Messages.text("hello"))]
  const ask: Talk["ask"] = ({ model, parameters, ...asking } = {}, parts = []) =>
    Effect.suspend(() => {
      const call = {
        owner,
        config: config(parameters, model),
        fallbacks: [],
        system: "",
        messages,
        tools: [],
        ...asking
      }
      return Effect.orDie(models.check(owner, call.config)).pipe(
        Effect.zipRight(models.stream(call, (part) => void parts.push(part))),
        Effect.tapError(() => renew),
        Effect.as(parts)
      )
    })
  const check = Effect.suspend(() => models.test(owner, credential_id)).pipe(
    Effect.orDie,
    Effect.flatMap(({ error, models, ok }) => error === null && ok ? Effect.succeed(models) : Effect.fail(error!))
  )
  const failing: Talk["failing"] = (effect) =>
    effect.pipe(
      Effect.flip,
      Effect.orDieWith(() => new Error("It did not fail.")),
      Effect.tap((failed) => Effect.sync(() => assertClean(failed, origin)))
    )
  const request = () => server.received.at(-1) ?? assert.fail("nothing was asked")
  return {
    server,
    ask,
    isKnown: Effect.isSuccess(models.card(subject.type, subject.model)),
    check,
    embed: (input, dimensions) => {
      const model = subject.embedding ?? vectors
      const config = { type: subject.type, credential_id, model, ...(dimensions !== undefined && { dimensions }) }
      return models.embed({ owner, config, input }).pipe(
        Effect.catchTags({ NotFound: Effect.die, Invalid: Effect.die }),
        Effect.tapError(() => renew)
      )
    },
    fail: (asking, parts) => failing(ask(asking, parts)),
    failing,
    request,
    asked: () => subject.wire.read(request())
  } satisfies Talk as Talk
})
