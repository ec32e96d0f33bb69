/** JSON schemas that an answer can be checked against in a bounded time. */
import { Schema } from "effect"
import { JsonObject } from "./Json.ts"

/** Most values in a schema, counted again for each reference to them. */
const maxValues = 2_000

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const at = (root: unknown, pointer: string): unknown =>
  pointer.split("/").slice(1).reduce<unknown>((value, part) => {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")
    return (isObject(value) || Array.isArray(value)) && Object.hasOwn(value, key)
      ? (value as Record<string, unknown>)[key]
      : undefined
  }, root)

/**
 * How many values the schema has when every reference is written out; Infinity
 * when that has no end, or a reference leads out of the schema.
 */
export const valuesIn = (schema: JsonObject): number => {
  const known = new Map<string, number>()
  const inside = new Set<string>(["#"])
  const ofReference = (reference: unknown): number => {
    if (typeof reference !== "string" || !/^#(\/|$)/.test(reference) || inside.has(reference)) return Infinity
    const before = known.get(reference)
    if (before !== undefined) return before
    let target: unknown
    try {
      target = at(schema, reference.slice(1))
    } catch {
      return Infinity
    }
    if (target === undefined) return Infinity
    inside.add(reference)
    const values = of(target)
    inside.delete(reference)
    known.set(reference, values)
    return values
  }
  const of = (value: unknown): number => {
    if (Array.isArray(value)) return value.reduce<number>((sum, one) => sum + of(one), 1)
    if (!isObject(value)) return 1
    let sum = 1
    for (const [key, one] of Object.entries(value)) {
      if (key === "$ref" && !isObject(one)) sum += ofReference(one)
      else if (key === "$dynamicRef" || key === "$recursiveRef") return Infinity
      else sum += of(one)
      if (sum > maxValues) return sum
    }
    return sum
  }
  return of(schema)
}

/** The answer is to be JSON of this schema. Its `pattern` and `format` are for the model; the server does not check them. */
export const OutputSchema = JsonObject.pipe(
  Schema.filter((schema) => valuesIn(schema) <= maxValues, {
    message: () =>
      `Expected a JSON schema of at most ${maxValues} values, whose references stay within it and do not come back to themselves`
  })
)
