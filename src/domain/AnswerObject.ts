/**
 * Answers of a schema whose root is not a plain object: one of several, or what a reference leads to. Providers take an
 * object alone, so the model is asked for one with the answer in its one property.
 */
import type { JsonObject } from "./Json.ts"
import { isObject } from "./JsonSchema.ts"

/** The property that holds the answer. */
const property = "value"

/** Keywords that some provider refuses at the root. */
const notAtRoot = ["$ref", "allOf", "anyOf", "oneOf", "not", "enum", "const", "if"]

/** Values of these are no schemas; these hold schemas by name, and stay at the root, where references look for them. */
const literal = new Set(["const", "enum", "default", "examples"])
const definitions = ["$defs", "definitions"]

/** Deepest schema that is rewritten; a deeper one is not taken for an answer. */
const maxDepth = 100

/** Whether answers of the schema are asked for in an object. */
export const isHeld = (schema: JsonObject): boolean => {
  const { type } = schema
  return (type !== undefined && type !== "object") || notAtRoot.some((keyword) => keyword in schema)
}

/** A place that is no path from the root, such as that of an anchor, moves with what it names. */
const moved = (reference: unknown): unknown =>
  typeof reference !== "string" || !/^#(\/|$)/.test(reference) ||
    definitions.some((name) => reference.startsWith(`#/${name}/`))
    ? reference
    : reference.replace(/^#/, `#/properties/${property}`)

const within = (schema: unknown, depth: number): unknown => {
  if (depth > maxDepth) return schema
  if (Array.isArray(schema)) return schema.map((one) => within(one, depth + 1))
  if (!isObject(schema)) return schema
  return Object.fromEntries(
    Object.entries(schema).map(([key, value]) => [
      key,
      key === "$ref" ? moved(value) : literal.has(key) ? value : within(value, depth + 1)
    ])
  )
}

const known = new WeakMap<JsonObject, JsonObject>()

/** The schema that the model is given: the same object for the same schema. */
export const holding = (schema: JsonObject): JsonObject => {
  if (!isHeld(schema)) return schema
  const before = known.get(schema)
  if (before !== undefined) return before
  const named = definitions.filter((name) => name in schema)
  const answer = Object.fromEntries(
    Object.entries(schema).filter(([key]) => !named.includes(key) && key !== "$schema" && key !== "$id")
  )
  const made: JsonObject = {
    type: "object",
    properties: { [property]: within(answer, 0) },
    required: [property],
    additionalProperties: false,
    ...Object.fromEntries(named.map((name) => [name, within(schema[name], 0)]))
  }
  known.set(schema, made)
  return made
}

/** What an answer may be: what the object holds, where it was asked for so, and the value itself. */
export const heldIn = (schema: JsonObject, value: unknown): ReadonlyArray<unknown> =>
  isHeld(schema) && isObject(value) && Object.keys(value).length === 1 && Object.hasOwn(value, property)
    ? [value[property], value]
    : [value]
