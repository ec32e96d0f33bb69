/**
 * JSON schemas in the words of Google's: a part of OpenAPI's, without references, combinations and most formats.
 * https://ai.google.dev/api/caching#Schema
 */
import type { JsonObject } from "../../../domain/Json.ts"
import { isObject, targetOf } from "../../../domain/JsonSchema.ts"

/** Deepest schema; what lies deeper is any text. */
const maxDepth = 24

/** Most objects of a schema that are counted. */
const maxCounted = 4_000

/** The formats that it knows, by type. */
const formats: Readonly<Record<string, ReadonlyArray<string>>> = {
  string: ["enum", "date-time"],
  number: ["float", "double"],
  integer: ["int32", "int64"]
}

interface Walk {
  readonly whole: JsonObject
  /** References that are being written out. */
  readonly inside: ReadonlySet<unknown>
  readonly depth: number
  readonly left: { schemas: number }
}

const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const anything = { type: "string" } as const

/** The properties of both, and what else the second says. */
const both = (one: JsonObject, other: JsonObject): JsonObject => ({
  ...one,
  ...other,
  ...(isObject(one["properties"]) && isObject(other["properties"]) &&
    { properties: { ...one["properties"], ...other["properties"] } }),
  ...((one["required"] ?? other["required"]) !== undefined &&
    { required: [...new Set([...listOf(one["required"]), ...listOf(other["required"])])] })
})

/** A schema with its references and what it combines written out at its root. */
const flat = (schema: unknown, walk: Walk): readonly [JsonObject, Walk] => {
  if (!isObject(schema)) return [{}, walk]
  const { $ref, allOf, ...own } = schema
  let all: JsonObject = {}
  let inner = walk
  if ($ref !== undefined) {
    // One that contains itself has no end.
    if (walk.inside.has($ref)) return [{ type: "object", description: `Another ${String($ref)}` }, walk]
    inner = { ...walk, inside: new Set([...walk.inside, $ref]), depth: walk.depth + 1 }
    all = inner.depth > maxDepth ? {} : flat(targetOf(walk.whole, $ref), inner)[0]
  }
  for (const one of listOf(allOf)) {
    inner = { ...inner, depth: inner.depth + 1 }
    if (inner.depth <= maxDepth && walk.left.schemas-- > 0) all = both(all, flat(one, inner)[0])
  }
  return [both(all, own), inner]
}

const describe = (schema: JsonObject, more: string): string =>
  typeof schema["description"] === "string" && schema["description"] !== ""
    ? `${schema["description"]} (${more})`
    : more

const isShaped = (schema: unknown) =>
  isObject(schema) && ["type", "properties", "items", "enum", "const", "$ref", "anyOf", "oneOf", "allOf"]
    .some((name) => name in schema)

/** Its values are texts, or all of one other type. */
const enumOf = (values: ReadonlyArray<unknown>): JsonObject => {
  const isNullable = values.includes(null)
  const plain = values.filter((value) => ["string", "number", "boolean"].includes(typeof value) && value !== "")
  if (plain.length === 0) return isNullable ? { type: "null" } : anything
  const isText = plain.every((value) => typeof value === "string")
  const one: JsonObject = isText
    ? { type: "string", enum: plain }
    : plain.every((value) => typeof value === "boolean")
    ? { type: "boolean" }
    : plain.every((value) => typeof value === "number")
    ? { type: plain.every(Number.isInteger) ? "integer" : "number" }
    : { type: "string", enum: plain.map(String) }
  return isNullable ? { anyOf: [one, { type: "null" }] } : one
}

const objectOf = (schema: JsonObject, walk: Walk): JsonObject => {
  const properties = isObject(schema["properties"]) ? Object.entries(schema["properties"]) : []
  const required = listOf(schema["required"]).filter((name) => properties.some(([known]) => known === name))
  return {
    type: "object",
    ...(properties.length > 0 &&
      { properties: Object.fromEntries(properties.map(([name, one]) => [name, lower(one, walk)])) }),
    ...(required.length > 0 && { required })
  }
}

const arrayOf = ({ items, prefixItems }: JsonObject, walk: Walk): JsonObject => {
  const tuple = Array.isArray(items) ? items : listOf(prefixItems)
  const kinds = tuple.length > 0
    ? tuple.map((one) => lower(one, walk))
    : [items === undefined ? anything : lower(items, walk)]
  const distinct = [...new Map(kinds.map((kind) => [JSON.stringify(kind), kind])).values()]
  return { type: "array", items: distinct.length === 1 ? distinct[0] : { anyOf: distinct } }
}

const ofType = (type: unknown, schema: JsonObject, walk: Walk): JsonObject => {
  if (type === "object") return objectOf(schema, walk)
  if (type === "array") return arrayOf(schema, walk)
  const { format, minLength } = schema
  const isKnown = typeof type === "string" && formats[type]?.includes(String(format)) === true
  return { type, ...(isKnown && { format }), ...(type === "string" && minLength !== undefined && { minLength }) }
}

const typesOf = (schema: JsonObject): ReadonlyArray<unknown> => {
  const { type } = schema
  if (Array.isArray(type)) return type
  if (type !== undefined) return [type]
  if (schema["properties"] !== undefined) return ["object"]
  return schema["items"] !== undefined || schema["prefixItems"] !== undefined ? ["array"] : []
}

const shapeOf = (schema: JsonObject, walk: Walk): JsonObject => {
  const choices = [...listOf(schema["anyOf"]), ...listOf(schema["oneOf"])].filter(isShaped)
  if (choices.length > 0) {
    const { anyOf: _anyOf, description: _description, oneOf: _oneOf, ...rest } = schema
    // What stands beside a choice belongs to each of its objects.
    const isObjects = rest["properties"] !== undefined
    return { anyOf: choices.map((one) => lower(isObjects ? both(rest, flat(one, walk)[0]) : one, walk)) }
  }
  if (schema["const"] !== undefined) return enumOf([schema["const"]])
  if (Array.isArray(schema["enum"])) return enumOf(schema["enum"])
  const types = typesOf(schema)
  const kinds = types.map((type) => type === "null" ? { type } : ofType(type, schema, walk))
  const all = schema["nullable"] === true && !types.includes("null") ? [...kinds, { type: "null" }] : kinds
  return all.length === 0 ? anything : all.length === 1 ? all[0]! : { anyOf: all }
}

const lower = (given: unknown, outer: Walk): JsonObject => {
  if (!isObject(given) || outer.depth >= maxDepth || outer.left.schemas-- <= 0) return anything
  const [schema, walk] = flat(given, { ...outer, depth: outer.depth + 1 })
  const shape = shapeOf(schema, walk)
  const { format } = schema
  const isLost = typeof format === "string" && shape["format"] !== format && shape["anyOf"] === undefined
  const description = isLost ? describe(schema, format) : schema["description"]
  return typeof description === "string" && description !== "" ? { ...shape, description } : shape
}

/** How many objects and lists are in a schema, up to a bound. */
const sizeOf = (schema: JsonObject): number => {
  const open: Array<object> = [schema]
  let size = 0
  while (open.length > 0 && size++ < maxCounted) {
    for (const one of Object.values(open.pop()!)) if (typeof one === "object" && one !== null) open.push(one)
  }
  return size
}

/**
 * The same schema, or a wider one where it has no words for it. With its references written
 * out it has at most twice its own size and `more` schemas; what lies beyond is any text.
 */
export const googleSchema = (schema: JsonObject, more: number): JsonObject =>
  lower(schema, { whole: schema, inside: new Set(), depth: 0, left: { schemas: 2 * sizeOf(schema) + more } })
