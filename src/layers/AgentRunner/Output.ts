/** Reads an answer that must be JSON of a schema from the reply's last text, and checks it. */
import { Effect } from "effect"
import { heldIn } from "../../domain/AnswerObject.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import type { Message } from "../../domain/Message.ts"
import { valuesIn } from "../../domain/OutputSchema.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"
import { placesIn } from "./AnswerText.ts"
import * as SchemaCheck from "./SchemaCheck.ts"
import { CheckTooExpensive } from "./SchemaCheck.ts"

/** Longest answer, in characters, and deepest. */
export const maxAnswer = 1024 * 1024
export const maxDepth = 256

/** Most values of one answer that are held against the schema. */
const maxTries = 4

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
      if (depth > maxDepth) return { values, problem: `The answer is nested more than ${maxDepth} levels deep.` }
      for (const one of Object.values(value)) next.push([one, depth + 1])
    }
  }
  return { values, problem: undefined }
}

export type Checked =
  | { readonly value: unknown }
  /** The problem, in words for the model. */
  | { readonly problems: ReadonlyArray<string> }

const wrong = (problem: string): Effect.Effect<Checked> => Effect.succeed({ problems: [problem] })

const parsed = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return undefined
  }
}

/** Items that have to differ are compared each with each. */
const comparesAll = (schema: JsonObject) => JSON.stringify(schema).includes("\"uniqueItems\":true")

/** The value, if it is of the schema. A large check waits in its owner's queue. */
export const checkOne = (
  owner: UserId,
  schema: JsonObject,
  text: string,
  found: { readonly value: unknown }
): Effect.Effect<Checked, CheckTooExpensive> => {
  const { problem, values } = sizeOf(found.value)
  if (problem !== undefined) return wrong(problem)
  const steps = valuesIn(schema) * values * (comparesAll(schema) ? values : 1)
  const what: SchemaCheck.Check = { schema: checkable(schema) as JsonObject, value: found.value, text, steps }
  const checking = SchemaCheck.check(what)
  const inLine = SchemaCheck.isLittle(what) ?
    checking :
    Effect.flatMap(
      HeavyWork,
      ({ run }) =>
        Effect.catchTag(
          run(owner, "processor", checking),
          "HeavyWorkRefused",
          () => Effect.fail(new CheckTooExpensive())
        )
    )
  return Effect.map(inLine, (problems) => problems.length === 0 ? found : { problems })
}

/** The answer's JSON: the first of what may be it that is of the schema; else what is wrong with the likeliest. */
export const check = Effect.fnUntraced(function*(
  owner: UserId,
  schema: JsonObject,
  message: Pick<Message, "content">
): Effect.fn.Return<Checked, CheckTooExpensive> {
  let first: Checked | undefined
  let isTooLong = false
  let tries = 0
  for (const text of placesIn(message)) {
    if (text.length > maxAnswer) {
      isTooLong = true
      continue
    }
    const found = parsed(text)
    if (found === undefined) continue
    for (const value of heldIn(schema, found.value)) {
      const own = value === found.value ? text : JSON.stringify(value)
      const checked = yield* checkOne(owner, schema, own, { value })
      if ("value" in checked) return checked
      first ??= checked
    }
    if (++tries === maxTries) break
  }
  if (first !== undefined) return first
  return yield* wrong(
    isTooLong ? `The answer is longer than ${maxAnswer} characters.` : "The answer is not JSON."
  )
})
