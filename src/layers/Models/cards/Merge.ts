/**
 * What was written of a model, and its provider's parameters, as one card; and
 * whether parameters fit it. A later draft of the same model changes the one
 * before, field by field.
 */
import { Record } from "effect"
import type { FieldProblem } from "../../../domain/Errors.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { isObject, withoutEffect } from "../../../domain/JsonSchema.ts"
import { type ModelCard, type ModelCardDraft, thinkingType } from "../../../domain/Model.ts"

type Problem = typeof FieldProblem.Type

/** Of a JSON schema. */
export const propertiesOf = ({ properties }: JsonObject): Readonly<Record<string, JsonObject>> =>
  isObject(properties) ? properties as Readonly<Record<string, JsonObject>> : {}

export const merge = (before: ModelCardDraft | undefined, draft: ModelCardDraft): ModelCardDraft => ({
  ...before,
  ...draft,
  ...(before?.parameters_overrides !== undefined && {
    parameters_overrides: { ...before.parameters_overrides, ...draft.parameters_overrides }
  })
})

const isOfThinking = (parameter: string) => /^(thinking|reasoning)_/.test(parameter)

const capped = (property: JsonObject, most: number): JsonObject => {
  const { maximum } = property
  if (typeof maximum === "number" && maximum <= most) return property
  return { ...property, maximum: most, description: `a whole number from 1 to ${most}` }
}

/** The provider's schema without what the model does not take, and with what it takes otherwise. */
const schemaOf = (parameters: JsonObject, draft: ModelCardDraft): JsonObject => {
  const thinks = draft.output_types?.includes(thinkingType) !== false
  const properties: Record<string, JsonObject> = {}
  for (const [name, property] of Object.entries(propertiesOf(parameters))) {
    const override = draft.parameters_overrides?.[name]
    if (override === null || override?.["hidden"] === true || (!thinks && isOfThinking(name))) continue
    const own = name === "max_tokens" && draft.output_size !== undefined
      ? capped(property, draft.output_size)
      : property
    properties[name] = override === undefined ? own : { ...own, ...override }
  }
  const { required } = parameters
  return {
    ...parameters,
    properties,
    ...(Array.isArray(required) && { required: required.filter((name) => name in properties) })
  }
}

export const cardOf = (draft: ModelCardDraft, parameters: JsonObject): ModelCard => ({
  type: "chat_model",
  name: draft.name,
  label: draft.label ?? draft.name,
  status: draft.status ?? "active",
  deprecated_at: draft.deprecated_at ?? null,
  input_types: draft.input_types ?? ["text/plain"],
  output_types: draft.output_types ?? ["text/plain"],
  context_size: draft.context_size ?? null,
  output_size: draft.output_size ?? null,
  parameter_schema: schemaOf(parameters, draft),
  parameters_overrides: Record.map(draft.parameters_overrides ?? {}, (override) => override ?? { hidden: true }),
  structured_output: draft.structured_output ?? null,
  prices: draft.prices ?? null
})

const kinds = new Map<string, (value: unknown) => boolean>([
  ["string", (value) => typeof value === "string"],
  ["number", (value) => typeof value === "number"],
  ["integer", Number.isInteger],
  ["boolean", (value) => typeof value === "boolean"],
  ["array", Array.isArray],
  ["object", isObject]
])

/** What a JSON schema's plain keywords ask for and the value is not. */
const mismatch = (schema: JsonObject, value: unknown): string | undefined => {
  const limit = (keyword: string) => typeof schema[keyword] === "number" ? schema[keyword] : undefined
  const { const: only, enum: choices, type } = schema
  if (typeof type === "string" && kinds.get(type)?.(value) === false) {
    return `Expected ${/^[aio]/.test(type) ? "an" : "a"} ${type}.`
  }
  if (Array.isArray(choices) && !choices.includes(value)) return `Expected one of: ${choices.join(", ")}.`
  if (only !== undefined && value !== only) return `Expected ${JSON.stringify(only)}.`
  if (typeof value === "number") {
    const most = limit("maximum")
    const least = limit("minimum")
    if (most !== undefined && value > most) return `Expected at most ${most}.`
    if (least !== undefined && value < least) return `Expected at least ${least}.`
  }
  if (typeof value === "string" || Array.isArray(value)) {
    const [shortest, longest] = typeof value === "string" ? ["minLength", "maxLength"] : ["minItems", "maxItems"]
    const most = limit(longest!)
    const least = limit(shortest!)
    if (most !== undefined && value.length > most) return `Expected a length of at most ${most}.`
    if (least !== undefined && value.length < least) return `Expected a length of at least ${least}.`
  }
  return undefined
}

/** Whether to think can be said to every model; one that does not think has nothing to switch. */
const isSwitch = (name: string) => name === "thinking_enable"

/** The names of parameters that were given and do nothing. */
export const withoutEffectIn = (
  card: ModelCard | undefined,
  parameters: JsonObject,
  given: JsonObject
): ReadonlyArray<string> => {
  const common = propertiesOf(parameters)
  const own = card === undefined ? common : propertiesOf(card.parameter_schema)
  return Object.keys(given).filter((name) =>
    common[name] !== undefined && (common[name][withoutEffect] === true || (isSwitch(name) && own[name] === undefined))
  )
}

/** The parameters without the switch that the model does not have: the same object where there is nothing to take away. */
export const taken = (card: ModelCard | undefined, parameters: JsonObject, given: JsonObject): JsonObject => {
  const idle = withoutEffectIn(card, parameters, given)
  return idle.length === 0 ? given : Object.fromEntries(Object.entries(given).filter(([name]) => !idle.includes(name)))
}

/** What the model takes otherwise than its provider's others do, and was not given so. */
export const problemsOf = (card: ModelCard, parameters: JsonObject, given: JsonObject): ReadonlyArray<Problem> => {
  const common = propertiesOf(parameters)
  const own = propertiesOf(card.parameter_schema)
  return Object.entries(given).flatMap(([path, value]) => {
    if (!Object.hasOwn(common, path) || own[path] === common[path]) return []
    if (isSwitch(path) && own[path] === undefined) return []
    if (!Object.hasOwn(own, path) || own[path] === undefined) {
      return [{ path, message: "The model does not take this parameter." }]
    }
    const message = mismatch(own[path], value)
    return message === undefined ? [] : [{ path, message }]
  })
}
