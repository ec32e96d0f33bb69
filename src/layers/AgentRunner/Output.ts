/** Reads an answer that must be JSON of a schema from the reply's last text, and checks it. */
import { Effect } from "effect"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { type Message, textOf } from "../../domain/Message.ts"
import { valuesIn } from "../../domain/OutputSchema.ts"
import { HeavyWork } from "../../services/HeavyWork.ts"
import * as SchemaCheck from "./SchemaCheck.ts"
import { CheckTooExpensive } from "./SchemaCheck.ts"

/** Longest answer, in characters, and deepest. */
export const maxAnswer = 1024 * 1024
export const maxDepth = 256

/** Characters that take about as long as a value. */
const charactersPerValue = 16

/** A user's pattern could take the regular expression engine very long, so the model gets it and the check does not. */
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

/** The value of the reply's last text, if it is JSON of the schema. A large check waits in its owner's queue. */
export const check = (
  owner: UserId,
  schema: JsonObject,
  message: Message
): Effect.Effect<Checked, CheckTooExpensive> => {
  const text = answerIn(message)
  if (text.length > maxAnswer) return wrong(`The answer is longer than ${maxAnswer} characters.`)
  const found = parsed(text)
  if (found === undefined) return wrong("The answer is not JSON.")
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
