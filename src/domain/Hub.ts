/** Hubs: lists of MCP servers and skills that the operator offers, to search in and to install from. */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import { problem } from "./Errors.ts"
import { isObject } from "./JsonSchema.ts"
import type { LibraryCard } from "./LibraryCard.ts"
import { SkillName } from "./Skill.ts"

/** Cards of one kind in a hub. */
const maxCards = 10_000

const HubId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, {
    message: () => "Expected 1 to 64 letters, digits, dots, dashes and underscores"
  })
)

/** An id may have folders: `office/letters`. */
const CardId = Schema.String.pipe(
  Schema.maxLength(128),
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)*$/, {
    message: () => "Expected letters, digits, dots, dashes and underscores, with slashes in between"
  })
)

const text = (max: number) => Schema.String.pipe(Schema.maxLength(max))
const some = (max: number) => Schema.optionalWith(text(max), { default: () => "" })
const maybe = (max: number) => Schema.optionalWith(Schema.NullOr(text(max)), { default: () => null })

const ofEntry = {
  id: CardId,
  display_name: some(256),
  description: some(8 * 1024),
  tags: Schema.optionalWith(Schema.Array(text(64)).pipe(Schema.maxItems(32)), { default: () => [] }),
  version: maybe(64),
  updated_at: maybe(64),
  author: maybe(256),
  icon_url: maybe(4 * 1024),
  url: maybe(4 * 1024)
}

const SkillEntry = Schema.Struct({
  ...ofEntry,
  name: SkillName,
  markdown: some(256 * 1024),
  /** Where it is, from the list on: a folder or a zip archive. */
  source: text(1_024)
})
export type SkillEntry = typeof SkillEntry.Type

const JsonRecord = Schema.Record({ key: Schema.String, value: Schema.Unknown })

const McpEntry = Schema.Struct({
  ...ofEntry,
  name: text(64),
  readme: some(256 * 1024),
  is_stateful: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  inputs_schema: Schema.optionalWith(Schema.NullOr(JsonRecord), { default: () => null }),
  /** A configuration in which `${name}` stands for a value. */
  config_template: JsonRecord
})
export type McpEntry = typeof McpEntry.Type

/** What a hub's list says: `hub.yaml` or `hub.json` of a folder, or JSON at an address. */
export const HubIndex = Schema.Struct({
  hub_id: HubId,
  display_name: some(256),
  description: some(8 * 1024),
  icon_url: maybe(4 * 1024),
  skills: Schema.optionalWith(Schema.Array(SkillEntry).pipe(Schema.maxItems(maxCards)), { default: () => [] }),
  mcp: Schema.optionalWith(Schema.Array(McpEntry).pipe(Schema.maxItems(maxCards)), { default: () => [] })
})
export type HubIndex = typeof HubIndex.Type

export const HubView = Schema.Struct({
  hub_id: Schema.String,
  display_name: Schema.String,
  description: Schema.String,
  icon_url: Schema.NullOr(Schema.String)
}).annotations({ identifier: "Hub" })
export type HubView = typeof HubView.Type

const nullable = Schema.NullOr(Schema.String)

const ofCard = {
  hub_id: Schema.String,
  id: Schema.String,
  name: Schema.String,
  display_name: Schema.String,
  description: Schema.String,
  tags: Schema.Array(Schema.String),
  version: nullable,
  updated_at: nullable,
  author: nullable,
  icon_url: nullable,
  url: nullable,
  /** Hubs of this server do not count them. */
  installs: Schema.Null,
  downloads: Schema.Null
}

export const HubSkillCard = Schema.Struct({ ...ofCard, markdown: Schema.String }).annotations({
  identifier: "HubSkillCard"
})
export type HubSkillCard = typeof HubSkillCard.Type

export const HubMcpCard = Schema.Struct({
  ...ofCard,
  readme: Schema.String,
  is_stateful: Schema.Boolean,
  auth: Schema.Literal("none", "inputs"),
  inputs_schema: Schema.NullOr(JsonRecord),
  config_template: JsonRecord
}).annotations({ identifier: "HubMcpCard" })
export type HubMcpCard = typeof HubMcpCard.Type

const shared = (
  hub_id: string,
  { author, description, display_name, icon_url, id, name, tags, updated_at, url, version }: SkillEntry | McpEntry
) => ({
  hub_id,
  id,
  name,
  display_name: display_name === "" ? name : display_name,
  description,
  tags,
  version,
  updated_at,
  author,
  icon_url,
  url,
  installs: null,
  downloads: null
})

export const skillCardOf = (hub_id: string, entry: SkillEntry): HubSkillCard => ({
  ...shared(hub_id, entry),
  markdown: entry.markdown
})

export const mcpCardOf = (hub_id: string, entry: McpEntry): HubMcpCard => {
  const { config_template, inputs_schema, is_stateful, readme } = entry
  const properties = inputs_schema?.["properties"]
  const needs = isObject(properties) && Object.keys(properties).length > 0
  return {
    ...shared(hub_id, entry),
    readme,
    is_stateful,
    auth: needs ? "inputs" : "none",
    inputs_schema,
    config_template
  }
}

/** How what is installed presents itself in the library. */
export const libraryCardOf = (hub_id: string, entry: SkillEntry | McpEntry): LibraryCard => {
  const { author, description, display_name, icon_url, id, tags, url, version } = entry
  return { display_name, description, tags, author, icon_url, url, hub_id, card_id: id, version }
}

/** Whether the words are in what is said of it. */
export const mentions = (entry: SkillEntry | McpEntry, words: string): boolean => {
  const { description, display_name, id, name, tags } = entry
  const said = [id, name, display_name, description, ...tags].join("\n").toLowerCase()
  return words.toLowerCase().split(/\s+/).every((word) => said.includes(word))
}

/** The template with its values, and the names of those that are missing. */
export const filled = (
  template: unknown,
  values: Readonly<Record<string, string>>
): { readonly config: unknown; readonly missing: ReadonlyArray<string> } => {
  const missing = new Set<string>()
  const fill = (value: unknown): unknown => {
    if (typeof value === "string") {
      return value.replaceAll(/\$\{([A-Za-z0-9_]{1,64})\}/g, (_, name: string) => {
        if (Object.hasOwn(values, name)) return values[name]!
        missing.add(name)
        return ""
      })
    }
    if (Array.isArray(value)) return value.map(fill)
    return isObject(value) ? Object.fromEntries(Object.entries(value).map(([key, one]) => [key, fill(one)])) : value
  }
  return { config: fill(template), missing: [...missing] }
}

/** The hub could not be reached, or its list could not be understood. */
export class HubFailed extends Schema.TaggedError<HubFailed>()(
  "HubFailed",
  problem(502, "Bad Gateway", "hub_failed"),
  HttpApiSchema.annotations({ status: 502, description: "The hub could not be reached or understood." })
) {}
