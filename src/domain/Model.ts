import { Schema } from "effect"
import { CredentialId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** Which model a session talks to, through which credential. */
export const ChatModelConfig = Schema.Struct({
  /** The credential's type: `demo_credential`. */
  type: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(128)),
  credential_id: CredentialId,
  model: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256)),
  parameters: Schema.optionalWith(JsonObject, { default: () => ({}), nullable: true })
}).annotations({ identifier: "ChatModelConfig" })
export type ChatModelConfig = typeof ChatModelConfig.Type

/** Fallbacks that a session or an agent can name. */
const maxFallbacks = 5

/** Models that are asked, in their order, when the ones before them fail. */
export const FallbackModelConfigs = Schema.Array(ChatModelConfig).pipe(Schema.maxItems(maxFallbacks))

/** One fallback, or several. */
export const Fallback = Schema.Union(ChatModelConfig, FallbackModelConfigs)
export type Fallback = typeof Fallback.Type

const isList = (fallback: Fallback): fallback is typeof FallbackModelConfigs.Type => Array.isArray(fallback)

/** Each with the place where a client finds it: `fallback_chat_model_config.1`. */
export const fallbacksIn = (field: string, fallback: Fallback | null | undefined) => {
  if (fallback == null) return []
  return isList(fallback)
    ? fallback.map((config, i) => ({ config, path: `${field}.${i}` }))
    : [{ config: fallback, path: field }]
}

/** Highest price, in US dollars per million tokens, so that sums of costs stay numbers. */
const maxPrice = 1_000_000_000

const price = Schema.Number.pipe(Schema.between(0, maxPrice))

/** US dollars per million tokens; what is not named costs what `input` does. */
const rates = {
  input: price,
  output: price,
  /** Of input that comes from the provider's cache. */
  cached_input: Schema.optional(price),
  /** Of input that goes into the provider's cache. */
  cache_write: Schema.optional(price)
}

/** Most steps of a price. */
const maxTiers = 8

export const Prices = Schema.Struct({
  ...rates,
  /** What all of a call costs whose input has more tokens than `above`; the lowest step first. */
  tiers: Schema.optional(
    Schema.Array(Schema.Struct({ above: Schema.NonNegativeInt, ...rates })).pipe(Schema.maxItems(maxTiers))
  )
}).annotations({ identifier: "Prices" })
export type Prices = typeof Prices.Type

/** The prices of a call with so much input. */
export const pricesFor = (prices: Prices, input_tokens: number): Omit<Prices, "tiers"> =>
  prices.tiers?.findLast(({ above }) => input_tokens > above) ?? prices

/** Marks a model that thinks, among its `output_types`. */
export const thinkingType = "application/x-thinking"

export const ModelStatus = Schema.Literal("active", "deprecated", "sunset")

/** Most tokens that a card may claim for a model: ten times the largest context that is served today. */
const maxSize = 100_000_000

/** Tokens. */
const size = Schema.Int.pipe(Schema.between(1, maxSize))

const lifecycle = {
  name: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256)),
  label: Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256)),
  /** `sunset`: the provider does not serve it any more. */
  status: ModelStatus
}

/** What a model is and takes. Types are MIME types; sizes are tokens, null when they are not known. */
export const ModelCard = Schema.Struct({
  type: Schema.Literal("chat_model"),
  ...lifecycle,
  /** The day from which the provider does not serve it, as far as it is announced: `2026-12-11`. */
  deprecated_at: Schema.NullOr(Schema.String),
  input_types: Schema.Array(Schema.String),
  output_types: Schema.Array(Schema.String),
  context_size: Schema.NullOr(size),
  output_size: Schema.NullOr(size),
  /** JSON schema of `parameters`, the model's own changes merged in. */
  parameter_schema: JsonObject,
  /** What is different of a parameter's schema; `{ hidden: true }` where the model does not take it. */
  parameters_overrides: Schema.Record({ key: Schema.String, value: JsonObject }),
  /** The provider itself holds the answer to a JSON schema; null when only its provider is known to. */
  structured_output: Schema.NullOr(Schema.Boolean),
  /** Null where they are not public. */
  prices: Schema.NullOr(Prices)
}).annotations({ identifier: "ModelCard" })
export type ModelCard = typeof ModelCard.Type

/** What an embedding model is and takes. */
export const EmbeddingCard = Schema.Struct({
  type: Schema.Literal("embedding_model"),
  ...lifecycle,
  deprecated_at: Schema.NullOr(Schema.String),
  /** Numbers in a vector, unless others are asked for. */
  dimensions: size,
  /** What else can be asked for; null when it is not known. */
  dimension_choices: Schema.NullOr(Schema.Array(size)),
  /** Longest text, in tokens. */
  max_input_tokens: size,
  /** Most texts that the provider takes in one call; null when it is not known. */
  max_inputs: Schema.NullOr(size),
  /** US dollars per million tokens; null where they are not public. */
  prices: Schema.NullOr(Schema.Struct({ input: price }))
})
export type EmbeddingCard = typeof EmbeddingCard.Type

/** Marks a model of embeddings, as its only output type. */
const embeddingType = "application/x-embedding"

/** The card with the fields by which the Agent Service knows the same. A call has no parameters beside `dimensions`. */
export const EmbeddingCardView = Schema.Struct({
  ...EmbeddingCard.fields,
  input_types: Schema.Array(Schema.String),
  output_types: Schema.Array(Schema.String),
  supported_dimensions: Schema.NullOr(Schema.Array(size)),
  context_size: size,
  parameter_schema: JsonObject,
  parameters_overrides: Schema.Record({ key: Schema.String, value: JsonObject })
}).annotations({ identifier: "EmbeddingCard" })
export type EmbeddingCardView = typeof EmbeddingCardView.Type

export const embeddingCardView = (card: EmbeddingCard): EmbeddingCardView => ({
  ...card,
  input_types: ["text/plain"],
  output_types: [embeddingType],
  supported_dimensions: card.dimension_choices,
  context_size: card.max_input_tokens,
  parameter_schema: { type: "object", properties: {} },
  parameters_overrides: {}
})

/** What a model of speech is. None is served yet, so no list has one. */
export const SpeechCard = Schema.Struct({
  type: Schema.Literal("tts_model"),
  ...lifecycle,
  deprecated_at: Schema.NullOr(Schema.String),
  input_types: Schema.Array(Schema.String),
  output_types: Schema.Array(Schema.String),
  /** The text may still grow while it is read out. */
  realtime: Schema.Boolean,
  parameter_schema: JsonObject,
  parameters_overrides: Schema.Record({ key: Schema.String, value: JsonObject })
}).annotations({ identifier: "SpeechCard" })

const mimeType = Schema.String.pipe(Schema.pattern(/^[a-z]+\/(\*|[a-z0-9][a-z0-9.+-]{0,126})$/))
const mimeTypes = Schema.Array(mimeType).pipe(Schema.maxItems(64))

const day = Schema.String.pipe(Schema.pattern(/^\d{4}-\d\d-\d\d$/))

/** Most parameters that a card changes. */
const maxOverrides = 64

const schemaTypes = new Set<unknown>(["string", "number", "integer", "boolean", "array", "object", "null"])

const isSchemaType = (type: unknown): boolean =>
  Array.isArray(type) ? type.every((one) => schemaTypes.has(one)) : schemaTypes.has(type)

const override = JsonObject.pipe(
  Schema.filter((schema) =>
    schema["type"] === undefined || isSchemaType(schema["type"]) || "Expected one of JSON schema's types as type"
  )
)

/** For each parameter null to take it away, `{ hidden: true }` likewise, else what of its JSON schema is different. */
const overrides = Schema.Record({
  key: Schema.String.pipe(Schema.pattern(/^[a-z][a-z0-9_]{0,63}$/)),
  value: Schema.NullOr(override)
}).pipe(Schema.filter((all) => Object.keys(all).length <= maxOverrides || `at most ${maxOverrides} parameters`))

/** Most other names of a model. */
const maxAliases = 32

/** Names that stand for the model too, beside those that follow from its own name. */
const aliases = Schema.Array(lifecycle.name).pipe(Schema.maxItems(maxAliases))

/** What somebody writes of a chat model: in a file, or for one credential. What is left out stays as it was known. */
export const ModelCardDraft = Schema.Struct({
  type: Schema.optionalWith(Schema.Literal("chat_model"), { default: () => "chat_model" }),
  name: lifecycle.name,
  aliases: Schema.optional(aliases),
  label: Schema.optional(lifecycle.label),
  status: Schema.optional(ModelStatus),
  deprecated_at: Schema.optional(day),
  input_types: Schema.optional(mimeTypes),
  output_types: Schema.optional(mimeTypes),
  context_size: Schema.optional(size),
  output_size: Schema.optional(size),
  structured_output: Schema.optional(Schema.Boolean),
  prices: Schema.optional(Prices),
  parameters_overrides: Schema.optional(overrides)
})
export type ModelCardDraft = typeof ModelCardDraft.Type

/** Most cards of one credential's own. */
export const maxOwnModels = 64

/** A credential's own cards, in its `data.models`. */
export const OwnModels = Schema.Array(ModelCardDraft).pipe(Schema.maxItems(maxOwnModels))

export const EmbeddingCardDraft = Schema.Struct({
  type: Schema.Literal("embedding_model"),
  name: lifecycle.name,
  aliases: Schema.optional(aliases),
  label: Schema.optional(lifecycle.label),
  status: Schema.optional(ModelStatus),
  deprecated_at: Schema.optional(day),
  dimensions: size,
  dimension_choices: Schema.optional(Schema.Array(size).pipe(Schema.maxItems(64))),
  max_input_tokens: size,
  max_inputs: Schema.optional(size),
  prices: Schema.optional(Schema.Struct({ input: price }))
})
export type EmbeddingCardDraft = typeof EmbeddingCardDraft.Type
