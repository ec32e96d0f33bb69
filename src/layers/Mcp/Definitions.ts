/** Tools as a server lists them, brought within bounds: what a model or a person is shown of them, and what is approved. */
import { createHash } from "node:crypto"
import type { JsonObject } from "../../domain/Json.ts"
import { isObject, maxDeclared, problemIn } from "../../domain/JsonSchema.ts"
import {
  maxDefinitions,
  maxMcpTools,
  maxToolDescription,
  maxToolName,
  maxToolSchema,
  type McpToolDefinition
} from "../../domain/McpTool.ts"

/** What a server says of one tool. */
export interface Listed {
  readonly name: string
  readonly description?: string | undefined
  readonly inputSchema: unknown
}

/** Providers and databases take neither half a character nor a zero. */
const plain = (text: string): string => text.toWellFormed().replaceAll("\0", "\ufffd")

/** The same value with other texts in it. Its depth is bounded by whoever parsed it. */
const cleaned = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(cleaned)
  if (!isObject(value)) return typeof value === "string" ? plain(value) : value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [plain(key), cleaned(one)]))
}

/** The order of fields means nothing. */
const sorted = (value: unknown): unknown => {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.keys(value).toSorted().map((key) => [key, sorted(value[key])]))
}

const digestOf = (name: string, description: string, parameters: JsonObject): string =>
  createHash("sha256").update(JSON.stringify([name, description, sorted(parameters)])).digest("hex")

/** A tool that cannot be given to a model is left out: a name that is no name, arguments that no provider takes. */
export const definitionsOf = (listed: ReadonlyArray<Listed>): ReadonlyArray<McpToolDefinition> => {
  const found = new Map<string, McpToolDefinition>()
  const left = { schemas: maxDeclared }
  let room = maxDefinitions
  for (const tool of listed) {
    if (found.size >= maxMcpTools) break
    const name = plain(tool.name)
    if (name === "" || name.length > maxToolName || name === "__proto__" || found.has(name)) continue
    if (!isObject(tool.inputSchema)) continue
    const { $schema: _, ...schema } = cleaned(tool.inputSchema) as JsonObject
    const size = JSON.stringify(schema).length
    if (size > maxToolSchema || problemIn(schema, left) !== undefined) continue
    const description = plain((tool.description ?? "").slice(0, maxToolDescription))
    room -= size + description.length + name.length
    if (room < 0) break
    found.set(name, { name, description, parameters: schema, digest: digestOf(name, description, schema) })
  }
  return [...found.values()]
}
