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

/** US dollars per million tokens; what is not named costs what `input` does. */
export const Prices = Schema.Struct({
  input: Schema.NonNegative,
  output: Schema.NonNegative,
  /** Of input that comes from the provider's cache. */
  cached_input: Schema.optional(Schema.NonNegative),
  /** Of input that goes into the provider's cache. */
  cache_write: Schema.optional(Schema.NonNegative)
}).annotations({ identifier: "Prices" })
export type Prices = typeof Prices.Type

/** What a model is and takes. Types are MIME types; sizes are tokens. */
export const ModelCard = Schema.Struct({
  type: Schema.Literal("chat_model"),
  name: Schema.String,
  label: Schema.String,
  status: Schema.Literal("active", "deprecated", "sunset"),
  deprecated_at: Schema.NullOr(Schema.String),
  input_types: Schema.Array(Schema.String),
  output_types: Schema.Array(Schema.String),
  context_size: Schema.Int,
  output_size: Schema.Int,
  /** JSON schema of `parameters`, the model's own changes merged in. */
  parameter_schema: JsonObject,
  parameters_overrides: JsonObject,
  /** Absent where they are not public. */
  prices: Schema.optional(Schema.NullOr(Prices))
}).annotations({ identifier: "ModelCard" })
export type ModelCard = typeof ModelCard.Type
