/** What is wrong with a value, by the path of each place: `oauth.client_id`. */
import { words } from "../words/words.ts"
import { fieldsOf, isObject, type Json, type JsonSchema, kindOf, tagOf } from "./Schema.ts"

const text = words.forms

const ofNumber = (schema: JsonSchema, value: Json, isInteger: boolean): string | undefined => {
  if (typeof value !== "number" || Number.isNaN(value)) return text.notNumber
  if (isInteger && !Number.isInteger(value)) return text.notInteger
  const { exclusiveMaximum, exclusiveMinimum, maximum, minimum } = schema
  if (minimum !== undefined && value < minimum) return text.tooSmall(minimum)
  if (maximum !== undefined && value > maximum) return text.tooLarge(maximum)
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) return text.notMoreThan(exclusiveMinimum)
  return exclusiveMaximum !== undefined && value >= exclusiveMaximum ? text.notLessThan(exclusiveMaximum) : undefined
}

/** A pattern comes from the server's own schemas; one that this browser cannot read refuses nothing. */
const matches = (pattern: string, value: string): boolean => {
  try {
    return new RegExp(pattern, "u").test(value)
  } catch {
    return true
  }
}

const ofText = (schema: JsonSchema, value: Json, isUrl: boolean): string | undefined => {
  if (typeof value !== "string") return text.notPattern
  const { maxLength, minLength, pattern } = schema
  if (minLength !== undefined && value.length < minLength) return text.tooShort(minLength)
  if (maxLength !== undefined && value.length > maxLength) return text.tooLong(maxLength)
  if (isUrl && !/^https?:\/\/\S+$/.test(value)) return text.notUrl
  return pattern !== undefined && !matches(pattern, value) ? text.notPattern : undefined
}

type Problems = Readonly<Record<string, string>>

const at = (path: string, problem: string | undefined): Problems => problem === undefined ? {} : { [path]: problem }

/** Nothing wrong gives an empty object. `kept` are secrets that the server has and may keep. */
export const problemsOf = (
  schema: JsonSchema,
  value: Json | undefined,
  kept: ReadonlySet<string> = new Set(),
  path = ""
): Problems => {
  const kind = kindOf(schema)
  if (value === undefined || value === null) return {}
  switch (kind) {
    case "integer":
    case "number":
      return at(path, ofNumber(schema, value, kind === "integer"))
    case "secret":
    case "text":
    case "textarea":
    case "url":
      return at(path, ofText(schema, value, kind === "url"))
    case "variants": {
      const tag = tagOf(schema) ?? ""
      const chosen = schema.oneOf?.find(({ properties }) => isObject(value) && properties?.[tag]?.const === value[tag])
      return chosen === undefined ? { [path]: text.required } : problemsOf(chosen, value, kept, path)
    }
    case "object": {
      const object = isObject(value) ? value : {}
      const required = new Set(schema.required)
      return Object.assign(
        {},
        ...fieldsOf(schema).map(([name, field]): Problems => {
          const place = path === "" ? name : `${path}.${name}`
          const inner = object[name]
          const isMissing = inner === undefined || inner === null || inner === ""
          return isMissing && required.has(name) && !kept.has(name)
            ? { [place]: text.required }
            : problemsOf(field, inner, kept, place)
        })
      )
    }
    default:
      return {}
  }
}
