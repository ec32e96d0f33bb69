/** Which JSON schemas a provider can hold a model to by the letter. */
import { isObject } from "../../../domain/JsonSchema.ts"

/** Deepest schema that is looked through. */
const maxDepth = 32

/** Whether all objects in it are closed and require all their properties, as OpenAI's strict mode asks. */
export const isStrict = (schema: unknown, depth = 0): boolean => {
  if (depth > maxDepth) return false
  if (Array.isArray(schema)) return schema.every((one) => isStrict(one, depth + 1))
  if (!isObject(schema)) return true
  const { additionalProperties, properties, required, type } = schema
  if (type === "object" || isObject(properties)) {
    const names = isObject(properties) ? Object.keys(properties) : []
    const needed = Array.isArray(required) ? new Set<unknown>(required) : new Set()
    if (additionalProperties !== false || !names.every((name) => needed.has(name))) return false
  }
  return Object.values(schema).every((value) => isStrict(value, depth + 1))
}
