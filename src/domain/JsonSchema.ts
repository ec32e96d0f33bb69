/** What JSON schemas from outside may hold, and where one does not. */
import type { JsonObject } from "./Json.ts"

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Marks a parameter that is accepted, because clients of other servers send it, and that does nothing. */
export const withoutEffect = "x-without-effect"

const at = (root: unknown, pointer: string): unknown =>
  pointer.split("/").slice(1).reduce<unknown>((value, part) => {
    const key = decodeURIComponent(part).replaceAll("~1", "/").replaceAll("~0", "~")
    return (isObject(value) || Array.isArray(value)) && Object.hasOwn(value, key)
      ? (value as Record<string, unknown>)[key]
      : undefined
  }, root)

/** What a reference within the schema stands for; undefined when it leads nowhere, or out of the schema. */
export const targetOf = (schema: JsonObject, reference: unknown): unknown => {
  if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) return undefined
  try {
    return at(schema, reference.slice(1))
  } catch {
    // Not a name that can be decoded.
    return undefined
  }
}

export interface SchemaProblem {
  /** Dotted: `properties.city.type`. */
  readonly path: string
  readonly message: string
}

const types = new Set(["object", "array", "string", "number", "integer", "boolean", "null"])

/** Keywords that hold one schema, several, or named ones. */
const single = ["additionalProperties", "additionalItems", "contains", "propertyNames", "not", "if", "then", "else"]
const several = ["allOf", "anyOf", "oneOf", "prefixItems"]
const named = ["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]

/** Deepest schema of a tool's arguments, and most schemas in it. */
const maxDepth = 64
const maxSchemas = 2_000

/** Most schemas in all tools that are declared at once: each takes a few microseconds to look at. */
export const maxDeclared = 4_000

interface Place {
  readonly schema: unknown
  readonly path: string
  readonly depth: number
}

const isType = (type: unknown) => typeof type === "string" && types.has(type)

/** What is wrong with one schema itself, and the schemas in it. */
const look = ({ depth, path, schema }: Place, whole: JsonObject): SchemaProblem | ReadonlyArray<Place> => {
  const below = (name: string | number) => path === "" ? `${name}` : `${path}.${name}`
  if (typeof schema === "boolean") return []
  if (!isObject(schema)) return { path, message: "Expected a JSON schema" }
  if (depth > maxDepth) return { path, message: `Expected at most ${maxDepth} levels` }
  const { $ref, items, required, type } = schema
  if (type !== undefined && !(Array.isArray(type) ? type.length > 0 && type.every(isType) : isType(type))) {
    return { path: below("type"), message: `Expected one of ${[...types].join(", ")}` }
  }
  if ($ref !== undefined && targetOf(whole, $ref) === undefined) {
    return { path: below("$ref"), message: "Expected a reference to a place within the schema" }
  }
  if (required !== undefined && typeof required !== "boolean" && !Array.isArray(required)) {
    return { path: below("required"), message: "Expected the names of properties" }
  }
  if (schema["enum"] !== undefined && !(Array.isArray(schema["enum"]) && schema["enum"].length > 0)) {
    return { path: below("enum"), message: "Expected a list of values" }
  }
  const inside: Array<Place> = []
  const add = (one: unknown, name: string) => void inside.push({ schema: one, path: below(name), depth: depth + 1 })
  for (const name of single) if (schema[name] !== undefined) add(schema[name], name)
  if (items !== undefined) {
    if (Array.isArray(items)) items.forEach((one: unknown, n) => add(one, `items.${n}`))
    else add(items, "items")
  }
  for (const name of several) {
    const list = schema[name]
    if (list === undefined) continue
    if (!Array.isArray(list) || list.length === 0) return { path: below(name), message: "Expected a list of schemas" }
    list.forEach((one: unknown, n) => add(one, `${name}.${n}`))
  }
  for (const name of named) {
    const map = schema[name]
    if (map === undefined) continue
    if (!isObject(map)) return { path: below(name), message: "Expected schemas by name" }
    const entries = Object.entries(map)
    if (entries.length > maxSchemas) return { path: below(name), message: `Expected at most ${maxSchemas} schemas` }
    for (const [key, one] of entries) add(one, `${name}.${key}`)
  }
  return inside
}

/** The first thing in the schema of a tool's arguments that no provider takes. What it looks at is taken from what is `left`. */
export const problemIn = (schema: JsonObject, left = { schemas: maxDeclared }): SchemaProblem | undefined => {
  const { type } = schema
  if (type !== undefined && type !== "object" && !(Array.isArray(type) && type.includes("object"))) {
    return { path: "type", message: "Expected object: arguments have names" }
  }
  const open: Array<Place> = [{ schema, path: "", depth: 0 }]
  for (let seen = 0; open.length > 0; seen++) {
    if (seen > maxSchemas) return { path: "", message: `Expected at most ${maxSchemas} schemas` }
    if (left.schemas-- <= 0) return { path: "", message: `Expected at most ${maxDeclared} schemas in all tools` }
    const found = look(open.pop()!, schema)
    if ("message" in found) return found
    for (const place of found) open.push(place)
  }
  return undefined
}
