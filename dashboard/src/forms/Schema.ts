/** The part of JSON Schema that the server's forms are written in; what is beyond it is edited as JSON. */
export type Json = string | number | boolean | null | ReadonlyArray<Json> | { readonly [name: string]: Json }
export type JsonObject = Readonly<Record<string, Json>>

export interface JsonSchema {
  readonly type?: string | ReadonlyArray<string>
  readonly title?: string
  readonly description?: string
  readonly default?: Json
  readonly const?: Json
  readonly enum?: ReadonlyArray<Json>
  readonly format?: string
  readonly readOnly?: boolean
  readonly properties?: Readonly<Record<string, JsonSchema>>
  readonly required?: ReadonlyArray<string>
  readonly items?: JsonSchema
  readonly anyOf?: ReadonlyArray<JsonSchema>
  readonly oneOf?: ReadonlyArray<JsonSchema>
  readonly minimum?: number
  readonly maximum?: number
  readonly exclusiveMinimum?: number
  readonly exclusiveMaximum?: number
  readonly minLength?: number
  readonly maxLength?: number
  readonly pattern?: string
}

/** How a value is edited. */
export type Kind =
  | "array"
  | "boolean"
  | "enum"
  | "integer"
  | "json"
  | "number"
  | "object"
  | "secret"
  | "text"
  | "textarea"
  | "url"
  | "variants"

const isNull = (schema: JsonSchema) => schema.type === "null" || schema.const === null

/** The schema without the null that it also allows: nothing is what an empty field stands for. */
const withoutNull = (schema: JsonSchema): JsonSchema => {
  const { anyOf, ...rest } = schema
  const some = anyOf?.filter((one) => !isNull(one)) ?? []
  return some.length === 1 ? { ...some[0], ...rest } : schema
}

const scalars = new Set(["boolean", "integer", "number", "string"])

/** The property whose constant tells the variants of a `oneOf` apart. */
export const tagOf = ({ oneOf = [] }: JsonSchema): string | undefined =>
  Object.keys(oneOf[0]?.properties ?? {}).find((name) =>
    oneOf.every(({ properties }) => typeof properties?.[name]?.const === "string")
  )

const formats: Readonly<Record<string, Kind>> = { password: "secret", uri: "url", url: "url", textarea: "textarea" }

export const kindOf = (schema: JsonSchema): Kind => {
  if (schema.enum?.every((value) => typeof value === "string") === true) return "enum"
  if (schema.oneOf !== undefined) return tagOf(schema) === undefined ? "json" : "variants"
  if (schema.type === "boolean" || schema.type === "integer" || schema.type === "number") return schema.type
  if (schema.type === "string") return formats[schema.format ?? ""] ?? "text"
  if (schema.type === "object" && schema.properties !== undefined) return "object"
  const item = schema.type === "array" && schema.items !== undefined ? schema.items.type : undefined
  return typeof item === "string" && scalars.has(item) ? "array" : "json"
}

/** What a person may write of an object: not its constants, nor what only the server writes. */
export const fieldsOf = ({ properties = {} }: JsonSchema): ReadonlyArray<readonly [string, JsonSchema]> =>
  Object.entries(properties)
    .filter(([, { const: constant, readOnly }]) => constant === undefined && readOnly !== true)
    .map(([name, schema]) => [name, withoutNull(schema)])

/** The constants of an object, which a value of it always has. */
export const constantsOf = ({ properties = {} }: JsonSchema): JsonObject =>
  Object.fromEntries(
    Object.entries(properties).flatMap(([name, { const: constant }]) =>
      constant === undefined ? [] : [[name, constant]]
    )
  )

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** `max_iters` as a person would write it. */
export const labelOf = (name: string, { title }: JsonSchema): string => {
  const words = (title ?? name).replaceAll("_", " ").trim()
  // A title that was made of a name has a capital at each word.
  const isMade = title === undefined || words.split(" ").every((word) => /^[A-Z][a-z0-9]*$/.test(word))
  return isMade ? words.charAt(0).toUpperCase() + words.slice(1).toLowerCase() : words
}
