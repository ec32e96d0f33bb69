/** What is known of models to the one who asks: their providers' cards, and those that a credential carries. */
import { Effect } from "effect"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { ChatModelConfig } from "../../../domain/Model.ts"
import type { Through } from "../../../services/Models.ts"
import type { Storage } from "../../../services/Storage.ts"
import type { Provider } from "../Provider.ts"
import type * as Cards from "./Cards.ts"
import * as OwnCards from "./Own.ts"

export const ofAnotherType = (path: string) =>
  Effect.fail(
    new Invalid({
      detail: "The credential is of another type.",
      errors: [{ path, message: "Expected the credential's own type." }]
    })
  )

export interface Sources {
  readonly catalogueOf: ReturnType<typeof Cards.make>
  readonly credentials: typeof Storage.Service["credentials"]
  readonly providers: ReadonlyMap<string, Provider>
}

export const make = ({ catalogueOf, credentials, providers }: Sources) => {
  const providerOf = (type: string) =>
    Effect.mapError(Effect.fromNullable(providers.get(type)), () => NotFound.of("Provider", type))

  /** The settings of a credential of this type; of none, nothing. */
  const settingsOf = Effect.fnUntraced(function*(type: string, through: Through | undefined) {
    if (through === undefined) return {}
    const credential = yield* credentials.get(through.owner, through.credential_id)
    return credential.type === type ? credential.settings : yield* ofAnotherType("credential_id")
  })

  /** What is known of a model through a credential with these settings. */
  const cardFor = (provider: Provider, settings: JsonObject, model: string) =>
    Effect.map(catalogueOf(provider), (catalogue) => OwnCards.cardOf(catalogue, provider, settings, model))

  const card = Effect.fnUntraced(function*(type: string, name: string, through?: Through) {
    const provider = yield* providerOf(type)
    const found = yield* cardFor(provider, yield* settingsOf(type, through), name)
    return found ?? (yield* NotFound.of("Model", name))
  })

  return {
    cardFor,
    card,
    cards: Effect.fnUntraced(function*(type: string, through?: Through) {
      const provider = yield* providerOf(type)
      return OwnCards.added(yield* catalogueOf(provider), provider, yield* settingsOf(type, through)).cards
    }),
    embeddingCards: Effect.fnUntraced(function*(type: string) {
      return [...(yield* catalogueOf(yield* providerOf(type))).embedding.values()]
    }),
    /** Tokens that a model takes, when its card says so. */
    sizeOf: (owner: Through["owner"]) => ({ credential_id, model, type }: ChatModelConfig) =>
      Effect.match(card(type, model, { owner, credential_id }), {
        onFailure: () => undefined,
        onSuccess: ({ context_size }) => context_size ?? undefined
      })
  }
}
