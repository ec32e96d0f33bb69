/**
 * Forms that the server of a tool asks a person to fill in: flat fields. The schema of a form is the server's: it is read
 * within bounds, and only what is known of it is shown.
 */
import { Either, Schema } from "effect"
import type { JsonObject } from "./Json.ts"

/** Longest title or description of a field, in characters. */
const maxLine = 1_024

/** Fields of a form, and choices of a field. */
const maxFields = 32
const maxChoices = 100

/** Longest text that answers a field, in characters. */
const maxText = 8 * 1024

const line = Schema.String.pipe(Schema.maxLength(maxLine))
const about = { title: Schema.optional(line), description: Schema.optional(line) }
const size = Schema.NonNegativeInt

const choices = Schema.Array(line).pipe(Schema.minItems(1), Schema.maxItems(maxChoices))
const titled = Schema.Array(Schema.Struct({ const: line, title: line })).pipe(
  Schema.minItems(1),
  Schema.maxItems(maxChoices)
)

const Choice = Schema.Struct({
  type: Schema.Literal("string"),
  ...about,
  enum: choices,
  enumNames: Schema.optional(choices),
  default: Schema.optional(line)
})
const TitledChoice = Schema.Struct({
  type: Schema.Literal("string"),
  ...about,
  oneOf: titled,
  default: Schema.optional(line)
})
const Text = Schema.Struct({
  type: Schema.Literal("string"),
  ...about,
  minLength: Schema.optional(size),
  maxLength: Schema.optional(size),
  format: Schema.optional(Schema.Literal("email", "uri", "date", "date-time")),
  default: Schema.optional(Schema.String.pipe(Schema.maxLength(maxText)))
})
const Numeric = Schema.Struct({
  type: Schema.Literal("number", "integer"),
  ...about,
  minimum: Schema.optional(Schema.JsonNumber),
  maximum: Schema.optional(Schema.JsonNumber),
  default: Schema.optional(Schema.JsonNumber)
})
const Flag = Schema.Struct({ type: Schema.Literal("boolean"), ...about, default: Schema.optional(Schema.Boolean) })
const Choices = Schema.Struct({
  type: Schema.Literal("array"),
  ...about,
  minItems: Schema.optional(size),
  maxItems: Schema.optional(size),
  items: Schema.Union(
    Schema.Struct({ type: Schema.Literal("string"), enum: choices }),
    Schema.Struct({ anyOf: titled })
  ),
  default: Schema.optional(Schema.Array(line).pipe(Schema.maxItems(maxChoices)))
})

/** What a field takes. Choices come before texts, which would take them too. */
const Field = Schema.Union(Choice, TitledChoice, Text, Numeric, Flag, Choices)
export type ElicitationField = typeof Field.Type

export const ElicitationForm = Schema.Struct({
  type: Schema.Literal("object"),
  properties: Schema.Record({ key: Schema.String.pipe(Schema.maxLength(128)), value: Field }).pipe(
    Schema.filter((fields) =>
      (Object.keys(fields).length <= maxFields && !Object.hasOwn(fields, "__proto__")) ||
      `Expected at most ${maxFields} fields`
    )
  ),
  required: Schema.optional(Schema.Array(Schema.String.pipe(Schema.maxLength(128))).pipe(Schema.maxItems(maxFields)))
})
export type ElicitationForm = typeof ElicitationForm.Type

const isDate = (text: string) => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(`${text}T00:00:00Z`))
const isTime = (text: string) =>
  /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$/.test(text) && !Number.isNaN(Date.parse(text))

const formats: Readonly<Record<string, readonly [(text: string) => boolean, string]>> = {
  email: [(text) => text.length <= 320 && /^[^\s@]{1,64}@[^\s@]{1,255}$/.test(text), "an e-mail address"],
  uri: [(text) => URL.canParse(text), "an address"],
  date: [isDate, "a date such as 2026-01-31"],
  "date-time": [isTime, "a time such as 2026-01-31T10:00:00Z"]
}

const oneOf = (allowed: ReadonlyArray<string>) => `Expected one of ${allowed.slice(0, 10).join(", ")}`

/** What a field may be answered with; undefined where it is free. */
export const choicesOf = (field: ElicitationField): ReadonlyArray<string> | undefined => {
  if ("enum" in field) return field.enum
  if ("oneOf" in field) return field.oneOf.map((one) => one.const)
  if (field.type !== "array") return undefined
  return "enum" in field.items ? field.items.enum : field.items.anyOf.map((one) => one.const)
}

const textProblem = (field: typeof Text.Type, value: string): string | undefined => {
  if (value.length > maxText) return `Expected at most ${maxText} characters`
  if (field.minLength !== undefined && value.length < field.minLength) {
    return `Expected at least ${field.minLength} characters`
  }
  if (field.maxLength !== undefined && value.length > field.maxLength) {
    return `Expected at most ${field.maxLength} characters`
  }
  const format = field.format === undefined ? undefined : formats[field.format]
  return format === undefined || format[0](value) ? undefined : `Expected ${format[1]}`
}

const problemOf = (field: ElicitationField, value: unknown): string | undefined => {
  const allowed = choicesOf(field)
  switch (field.type) {
    case "string":
      if (typeof value !== "string") return "Expected a text"
      if (allowed !== undefined) return allowed.includes(value) ? undefined : oneOf(allowed)
      return textProblem(field as typeof Text.Type, value)
    case "boolean":
      return typeof value === "boolean" ? undefined : "Expected true or false"
    case "array": {
      if (!Array.isArray(value) || value.length > maxChoices) return "Expected a list"
      if (value.some((one) => typeof one !== "string" || allowed?.includes(one) !== true)) return oneOf(allowed ?? [])
      if (new Set(value).size !== value.length) return "Expected each of them once"
      if (field.minItems !== undefined && value.length < field.minItems) return `Expected at least ${field.minItems}`
      if (field.maxItems !== undefined && value.length > field.maxItems) return `Expected at most ${field.maxItems}`
      return undefined
    }
    default:
      if (typeof value !== "number" || !Number.isFinite(value)) return "Expected a number"
      if (field.type === "integer" && !Number.isInteger(value)) return "Expected a whole number"
      if (field.minimum !== undefined && value < field.minimum) return `Expected at least ${field.minimum}`
      return field.maximum !== undefined && value > field.maximum ? `Expected at most ${field.maximum}` : undefined
  }
}

export interface FieldProblem {
  readonly path: string
  readonly message: string
}

/** The answer to a form, with the defaults of what is left out; or what is wrong with it. */
export const contentOf = (
  { properties, required = [] }: ElicitationForm,
  given: JsonObject
): Either.Either<JsonObject, ReadonlyArray<FieldProblem>> => {
  const content: Record<string, JsonObject[string]> = {}
  const problems: Array<FieldProblem> = []
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(properties, name)) {
      problems.push({ path: `content.${name}`.slice(0, 256), message: "Expected a field of the form" })
    }
  }
  for (const [name, field] of Object.entries(properties)) {
    const value = Object.hasOwn(given, name) ? given[name] : field.default as JsonObject[string] | undefined
    if (value === undefined) {
      if (required.includes(name)) problems.push({ path: `content.${name}`, message: "Expected a value" })
      continue
    }
    const message = problemOf(field, value)
    if (message !== undefined) problems.push({ path: `content.${name}`, message })
    content[name] = value
  }
  return problems.length > 0 ? Either.left(problems.slice(0, maxFields)) : Either.right(content)
}
