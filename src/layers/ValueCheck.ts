/** Holds a value against a JSON schema of at most so many steps at once, and a large one in its owner's queue. */
import { Effect } from "effect"
import type { UserId } from "../domain/Ids.ts"
import type { JsonObject } from "../domain/Json.ts"
import { isObject } from "../domain/JsonSchema.ts"
import { valuesIn } from "../domain/OutputSchema.ts"
import { HeavyWork } from "../services/HeavyWork.ts"
import * as SchemaCheck from "./SchemaCheck.ts"
import { CheckTooExpensive } from "./SchemaCheck.ts"

/** Deepest value. */
export const maxDepth = 256

/** Characters that take about as long as a value. */
const charactersPerValue = 16

/** A user's pattern could take the regular expression engine very long, so the model gets it and the check does not. */
const unchecked = new Set(["pattern", "patternProperties", "format"])
const named = new Set(["properties", "$defs", "definitions", "dependentSchemas"])
const literal = new Set(["const", "enum", "default", "examples"])

const checkable = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(checkable)
  if (!isObject(schema)) return schema
  const open = "patternProperties" in schema
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) => {
      if (unchecked.has(key)) return []
      if (open && (key === "additionalProperties" || key === "unevaluatedProperties")) return []
      if (literal.has(key)) return [[key, value]]
      if (!named.has(key) || !isObject(value)) return [[key, checkable(value)]]
      return [[key, Object.fromEntries(Object.entries(value).map(([name, one]) => [name, checkable(one)]))]]
    })
  )
}

interface Size {
  /** Values, with a long text counted as several. */
  readonly values: number
  readonly problem: string | undefined
}

/** Looks at every value once, without calling itself: an answer may be nested as deep as it is long. */
const sizeOf = (root: unknown): Size => {
  const next: Array<readonly [unknown, number]> = [[root, 1]]
  let values = 0
  for (let at = next.pop(); at !== undefined; at = next.pop()) {
    const [value, depth] = at
    values++
    if (typeof value === "string") values += value.length / charactersPerValue
    // JSON can hold 1e999, which could not be stored.
    else if (typeof value === "number" && !Number.isFinite(value)) return { values, problem: "A number is too large." }
    else if (typeof value === "object" && value !== null) {
      if (depth > maxDepth) return { values, problem: `It is nested more than ${maxDepth} levels deep.` }
      for (const one of Object.values(value)) next.push([one, depth + 1])
    }
  }
  return { values, problem: undefined }
}

/** Items that have to differ are compared each with each. */
const comparesAll = (schema: JsonObject) => JSON.stringify(schema).includes("\"uniqueItems\":true")

interface Held {
  readonly noun: string
  readonly schema: JsonObject
  readonly value: unknown
  /** The same as JSON. */
  readonly text: string
}

/** What is wrong with the value, in words; nothing when it is of the schema. A large check waits in its owner's queue. */
export const problemsIn = (
  owner: UserId,
  { noun, schema, text, value }: Held
): Effect.Effect<ReadonlyArray<string>, CheckTooExpensive> => {
  const { problem, values } = sizeOf(value)
  if (problem !== undefined) return Effect.succeed([problem])
  const steps = valuesIn(schema) * values * (comparesAll(schema) ? values : 1)
  const what: SchemaCheck.Check = { noun, schema: checkable(schema) as JsonObject, value, text, steps }
  const checking = SchemaCheck.check(what)
  if (SchemaCheck.isLittle(what)) return checking
  return Effect.flatMap(
    HeavyWork,
    ({ run }) => Effect.catchTag(run(owner, "processor", checking), "HeavyWorkRefused", () => new CheckTooExpensive())
  )
}
