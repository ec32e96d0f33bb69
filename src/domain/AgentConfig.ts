/**
 * What a user has told a personal agent: instructions, and the values that its `setup_schema` asks for. The record has the
 * id of the user's record of the agent, and goes with it.
 */
import { Schema } from "effect"
import { AgentId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import { isObject, targetOf } from "./JsonSchema.ts"

/** Longest instructions of a user, in characters, and longest configuration, in characters of JSON. */
export const maxInstructions = 4_000
export const maxConfig = 64 * 1024

/** The field of a configuration that no schema describes. */
export const instructionsField = "instructions"

/** What is shown of a secret; whoever sends it back keeps the secret. */
export const hidden = "***"

export const AgentConfig = Schema.Struct({
  id: AgentId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  instructions: Schema.String,
  /** Values that may be shown. */
  values: JsonObject,
  /** The names of those that may not; their values are sealed. */
  secrets: Schema.Array(Schema.String),
  sealed: Schema.NullOr(Schema.String),
  /** What the schema was that it was checked against, as a hash. */
  checked: Schema.String
})
export interface AgentConfig extends Schema.Schema.Type<typeof AgentConfig> {}

/** What a personal agent works with. Its secrets are for its tools alone. */
export interface OpenConfig {
  readonly instructions: string
  readonly values: JsonObject
  readonly secrets: JsonObject
}

/** The fields that a setup schema asks for. */
export const fieldsOf = ({ properties }: JsonObject): JsonObject => isObject(properties) ? properties : {}

/** Whether something in a field is secret. References of a setup schema stay within it and come to an end. */
const isSensitive = (schema: JsonObject, part: unknown): boolean =>
  Array.isArray(part)
    ? part.some((one) => isSensitive(schema, one))
    : isObject(part) && (
      part["sensitive"] === true || isSensitive(schema, targetOf(schema, part["$ref"])) ||
      Object.values(part).some((one) => isSensitive(schema, one))
    )

/** The fields that are never shown: a field of which a part is secret is secret as a whole. */
export const sensitiveIn = (schema: JsonObject): ReadonlySet<string> =>
  new Set(Object.entries(fieldsOf(schema)).flatMap(([name, field]) => isSensitive(schema, field) ? [name] : []))
