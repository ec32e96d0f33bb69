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
  parameters_overrides: JsonObject
}).annotations({ identifier: "ModelCard" })
export type ModelCard = typeof ModelCard.Type
