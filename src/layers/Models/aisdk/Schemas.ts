/** JSON schemas of tools in the form that providers take: an object at the root, in the words of the present draft. */
import type { JsonObject } from "../../../domain/Json.ts"
import { isObject, targetOf } from "../../../domain/JsonSchema.ts"
import type { Dialect } from "./Dialect.ts"

/** Deepest schema that is rewritten; what lies deeper stays as it is. */
const maxDepth = 64

/** Keywords whose values are no schemas, and those whose values are schemas by name. */
const values = new Set(["enum", "const", "default", "examples", "required"])
const named = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"])

/** What a later draft writes otherwise: tuples, and bounds that were switched on. */
const modern = (schema: unknown, depth = 0): unknown => {
  if (depth > maxDepth) return schema
  const below = (one: unknown) => modern(one, depth + 1)
  if (Array.isArray(schema)) return schema.map(below)
  if (!isObject(schema)) return schema
  const isTuple = Array.isArray(schema["items"])
  return Object.fromEntries(
    Object.entries(schema).flatMap(([name, value]): ReadonlyArray<readonly [string, unknown]> => {
      if (named.has(name) && isObject(value)) {
        return [[name, Object.fromEntries(Object.entries(value).map(([key, one]) => [key, below(one)]))]]
      }
      switch (name) {
        case "items":
          return [[isTuple ? "prefixItems" : name, below(value)]]
        case "additionalItems":
          return isTuple ? [["items", below(value)]] : []
        case "minimum":
        case "maximum":
          return schema[exclusive[name]] === true ? [[exclusive[name], value]] : [[name, value]]
        case "exclusiveMinimum":
        case "exclusiveMaximum":
          return typeof value === "boolean" ? [] : [[name, value]]
        case "required":
          return Array.isArray(value) ? [[name, value]] : []
        default:
          return [[name, values.has(name) ? value : below(value)]]
      }
    })
  )
}

const exclusive = { minimum: "exclusiveMinimum", maximum: "exclusiveMaximum" } as const

/** Most references and choices that are followed at the root. */
const maxRoot = 16

const listOf = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : []

const strings = (value: unknown): ReadonlyArray<string> =>
  listOf(value).filter((one): one is string => typeof one === "string")

/** Several schemas of one property: any of them. */
const either = (schemas: ReadonlyArray<unknown>): unknown => {
  const distinct = [...new Map(schemas.map((schema) => [JSON.stringify(schema), schema])).values()]
  return distinct.length === 1 ? distinct[0] : { anyOf: distinct }
}

interface Root {
  readonly properties: ReadonlyMap<string, ReadonlyArray<unknown>>
  readonly required: ReadonlySet<string>
}

/** The properties of a schema and of all that it refers to, combines or leaves to choose, at its root. */
const rootOf = (schema: unknown, whole: JsonObject, left: { steps: number }): Root => {
  const properties = new Map<string, Array<unknown>>()
  const required = new Set<string>()
  const add = (root: Root) => {
    for (const [name, schemas] of root.properties) {
      properties.set(name, [...properties.get(name) ?? [], ...schemas])
    }
  }
  if (isObject(schema) && left.steps-- > 0) {
    if (isObject(schema["properties"])) {
      for (const [name, property] of Object.entries(schema["properties"])) properties.set(name, [property])
    }
    for (const name of strings(schema["required"])) required.add(name)
    const all = [schema["$ref"] === undefined ? undefined : targetOf(whole, schema["$ref"]), ...listOf(schema["allOf"])]
    for (const one of all) {
      const root = rootOf(one, whole, left)
      add(root)
      for (const name of root.required) required.add(name)
    }
    for (const choice of [schema["anyOf"], schema["oneOf"]]) {
      const roots = listOf(choice).map((one) => rootOf(one, whole, left))
      for (const root of roots) add(root)
      const [first, ...others] = roots
      for (const name of first?.required ?? []) {
        if (others.every((other) => other.required.has(name))) required.add(name)
      }
    }
  }
  return { properties, required }
}

const combining = ["$ref", "allOf", "anyOf", "oneOf"]

/** An object with its properties at the root: no provider takes another one, and some no choice between several. */
const withRoot = (schema: JsonObject): JsonObject => {
  const {
    $id: _id,
    $schema: _schema,
    $ref: _ref,
    additionalProperties,
    allOf: _allOf,
    anyOf: _anyOf,
    const: _const,
    else: _else,
    enum: _enum,
    if: _if,
    not: _not,
    oneOf: _oneOf,
    required: _required,
    then: _then,
    ...rest
  } = schema
  const isCombined = combining.some((name) => name in schema)
  const root = rootOf(schema, schema, { steps: maxRoot })
  const required = [...root.required].filter((name) => root.properties.has(name))
  return {
    ...rest,
    type: "object",
    properties: Object.fromEntries([...root.properties].map(([name, schemas]) => [name, either(schemas)])),
    ...(required.length > 0 && { required }),
    // What each of several forbids beside itself would forbid the others.
    ...(additionalProperties !== undefined && !isCombined && { additionalProperties })
  }
}

/** Where an argument has a name that is not of the pattern, as in `properties.größe`. */
export const oddName = (schema: JsonObject, pattern: RegExp): string | undefined => {
  const open: Array<readonly [schema: unknown, path: string, depth: number]> = [[schema, "", 0]]
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [value, path, depth] = next
    if (!isObject(value) || depth > maxDepth) continue
    for (const [name, one] of Object.entries(isObject(value["properties"]) ? value["properties"] : {})) {
      if (!pattern.test(name)) return `${path}properties.${name}`
      open.push([one, `${path}properties.${name}.`, depth + 1])
    }
    if (value["items"] !== undefined) open.push([value["items"], `${path}items.`, depth + 1])
  }
  return undefined
}

/** A schema never changes, so each is rewritten once for each dialect. */
const once = (rewrite: (dialect: Dialect, schema: JsonObject, among: number) => JsonObject) => {
  const known = new WeakMap<Dialect, WeakMap<JsonObject, JsonObject>>()
  return (dialect: Dialect, schema: JsonObject, among = 1): JsonObject => {
    const own = known.get(dialect) ?? new WeakMap<JsonObject, JsonObject>()
    known.set(dialect, own)
    const before = own.get(schema)
    if (before !== undefined) return before
    const written = rewrite(dialect, schema, among)
    own.set(schema, written)
    return written
  }
}

const current = (schema: JsonObject): JsonObject => {
  const written = modern(schema)
  return isObject(written) ? written : {}
}

/** Most schemas by which all of a call's together grow, so that many tools take no longer than one. */
const maxGrowth = 5_000

/** The schema of an answer, as the provider takes it. */
export const schemaFor = once(({ schema: own }, schema) => own === undefined ? schema : own(schema, maxGrowth))

/** The schema of a tool's arguments, as the provider takes it. It is one `among` so many. */
export const parametersFor = once(({ schema: own }, schema, among) =>
  withRoot(own === undefined ? current(schema) : own(schema, Math.floor(maxGrowth / among)))
)
