/**
 * MCP servers: programs and addresses that lend agents their tools. A server stands in a workspace, where its
 * agents have it, or in a tenant's library, from which it can be put into workspaces.
 */
import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import { problem } from "./Errors.ts"
import { McpServerId, Timestamp, UserId } from "./Ids.ts"
import { LibraryCard } from "./LibraryCard.ts"
import { McpAuthorizationStatus } from "./McpAuthorization.ts"
import {
  configView,
  few,
  headerValue,
  maxUrl,
  maybe,
  McpConfigInput,
  McpConfigView,
  StoredMcpConfig,
  timeout
} from "./McpConfig.ts"
import { McpToolChange, McpToolDefinition } from "./McpTool.ts"

/** Most servers of one workspace and of one library, and most that run as programs in one workspace. */
export const maxServersOfWorkspace = 32
export const maxServersOfLibrary = 64
export const maxProgramsOfWorkspace = 4

/** Most names in a list that allows or denies tools. */
const maxNames = 256

const McpServerName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$/, {
    message: () => "Expected 1 to 64 letters, digits, blanks, dots, dashes or underscores, a letter or digit first"
  })
)

const Names = Schema.NullOr(Schema.Array(Schema.String))

export const McpServer = Schema.Struct({
  id: McpServerId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  name: Schema.String,
  /** The key of its workspace; empty in the library. */
  workspace: Schema.String,
  /** The server of a library that this one stands for; then it has no configuration of its own. */
  library_id: Schema.NullOr(McpServerId),
  /** An admin lends it to all tenants. */
  shared: Schema.Boolean,
  enabled: Schema.Boolean,
  is_stateful: Schema.Boolean,
  config: Schema.NullOr(StoredMcpConfig),
  /** `McpSecrets` as sealed JSON; null when there are none. */
  sealed: Schema.NullOr(Schema.String),
  /** Names of the tools that agents have; null is all. */
  enable_tools: Names,
  /** Names of tools that agents do not have. */
  disable_tools: Names,
  /** Longest time for one call, in seconds; null is the usual one. */
  execution_timeout: Schema.NullOr(Schema.Number),
  /** The tools as a person has approved them; agents have no others. */
  approved: Schema.Array(McpToolDefinition),
  /** The tools as the server has offered them last, where that is not what was approved. */
  offered: Schema.NullOr(Schema.Array(McpToolDefinition)),
  /** It has never listed its tools, since it waits for an authorization: those of the first list are approved. */
  unseen: Schema.optional(Schema.Boolean),
  card: LibraryCard
})
export interface McpServer extends Schema.Schema.Type<typeof McpServer> {}

const toolNames = maybe(Schema.Array(Schema.String.pipe(Schema.maxLength(256))).pipe(Schema.maxItems(maxNames)))

const ofServer = {
  name: McpServerName,
  is_stateful: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  mcp_config: McpConfigInput,
  enable_tools: toolNames,
  disable_tools: toolNames,
  execution_timeout: maybe(timeout)
}

const isOfItsKind = (
  { is_stateful, mcp_config }: { readonly is_stateful: boolean; readonly mcp_config: McpConfigInput }
) =>
  mcp_config.type === "http_mcp" || is_stateful ||
  { path: ["is_stateful"], message: "Expected true: a server that runs as a program is stateful" }

/** A server for a workspace. */
export const McpServerDraft = Schema.Struct(ofServer).pipe(Schema.filter(isOfItsKind)).annotations({
  identifier: "McpServerDraft"
})
export type McpServerDraft = typeof McpServerDraft.Type

const text = (max: number) => Schema.String.pipe(Schema.maxLength(max))
const link = maybe(text(maxUrl))

/** A server for the library. Only an admin can share one with all tenants. */
export const McpLibraryDraft = Schema.Struct({
  ...ofServer,
  enabled: Schema.optionalWith(Schema.Boolean, { default: () => true }),
  shared: Schema.optionalWith(Schema.Boolean, { default: () => false }),
  display_name: Schema.optionalWith(text(256), { default: () => "" }),
  description: Schema.optionalWith(text(8 * 1024), { default: () => "" }),
  tags: Schema.optionalWith(Schema.Array(text(64)).pipe(Schema.maxItems(32)), { default: () => [] }),
  author: maybe(text(256)),
  icon_url: link,
  url: link,
  version: maybe(text(64))
}).pipe(Schema.filter(isOfItsKind)).annotations({ identifier: "McpLibraryDraft" })
export type McpLibraryDraft = typeof McpLibraryDraft.Type

/** Absent and null fields stay. `values` are new values of headers and variables, by their names. */
export const McpLibraryPatch = Schema.Struct({
  name: Schema.optional(Schema.NullOr(McpServerName)),
  enabled: Schema.optional(Schema.NullOr(Schema.Boolean)),
  values: Schema.optional(
    Schema.NullOr(few(Schema.Record({ key: Schema.String.pipe(Schema.maxLength(128)), value: headerValue })))
  )
}).annotations({ identifier: "McpLibraryPatch" })
export type McpLibraryPatch = typeof McpLibraryPatch.Type

const McpToolView = Schema.Struct({ name: Schema.String, description: Schema.String }).annotations({
  identifier: "McpToolView"
})

/** A server of a workspace as it is shown. */
export const WorkspaceMcpServer = Schema.Struct({
  name: Schema.String,
  is_stateful: Schema.Boolean,
  /** Null when the library that it comes from does not have it any more. */
  mcp_config: Schema.NullOr(McpConfigView),
  enable_tools: Names,
  disable_tools: Names,
  execution_timeout: Schema.NullOr(Schema.Number),
  library_id: Schema.NullOr(McpServerId),
  /** False when it could not be reached the last time. */
  is_healthy: Schema.Boolean,
  /** Why it could not be reached or used. */
  error: Schema.NullOr(Schema.String),
  /** Null where it lets us in without, or was never asked. */
  authorization: Schema.NullOr(McpAuthorizationStatus),
  /** The tools that agents have. */
  tools: Schema.Array(McpToolView),
  /** What it offers that is not what was approved: agents do not have it. */
  changes: Schema.Array(McpToolChange)
}).annotations({ identifier: "WorkspaceMcpServer" })
export type WorkspaceMcpServer = typeof WorkspaceMcpServer.Type

/** A server of the library as it is shown. */
export const McpLibraryServer = Schema.Struct({
  id: McpServerId,
  name: Schema.String,
  is_stateful: Schema.Boolean,
  enabled: Schema.Boolean,
  ...LibraryCard.fields,
  shared: Schema.Boolean,
  /** Whether the asker may change it: what an admin shares belongs to the admin. */
  editable: Schema.Boolean,
  /** The asker's own authorization. */
  authorization: Schema.NullOr(McpAuthorizationStatus),
  mcp_config: Schema.NullOr(McpConfigView)
}).annotations({ identifier: "McpLibraryServer" })
export type McpLibraryServer = typeof McpLibraryServer.Type

/** To others than its owner a shared server does not say how it is reached. */
export const libraryView = (
  server: McpServer,
  owner: UserId,
  authorization: McpAuthorizationStatus | null
): McpLibraryServer => ({
  id: server.id,
  name: server.name,
  is_stateful: server.is_stateful,
  enabled: server.enabled,
  ...server.card,
  shared: server.shared,
  editable: server.user_id === owner,
  authorization,
  mcp_config: server.user_id !== owner || server.config === null ? null : configView(server.config)
})

/** Whether a server can be reached, found out by asking for its tools. */
export const McpServerTest = Schema.Struct({
  success: Schema.Boolean,
  tool_count: Schema.Int,
  tools: Schema.Array(McpToolView),
  error: Schema.NullOr(Schema.String),
  error_code: Schema.NullOr(Schema.Literal("connection_error", "auth_error", "timeout", "config_error"))
}).annotations({ identifier: "McpServerTest" })
export type McpServerTest = typeof McpServerTest.Type

/** The server could not be reached, or does not speak the protocol; `code` is the kind of failure. */
export class McpServerFailed extends Schema.TaggedError<McpServerFailed>()(
  "McpServerFailed",
  problem(502, "Bad Gateway", "mcp_connection"),
  HttpApiSchema.annotations({ status: 502, description: "The MCP server could not be reached or understood." })
) {}

/** Whether the lists of the server let its agents have a tool. */
export const allowsTool = ({ disable_tools, enable_tools }: McpServer, name: string): boolean =>
  (enable_tools === null || enable_tools.includes(name)) && disable_tools?.includes(name) !== true
