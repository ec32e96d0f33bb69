/**
 * The form of an agent, made of the schema that decodes a new one: a field that
 * is added there is in the form, with its default, its bounds and its words.
 */
import { JSONSchema, Schema } from "effect"
import { AgentDraft } from "../domain/Agent.ts"
import type { JsonObject } from "../domain/Json.ts"
import { isObject } from "../domain/JsonSchema.ts"
import { fields } from "./api/FieldWords.ts"
import { alternativesOf, isDrawn } from "./FormSchema.ts"

/** Longest text for which one line is enough, in characters. */
const maxLine = 256

/** How the words of the answer stand: `max_iters` → `Max Iters`. */
const titleOf = (name: string) =>
  name.split("_").map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(" ")

/** Fields that no person fills in, and those for which a form would need to know what there is to choose from. */
const hidden = new Set(["summary_schema", "chat_model_config", "channels", "description"])

const prefix = "#/$defs/"

/** The schema with all that it refers to in its place. */
const inlined = (schema: JsonObject, named: JsonObject): JsonObject => {
  const { $ref, ...rest } = schema
  const target = typeof $ref === "string" && $ref.startsWith(prefix) ? named[$ref.slice(prefix.length)] : undefined
  // What stands beside a reference narrows it.
  const whole: JsonObject = isObject(target) ? { ...inlined(target, named), ...rest } : rest
  return Object.fromEntries(
    Object.entries(whole).map(([key, value]) => {
      if (Array.isArray(value)) return [key, value.map((one: unknown) => isObject(one) ? inlined(one, named) : one)]
      return [key, isObject(value) ? inlined(value, named) : value]
    })
  )
}

/** Null is taken everywhere and means the default; the form says so only where it is one. */
const withoutNull = (schema: JsonObject, byDefault: unknown): JsonObject => {
  const [only, ...others] = alternativesOf(schema) ?? []
  if (only === undefined || others.length > 0) return schema
  const inner = withoutNull(only, undefined)
  return byDefault === null ? { anyOf: [inner, { type: "null" }] } : inner
}

/** The library's own words for a bound. */
const unsaid = ({ description: _, title: __, ...schema }: JsonObject): JsonObject => schema

const areaOf = ({ maxLength = Infinity, type }: JsonObject): JsonObject =>
  type === "string" && Number(maxLength) > maxLine ? { format: "textarea" } : {}

const fieldOf = (name: string, where: string, given: JsonObject, byDefault: unknown): JsonObject => {
  const schema = unsaid(withoutNull(given, byDefault))
  const said = { title: titleOf(name), description: fields[`${where}.${name}`] ?? fields[name] }
  if (isObject(schema["properties"])) {
    const { additionalProperties: _, properties, ...rest } = schema
    const defaults = isObject(byDefault) ? byDefault : {}
    return { ...rest, ...said, properties: propertiesOf(properties as JsonObject, name, defaults) }
  }
  const alternatives = alternativesOf(schema)
  return {
    ...alternatives === undefined ? schema : { anyOf: [unsaid(alternatives[0]!), { type: "null" }] },
    ...areaOf(alternatives?.[0] ?? schema),
    ...said,
    ...byDefault !== undefined && { default: byDefault }
  }
}

/** The fields that a form can draw, and the sections that have such fields. */
const propertiesOf = (properties: JsonObject, where: string, defaults: JsonObject): JsonObject =>
  Object.fromEntries(
    Object.entries(properties).flatMap(([name, schema]) => {
      if (!isObject(schema) || hidden.has(name)) return []
      const field = fieldOf(name, where, schema, defaults[name])
      return isDrawn(field) || isObject(field["properties"]) ? [[name, field]] : []
    })
  )

/** What an agent is that nobody said more of than its name. */
const defaultsOf = (): JsonObject => {
  const { name: _, ...defaults } = Schema.decodeSync(AgentDraft)({ name: "-" })
  return defaults
}

const make = () => {
  const { $defs = {} } = JSONSchema.make(AgentDraft)
  const named = $defs as unknown as JsonObject
  const { properties } = inlined(named["AgentDraft"] as JsonObject, named)
  const all = propertiesOf(properties as JsonObject, "AgentDraft", defaultsOf())
  const { context_config, react_config } = all
  const identity = Object.fromEntries(Object.entries(all).filter(([, field]) => isObject(field) && isDrawn(field)))
  return {
    whole: { title: "Agent", type: "object", properties: all, required: ["name"] } as JsonObject,
    sections: {
      identity: { title: "Identity", type: "object", properties: identity, required: ["name"] } as JsonObject,
      context_config: context_config as JsonObject,
      react_config: react_config as JsonObject
    }
  }
}

let made: ReturnType<typeof make> | undefined

/** Made when it is first asked for: that takes longer than a request should at a server's start. */
export const agentForm = (): ReturnType<typeof make> => made ??= make()
