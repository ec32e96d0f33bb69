/** JSON schemas against which a model's answer can be checked in a bounded time. */
import { Schema } from "effect"
import { JsonObject } from "./Json.ts"
import { isObject, targetOf } from "./JsonSchema.ts"

/** Most values in a schema, counted again for each reference to them. */
export const maxValues = 2_000

/** Deepest schema with every reference written out. The check of an answer recurses as deep. */
export const maxDepth = 100

interface Size {
  readonly values: number
  readonly depth: number
}

const endless: Size = { values: Infinity, depth: Infinity }

/**
 * How many values the schema has when every reference is written out, and how deep it is; Infinity
 * when that has no end, or a reference leads out of the schema.
 */
export const sizeOf = (schema: JsonObject): Size => {
  const known = new Map<string, Size>()
  const inside = new Set<string>(["#"])
  const ofReference = (reference: unknown): Size => {
    if (typeof reference !== "string" || !/^#(\/|$)/.test(reference) || inside.has(reference)) return endless
    const before = known.get(reference)
    if (before !== undefined) return before
    const target = targetOf(schema, reference)
    if (target === undefined) return endless
    inside.add(reference)
    // The recursion is no deeper than the chain of references, which is bounded before it could fill the stack.
    const size = inside.size > maxDepth ? endless : of(target)
    inside.delete(reference)
    known.set(reference, size)
    return size
  }
  const of = (value: unknown): Size => {
    if (!isObject(value) && !Array.isArray(value)) return { values: 1, depth: 1 }
    let values = 1
    let depth = 0
    for (const [key, one] of Object.entries(value)) {
      const isNamed = isObject(value)
      const size = isNamed && key === "$ref" && !isObject(one)
        ? ofReference(one)
        : isNamed && (key === "$dynamicRef" || key === "$recursiveRef")
        ? endless
        : of(one)
      values += size.values
      depth = Math.max(depth, size.depth)
      if (values > maxValues) break
    }
    return { values, depth: depth + 1 }
  }
  return of(schema)
}

export const valuesIn = (schema: JsonObject): number => sizeOf(schema).values

const isBounded = (schema: JsonObject): boolean => {
  const { depth, values } = sizeOf(schema)
  return values <= maxValues && depth <= maxDepth
}

/** The answer is to be JSON of this schema. Its `pattern` and `format` are for the model; the server does not check them. */
export const OutputSchema = JsonObject.pipe(
  Schema.filter(isBounded, {
    message: () =>
      `Expected a JSON schema of at most ${maxValues} values and ${maxDepth} levels, whose references stay within it and do not come back to themselves`
  }),
  // Clients read the answer as an object.
  Schema.filter(({ type }) =>
    type === undefined || type === "object" ||
    { path: ["type"], message: "Expected \"object\": put a list or a text into a property of an object" }
  )
)
