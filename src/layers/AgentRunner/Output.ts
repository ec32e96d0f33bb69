/** Answers that are to be JSON of a schema: read from the reply's last text, and checked. */
import { Effect } from "effect"
import type { JsonObject } from "../../domain/Json.ts"
import { type Message, textOf } from "../../domain/Message.ts"
import { valuesIn } from "../../domain/OutputSchema.ts"

/** Most values of the schema times most values of the answer: beyond it a check could hold up everybody. */
const maxWork = 10_000_000

/** Problems that a model is told of at a time, and the longest of them, in characters. */
const maxProblems = 10
const maxProblem = 300

/** What a user's pattern does to the engine is not known: the model gets it, the check does not. */
const unchecked = new Set(["pattern", "patternProperties", "format"])
const named = new Set(["properties", "$defs", "definitions", "dependentSchemas"])
const literal = new Set(["const", "enum", "default", "examples"])

const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

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

const countOf = (value: unknown): number =>
  typeof value === "object" && value !== null
    ? Object.values(value).reduce<number>((sum, one) => sum + countOf(one), 1)
    : 1

const fence = "```"
const language = "json"

/** The text since the last tool result or hint, without the fence that models like to put around JSON. */
export const answerIn = ({ content }: Message): string => {
  const before = content.findLastIndex(({ type }) => type === "tool_result" || type === "hint")
  const text = textOf(content.slice(before + 1)).trim()
  if (text.length < 2 * fence.length || !text.startsWith(fence) || !text.endsWith(fence)) return text
  const inside = text.slice(fence.length, -fence.length)
  return (inside.slice(0, language.length).toLowerCase() === language ? inside.slice(language.length) : inside).trim()
}

export type Checked =
  | { readonly value: unknown }
  /** In words for the model. */
  | { readonly problems: ReadonlyArray<string> }

const parsed = (text: string): Checked => {
  try {
    return { value: JSON.parse(text) as unknown }
  } catch {
    return { problems: ["The answer is not JSON."] }
  }
}

/** What the reply's last text says, if it is JSON of the schema. */
export const check = (schema: JsonObject, message: Message): Effect.Effect<Checked> => {
  const found = parsed(answerIn(message))
  if ("problems" in found) return Effect.succeed(found)
  if (countOf(found.value) * valuesIn(schema) > maxWork) {
    return Effect.succeed({ problems: ["The answer is too large to be checked."] })
  }
  return Effect.map(Effect.promise(() => import("@cfworker/json-schema")), ({ Validator }) => {
    const { errors, valid } = new Validator(checkable(schema) as JsonObject, "2020-12", false).validate(found.value)
    return valid ? found : {
      problems: errors.slice(0, maxProblems).map(({ error, instanceLocation }) =>
        `${instanceLocation}: ${error}`.slice(0, maxProblem)
      )
    }
  })
}
