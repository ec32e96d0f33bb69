/** Embeddings through a credential: finds its provider, checks the length that is asked for, and stays within bounds. */
import { Effect } from "effect"
import type { Credential } from "../../domain/Credential.ts"
import { mostTexts } from "../../domain/Embedding.ts"
import { Invalid } from "../../domain/Errors.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"
import { ModelFailed, type Models } from "../../services/Models.ts"
import { OutboundRefused } from "../../services/Outbound.ts"
import type { Bounds } from "./Bounds.ts"
import { find, findEmbedding } from "./cards/Cards.ts"
import { ofAnotherType, type Sources } from "./cards/Known.ts"
import * as Embedding from "./Embedding.ts"
import type { Gate } from "./Gate.ts"

/** Texts of one call, where the model's most is not known. */
const usualBatch = 96

/** Longest answer to one call, in bytes: it is parsed at once. */
const maxBytes = 3 * 1024 * 1024

/** The same fetch, whose answers break off when they are longer. */
const smaller = (fetch: typeof globalThis.fetch): typeof globalThis.fetch => async (input, init) => {
  const response = await fetch(input, init)
  const { body, headers, status, statusText } = response
  if (body === null) return response
  let left = maxBytes
  const counted = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: (chunk, controller) => {
        left -= chunk.byteLength
        if (left < 0) controller.error(new OutboundRefused({ code: "response_too_large" }))
        else controller.enqueue(chunk)
      }
    })
  )
  return new Response(counted, { status, statusText, headers })
}

const tooMuch = (retry_after: number) =>
  new ModelFailed({
    type: "rate_limit",
    message: "Too many of your requests for embeddings are waiting.",
    retryable: true,
    retry_after
  })

export interface Options extends Sources {
  readonly bounds: Bounds
  readonly fetch: typeof globalThis.fetch
  readonly gateOf: (credential: Credential) => Gate
  /** Settings and secrets. */
  readonly open: (credential: Credential) => Effect.Effect<JsonObject, ModelFailed>
}

export const make = (
  { bounds, catalogueOf, credentials, fetch, gateOf, open, providers }: Options
): typeof Models.Service.embed => {
  const boundedFetch = smaller(fetch)
  return Effect.fnUntraced(function*({ config, input, owner }) {
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
    const catalogue = yield* catalogueOf(provider)
    const card = findEmbedding(catalogue, model)
    if (card === undefined && find(catalogue, model) !== undefined) {
      return yield* new Invalid({
        code: "model_not_supported",
        detail: "This model talks, and makes no embeddings.",
        errors: [{ path: "model", message: "Expected a model of embeddings" }]
      })
    }
    const choices = card?.dimension_choices
    if (dimensions !== undefined && choices != null && !choices.includes(dimensions)) {
      return yield* new Invalid({
        detail: "The model does not make vectors of that length.",
        errors: [{ path: "dimensions", message: `Expected one of: ${choices.join(", ")}.` }]
      })
    }
    const length = dimensions ?? card?.dimensions
    if (length !== undefined && input.length > mostTexts(length)) {
      return yield* new Invalid({
        detail: "All vectors together would have too many numbers.",
        errors: [{ path: "input", message: `Expected at most ${mostTexts(length)} texts of ${length} dimensions.` }]
      })
    }
    const fields = yield* open(credential)
    const { run } = yield* HeavyWork
    return yield* run(
      owner,
      "network",
      Embedding.within({
        bounds,
        gate: gateOf(credential),
        ask: (part) => ask({ credential: fields, model, input: part, dimensions, fetch: boundedFetch }),
        input,
        most: Embedding.textsPerCall(card?.max_inputs ?? usualBatch, length)
      })
    ).pipe(Effect.catchTag("HeavyWorkRefused", ({ retry_after }) => Effect.fail(tooMuch(retry_after))))
  })
}
