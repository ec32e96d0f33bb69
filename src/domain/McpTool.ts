/** Tools of MCP servers as they are approved and offered. A tool that is no longer what was approved is disabled. */
import { Schema } from "effect"
import { JsonObject } from "./Json.ts"

/** Most tools of one server that are looked at; what comes after them is left out. */
export const maxMcpTools = 128

/** Longest name of a tool and longest description, in characters, and longest JSON schema of its arguments, in characters of JSON. */
export const maxToolName = 128
export const maxToolDescription = 8 * 1024
export const maxToolSchema = 32 * 1024

/** Most characters that the definitions of one server have together. */
export const maxDefinitions = 512 * 1024

/** A tool as its server describes it, within bounds. */
export const McpToolDefinition = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  /** JSON schema of the arguments. */
  parameters: JsonObject,
  /** Names these very words: hexadecimal SHA-256 of name, description and parameters. */
  digest: Schema.String
}).annotations({ identifier: "McpToolDefinition" })
export type McpToolDefinition = typeof McpToolDefinition.Type

/** What a server offers that is not what was approved. */
export const McpToolChange = Schema.Struct({
  name: Schema.String,
  change: Schema.Literal("added", "changed", "removed"),
  /** As it was approved; null for one that is new. */
  before: Schema.NullOr(McpToolDefinition),
  /** As it is offered now; null for one that is gone. */
  after: Schema.NullOr(McpToolDefinition)
}).annotations({ identifier: "McpToolChange" })
export type McpToolChange = typeof McpToolChange.Type

type Definitions = ReadonlyArray<McpToolDefinition>

const byName = (definitions: Definitions) => new Map(definitions.map((one) => [one.name, one]))

/** By name: the server's order means nothing. */
export const changesOf = (approved: Definitions, offered: Definitions): ReadonlyArray<McpToolChange> => {
  const before = byName(approved)
  const after = byName(offered)
  return [...new Set([...before.keys(), ...after.keys()])].toSorted().flatMap((name) => {
    const [was, is] = [before.get(name) ?? null, after.get(name) ?? null]
    if (was?.digest === is?.digest) return []
    return [{ name, change: was === null ? "added" : is === null ? "removed" : "changed", before: was, after: is }]
  })
}

/** The approved tools that are still what they were when they were approved. */
export const unchanged = (approved: Definitions, offered: Definitions | null): Definitions => {
  if (offered === null) return approved
  const now = byName(offered)
  return approved.filter(({ digest, name }) => now.get(name)?.digest === digest)
}

/** What is approved when a person says yes to the digests of these tools; others stay as they were. Removed ones go. */
export const approve = (
  approved: Definitions,
  offered: Definitions,
  digests: Readonly<Record<string, string>>
): Definitions => {
  const before = byName(approved)
  return offered.flatMap((one) => {
    const isMeant = Object.hasOwn(digests, one.name) && digests[one.name] === one.digest
    const was = before.get(one.name)
    return isMeant ? [one] : was === undefined ? [] : [was]
  })
}
