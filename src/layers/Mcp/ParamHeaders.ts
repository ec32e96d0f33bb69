/**
 * Arguments that a tool wants in headers beside its body, `x-mcp-header` (revision 2026-07-28). The official client sends
 * them, and leaves it to us to leave out tools that ask for it in a way that is not allowed.
 */
import { isObject } from "../../domain/JsonSchema.ts"

const mark = "x-mcp-header"

/** RFC 9110, section 5.1. */
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const types: ReadonlySet<unknown> = new Set(["string", "integer", "boolean"])

/** Values, in which nothing is declared. */
const data: ReadonlySet<string> = new Set(["const", "default", "enum", "examples"])

/** Only properties have headers, each of its own name. The depth is bounded by whoever parsed it. */
export const areHeadersGood = (schema: unknown): boolean => {
  const seen = new Set<string>()
  const isGood = (node: unknown, isProperty: boolean, isReachable: boolean): boolean => {
    if (Array.isArray(node)) return node.every((one) => isGood(one, false, false))
    if (!isObject(node)) return true
    if (Object.hasOwn(node, mark)) {
      const name = node[mark]
      if (!isProperty || !isReachable || typeof name !== "string" || !token.test(name)) return false
      if (!types.has(node["type"]) || seen.has(name.toLowerCase())) return false
      seen.add(name.toLowerCase())
    }
    return Object.entries(node).every(([key, value]) => {
      if (key === mark || data.has(key)) return true
      if (key === "properties" && isObject(value)) {
        return Object.values(value).every((one) => isGood(one, true, isReachable))
      }
      return isObject(value) || Array.isArray(value) ? isGood(value, false, false) : true
    })
  }
  return isGood(schema, false, true)
}
