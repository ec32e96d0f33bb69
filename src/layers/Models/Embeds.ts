/** Embeddings through a credential: finds its provider, checks the length that is asked for, and stays within bounds. */
import { Effect } from "effect"
import type { Credential } from "../../domain/Credential.ts"
import { Invalid } from "../../domain/Errors.ts"
import type { JsonObject } from "../../domain/Json.ts"
import type { ModelFailed, Models } from "../../services/Models.ts"
import type { Bounds } from "./Bounds.ts"
import { ofAnotherType, type Sources } from "./cards/Known.ts"
import * as Embedding from "./Embedding.ts"
import type { Gate } from "./Gate.ts"

/** Texts of one call, where the model's most is not known. */
const usualBatch = 96

export interface Options extends Sources {
  readonly bounds: Bounds
  readonly fetch: typeof globalThis.fetch
  readonly gateOf: (credential: Credential) => Gate
  /** Settings and secrets. */
  readonly open: (credential: Credential) => Effect.Effect<JsonObject, ModelFailed>
}

export const make = (
  { bounds, catalogueOf, credentials, fetch, gateOf, open, providers }: Options
): typeof Models.Service.embed =>
  Effect.fnUntraced(function*({ config, input, owner }) {
    const credential = yield* credentials.get(owner, config.credential_id)
    if (config.type !== undefined && config.type !== credential.type) return yield* ofAnotherType("type")
    const provider = providers.get(credential.type)
    const ask = provider?.embed
    if (provider === undefined || ask === undefined) {
      return yield* new Invalid({
        detail: "Credentials of this type have no embedding models.",
        errors: [{ path: "credential_id", message: "Expected a credential whose provider makes embeddings." }]
      })
    }
    const { dimensions, model } = config
    const card = (yield* catalogueOf(provider)).embedding.get(model)
    const choices = card?.dimension_choices
    if (dimensions !== undefined && choices != null && !choices.includes(dimensions)) {
      return yield* new Invalid({
        detail: "The model does not make vectors of that length.",
        errors: [{ path: "dimensions", message: `Expected one of: ${choices.join(", ")}.` }]
      })
    }
    const fields = yield* open(credential)
    return yield* Embedding.within({
      bounds,
      gate: gateOf(credential),
      ask: (part) => ask({ credential: fields, model, input: part, dimensions, fetch }),
      input,
      most: card?.max_inputs ?? usualBatch
    })
  })
