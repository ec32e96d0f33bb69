/** Models behind the owners' credentials: finds the provider of a credential's type and hands it the opened secrets. */
import { Effect, Layer, Schema } from "effect"
import { type Credential, masked } from "../../domain/Credential.ts"
import { type FieldProblem, Invalid } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { ChatModelConfig, ModelCard } from "../../domain/Model.ts"
import { type EmitPart, type ModelCall, ModelFailed, Models } from "../../services/Models.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Storage } from "../../services/Storage.ts"
import { Vault } from "../../services/Vault.ts"
import { addressNotAllowed } from "./aisdk/Failure.ts"
import { type Bounds, bounds as defaultBounds, Silence, within as callWithin } from "./Bounds.ts"
import * as Cards from "./cards/Cards.ts"
import * as Known from "./cards/Known.ts"
import * as CardMerge from "./cards/Merge.ts"
import * as OwnCards from "./cards/Own.ts"
import * as Context from "./Context.ts"
import * as Demo from "./demo/Demo.ts"
import * as Embeds from "./Embeds.ts"
import * as Fallback from "./Fallback.ts"
import * as Gates from "./Gates.ts"
import * as Limits from "./Limits.ts"
import type { Provider } from "./Provider.ts"
import * as Providers from "./Providers.ts"
import { tested } from "./Tested.ts"

type Problem = typeof FieldProblem.Type

/** Most fields in a credential's data. */
const maxFields = 64

/** Longest name of a credential, in characters. */
const maxName = 256

/** Credentials whose opened secrets are kept in memory; the least recently used goes first. */
const maxOpened = 10_000

const Secrets = Schema.parseJson(Schema.Record({ key: Schema.String, value: Schema.String }))

const invalid = (detail: string, errors: ReadonlyArray<Problem>) => Effect.fail(new Invalid({ detail, errors }))

/** Most parameters that a refusal tells of in its sentence. */
const maxTold = 4

const told = ({ message, path }: Problem) => `${path}: ${message}`

const within = (path: string) => (problem: Problem): Problem => ({ ...problem, path: `${path}.${problem.path}` })

const setup = (message: string) => new ModelFailed({ type: "setup", message, retryable: false })

/** Text without the blanks around it; null and blank text count as absent. */
const given = (value: unknown): unknown => {
  const trimmed = typeof value === "string" ? value.trim() : value
  return trimmed === "" || trimmed === null ? undefined : trimmed
}

const priced = (card: ModelCard | undefined, emit: EmitPart): EmitPart => {
  const prices = card?.prices
  return prices == null
    ? emit
    : (part) => emit(part.type === "finish" || part.type === "charged" ? { ...part, prices } : part)
}

export const make = (
  list: ReadonlyArray<Provider>,
  bounds: Bounds,
  models_dir?: string
) =>
  Effect.gen(function*() {
    const { credentials } = yield* Storage
    const vault = yield* Vault
    const { fetch, forbids } = yield* Outbound
    const providers = new Map(list.map((provider) => [provider.type, provider]))
    const types = [...providers.keys()].join(", ")
    const sources = { catalogueOf: Cards.make(models_dir), credentials, providers }
    const known = Known.make(sources)

    const readCredential = (data: JsonObject, kept: ReadonlyArray<string>) =>
      Effect.suspend(() => {
        const { id: _, models: givenModels, name: givenName, type, ...others } = data
        const { limits, problems: wrongLimits, rest } = Limits.split(others)
        const provider = typeof type === "string" ? providers.get(type) : undefined
        if (provider === undefined) {
          return invalid("The credential's type is not known.", [{
            path: "data.type",
            message: `Expected one of: ${types}.`
          }])
        }
        const entries = Object.entries(rest)
        if (entries.length > maxFields) {
          return invalid("The credential has too many fields.", [{
            path: "data",
            message: `Expected at most ${maxFields} fields.`
          }])
        }
        const problems: Array<Problem> = wrongLimits.map(within("data"))
        const own = OwnCards.read(givenModels)
        problems.push(...own.problems.map(within("data")))
        const name = given(givenName) ?? ""
        if (typeof name !== "string" || name.length > maxName) {
          problems.push({ path: "data.name", message: `Expected a text of at most ${maxName} characters.` })
        }
        const fields: Record<string, unknown> = {}
        const left = new Set(kept.filter((field) => provider.secrets.has(field)))
        for (const [field, value] of entries) {
          const set = given(value)
          if (set === undefined) continue
          if (set !== masked || !provider.secrets.has(field)) fields[field] = set
          else if (!left.has(field)) {
            left.add(field)
            problems.push({
              path: `data.${field}`,
              message: "This stands for a stored secret, and there is none: send the secret itself."
            })
          }
        }
        for (const problem of provider.fieldProblems(fields)) {
          if (!left.has(problem.path) || Object.hasOwn(fields, problem.path)) problems.push(within("data")(problem))
        }
        const settings: Record<string, unknown> = { ...limits }
        const secrets: Record<string, string> = {}
        for (const [field, value] of Object.entries(fields)) {
          if (provider.secrets.has(field)) secrets[field] = String(value)
          else settings[field] = value
        }
        for (const [field, value] of Object.entries(settings)) {
          const isAddress = typeof value === "string" && /^https?:/i.test(value) && URL.canParse(value)
          if (isAddress && forbids(value)) problems.push({ path: `data.${field}`, message: addressNotAllowed })
        }
        if (problems.length > 0) return invalid("The credential's data has missing or wrong fields.", problems)
        if (own.models.length > 0) settings["models"] = own.models
        return Effect.succeed({ type: provider.type, name: String(name), settings, secrets })
      })

    const check = Effect.fnUntraced(function*(owner: UserId, config: ChatModelConfig, path = "chat_model_config") {
      const at = within(path)
      const { settings, type } = yield* credentials.get(owner, config.credential_id)
      if (type !== config.type) {
        return yield* invalid("The credential is of another type.", [
          at({ path: "type", message: "Expected the credential's own type." })
        ])
      }
      const provider = providers.get(type)
      if (provider === undefined) {
        return yield* invalid(`Credentials of this type are not served here; these are: ${types}.`, [
          at({ path: "type", message: `Expected one of: ${types}.` })
        ])
      }
      const card = yield* known.cardFor(provider, settings, config.model)
      if (card === undefined && Cards.findEmbedding(yield* sources.catalogueOf(provider), config.model) !== undefined) {
        return yield* invalid("This model makes embeddings, and does not talk.", [
          at({ path: "model", message: "Expected a model that talks." })
        ])
      }
      if (!provider.accepts(config.model)) {
        const names = (yield* known.cards(type)).map(({ name }) => name).join(", ")
        return yield* invalid(`The model is not one of ${type}'s: ${names}.`, [
          at({ path: "model", message: `Expected one of: ${names}.` })
        ])
      }
      const problems = [
        ...provider.parameterProblems(config.parameters),
        ...(card === undefined ? [] : CardMerge.problemsOf(card, provider.parameters, config.parameters))
      ]
      if (problems.length > 0) {
        return yield* invalid(
          `The model's parameters are not valid. ${problems.slice(0, maxTold).map(told).join("; ")}`,
          problems.map(within("parameters")).map(at)
        )
      }
      return CardMerge.withoutEffectIn(card, provider.parameters, config.parameters)
    })

    const opened = new Map<string, { readonly of: Credential; readonly fields: JsonObject }>()

    const unseal = (credential: Credential) =>
      credential.sealed === null
        ? Effect.succeed({})
        : vault.open(credential.sealed, { owner: credential.user_id, record: `credentials/${credential.id}` }).pipe(
          Effect.flatMap(Schema.decode(Secrets)),
          Effect.mapError(() =>
            setup(
              "The credential's secrets cannot be opened with this server's key: save them again with a PATCH of the credential."
            )
          )
        )

    /** The credential's settings and secrets: the same object until the credential changes. */
    const open = (credential: Credential): Effect.Effect<JsonObject, ModelFailed> => {
      const known = opened.get(credential.id)
      opened.delete(credential.id)
      if (
        known !== undefined && known.of.updated_at === credential.updated_at && known.of.sealed === credential.sealed
      ) {
        opened.set(credential.id, known)
        return Effect.succeed(known.fields)
      }
      return Effect.map(unseal(credential), (secrets) => {
        const fields = { ...OwnCards.without(Limits.split(credential.settings).rest), ...secrets }
        opened.set(credential.id, { of: credential, fields })
        if (opened.size > maxOpened) opened.delete(opened.keys().next().value!)
        return fields
      })
    }

    const test = tested({ fetch, open, providers })
    const gateOf = Gates.make()
    const embed = Embeds.make({ ...sources, bounds, fetch, gateOf, open })
    const boundsBeforeFallback = Fallback.beforeFallback(bounds)

    /** Calls one model. */
    const ask = (
      { messages, output, owner, system, tool_choice, tools }: ModelCall,
      config: ChatModelConfig,
      bounds: Bounds,
      emit: EmitPart
    ) =>
      credentials.get(owner, config.credential_id).pipe(
        Effect.mapError(() =>
          setup(
            "The session's credential does not exist any more: give the session another one with a PATCH of its chat_model_config."
          )
        ),
        Effect.flatMap((credential) => {
          const provider = providers.get(credential.type)
          return provider === undefined || credential.type !== config.type || !provider.accepts(config.model)
            ? Effect.fail(
              setup(
                "The session's model does not fit its credential: choose another with a PATCH of its chat_model_config."
              )
            )
            : Effect.flatMap(
              Effect.zip(open(credential), known.cardFor(provider, credential.settings, config.model)),
              ([fields, card]) => {
                const refusal = Context.refusal(card, system, messages)
                return refusal !== undefined ?
                  Effect.fail(refusal) :
                  callWithin(
                    bounds,
                    (take, signs) =>
                      provider.stream(
                        {
                          credential: fields,
                          credential_id: credential.id,
                          model: config.model,
                          parameters: CardMerge.taken(card, provider.parameters, config.parameters),
                          system,
                          messages,
                          tools,
                          tool_choice,
                          output,
                          card,
                          fetch,
                          ...signs
                        },
                        take
                      ),
                    priced(card, emit),
                    gateOf(credential),
                    () => void emit({ type: "retry" })
                  )
              }
            )
        })
      )

    return Models.of({
      schemas: list.map(({ schema }) => Limits.withProperties(schema)),
      readCredential,
      cards: known.cards,
      card: known.card,
      embeddingCards: known.embeddingCards,
      check,
      test: (owner, id) => Effect.flatMap(credentials.get(owner, id), test).pipe(Effect.withSpan("Models.test")),
      stream: (call, emit) =>
        Fallback.through({
          models: [call.config, ...call.fallbacks],
          call: (config, isLast, take) => ask(call, config, isLast ? bounds : boundsBeforeFallback, take),
          sizeOf: known.sizeOf(call.owner)
        }, emit),
      embed
    })
  })

/** `models_dir` is the operator's own folder of cards. */
export const layer = (
  providers: ReadonlyArray<Provider>,
  bounds: Bounds = defaultBounds,
  models_dir?: string
): Layer.Layer<Models, never, Storage | Vault | Outbound> =>
  Layer.effect(Models, Effect.flatMap(Silence, (silence) => make(providers, { ...bounds, ...silence }, models_dir)))

/** Every provider that Stoa brings. */
export const providers: ReadonlyArray<Provider> = [Demo.provider, ...Providers.all]

/** These providers and others; a provider replaces a built-in one of the same type. */
export const layerWith = (
  others: ReadonlyArray<Provider>,
  models_dir?: string
): Layer.Layer<Models, never, Storage | Vault | Outbound> =>
  layer(
    [...providers.filter(({ type }) => others.every((other) => other.type !== type)), ...others],
    defaultBounds,
    models_dir
  )

export const layerDefault: Layer.Layer<Models, never, Storage | Vault | Outbound> = layerWith([])
