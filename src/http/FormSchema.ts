/**
 * JSON schemas from which clients draw forms. A form knows text, numbers,
 * switches and choices; `properties` has only those, so that nobody is shown a
 * text box for a list. The others stand in `patternProperties`, each under a
 * pattern that only its own name fits: the schema accepts what it did before.
 */
import type { JsonObject } from "../domain/Json.ts"
import { isObject, withoutEffect } from "../domain/JsonSchema.ts"

const scalars = new Set<unknown>(["string", "number", "integer", "boolean"])

/** What of a choice is not null. */
export const alternativesOf = ({ anyOf }: JsonObject): ReadonlyArray<JsonObject> | undefined =>
  Array.isArray(anyOf) ? anyOf.filter(isObject).filter(({ type }) => type !== "null") : undefined

/** Whether a form can draw a property. One without an effect is no part of a form. */
export const isDrawn = (schema: JsonObject): boolean => {
  if (schema[withoutEffect] === true) return false
  const alternatives = alternativesOf(schema)
  const [first] = alternatives ?? []
  return alternatives === undefined
    ? scalars.has(schema["type"])
    : alternatives.length === 1 && first !== undefined && isDrawn(first)
}

/** Digits as a form sends them for a whole number, few enough to be one exactly. */
const digits = /^\s*-?\d{1,15}\s*$/

/** What a form of this schema sent, with numbers where it has text for whole numbers. */
export const withNumbers = (sent: JsonObject, schema: JsonObject | undefined): JsonObject => {
  const properties = schema?.["properties"]
  if (!isObject(properties)) return sent
  return Object.fromEntries(
    Object.entries(sent).map(([name, value]) => {
      const property = Object.hasOwn(properties, name) ? properties[name] : undefined
      const isWhole = isObject(property) && property["type"] === "integer"
      return [name, isWhole && typeof value === "string" && digits.test(value) ? Number(value) : value]
    })
  )
}

/** The names of properties are plain words, but a word with a sign of a pattern in it must still mean itself. */
const only = (name: string) => `^${name.replaceAll(/[^A-Za-z0-9_]/g, "\\$&")}$`

const moved = new WeakMap<JsonObject, JsonObject>()

/** The schema as a form is drawn of it. A schema never changes, so each is looked at once. */
export const formOf = (schema: JsonObject): JsonObject => {
  const before = moved.get(schema)
  if (before !== undefined) return before
  const { patternProperties, properties, ...rest } = schema
  const all = Object.entries(isObject(properties) ? properties : {})
  const others = all.filter(([, property]) => !isObject(property) || !isDrawn(property))
  const form = {
    ...rest,
    properties: Object.fromEntries(all.filter(([, property]) => isObject(property) && isDrawn(property))),
    ...(others.length > 0 || isObject(patternProperties)) && {
      patternProperties: {
        ...isObject(patternProperties) && patternProperties,
        ...Object.fromEntries(others.map(([name, property]) => [only(name), property]))
      }
    }
  }
  moved.set(schema, form)
  return form
}
