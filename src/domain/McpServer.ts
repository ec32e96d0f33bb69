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
import { McpToolChange, McpToolDefinition } from "./McpTool.ts"

/** Most servers of one workspace and of one library, and most that run as programs in one workspace. */
export const maxServersOfWorkspace = 32
export const maxServersOfLibrary = 64
export const maxProgramsOfWorkspace = 4

/** Most names in a list that allows or denies tools. */
const maxNames = 256

/** Most arguments, variables and headers, and longest value of one, in characters. */
const maxItems = 64
const maxValue = 8 * 1024

/** Longest time for one call, and for one answer of a server over HTTP, in seconds. */
const maxTimeout = 3_600

/** Longest address, in characters. */
const maxUrl = 4 * 1024

const McpServerName = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9][A-Za-z0-9_. -]{0,63}$/, {
    message: () => "Expected 1 to 64 letters, digits, blanks, dots, dashes or underscores, a letter or digit first"
  })
)

const line = (max: number) =>
  Schema.String.pipe(
    Schema.maxLength(max),
    Schema.filter((text) => !text.includes("\0") || "Expected no zero character")
  )

const timeout = Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(maxTimeout))

/** A client that is known to the server's authorization server already. */
const oauthClient = {
  client_id: Schema.String,
  /** The authorization server that may be told the secret; without it, the one that the server names the first time. */
  issuer: Schema.optional(Schema.String),
  /** What is asked for; null is what the server says. */
  scope: Schema.NullOr(Schema.String),
  grant_type: Schema.Literal("authorization_code", "client_credentials")
}

/** How to reach a server, as it is stored: names of headers and variables, whose values are sealed, with the whole address. */
const StoredHttp = Schema.Struct({
  type: Schema.Literal("http_mcp"),
  /** The address without its query, which may hold secrets. */
  origin: Schema.String,
  headers: Schema.Array(Schema.String),
  timeout: Schema.NullOr(Schema.Number),
  oauth: Schema.optional(Schema.Struct(oauthClient))
})

const StoredStdio = Schema.Struct({
  type: Schema.Literal("stdio_mcp"),
  command: Schema.String,
  args: Schema.Array(Schema.String),
  env: Schema.Array(Schema.String),
  cwd: Schema.NullOr(Schema.String)
})

export const StoredMcpConfig = Schema.Union(StoredHttp, StoredStdio)
export type StoredMcpConfig = typeof StoredMcpConfig.Type

/** What is sealed of a configuration. */
export const McpSecrets = Schema.Struct({
  url: Schema.optional(Schema.String),
  headers: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String })),
  client_secret: Schema.optional(Schema.String),
  env: Schema.optional(Schema.Record({ key: Schema.String, value: Schema.String }))
})
export type McpSecrets = typeof McpSecrets.Type

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

const headerName = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, {
  message: () => "Expected the name of an HTTP header"
}))
const headerValue = Schema.String.pipe(
  Schema.maxLength(maxValue),
  Schema.pattern(/^[\t\x20-\x7e\x80-\xff]*$/, { message: () => "Expected one line of text" })
)
const variableName = Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, {
  message: () => "Expected the name of a variable"
}))

const few = <A, I>(schema: Schema.Schema<Readonly<Record<string, A>>, Readonly<Record<string, I>>>) =>
  schema.pipe(
    Schema.filter((record) => Object.keys(record).length <= maxItems || `Expected at most ${maxItems} of them`)
  )

const maybe = <A, I>(schema: Schema.Schema<A, I>) => Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

const isHttp = (url: string) => URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)

const address = Schema.String.pipe(
  Schema.maxLength(maxUrl),
  Schema.filter((url) => isHttp(url) || "Expected an address that begins with https:// or http://", {
    // Hardly any text is an address by chance.
    arbitrary: () => (fc) => fc.webUrl()
  })
)

const OAuthInput = Schema.Struct({
  client_id: line(512).pipe(Schema.minLength(1)),
  client_secret: maybe(line(maxValue)),
  issuer: Schema.optional(address),
  scope: maybe(line(1_024)),
  grant_type: Schema.optionalWith(oauthClient.grant_type, { default: () => "authorization_code" as const })
}).annotations({ identifier: "McpOAuthClient" })

const HttpInput = Schema.Struct({
  type: Schema.Literal("http_mcp"),
  url: address,
  headers: maybe(few(Schema.Record({ key: headerName, value: headerValue }))),
  timeout: maybe(timeout),
  oauth: maybe(OAuthInput)
}).annotations({ identifier: "HttpMcpConfig" })

const StdioInput = Schema.Struct({
  type: Schema.Literal("stdio_mcp"),
  command: line(maxValue).pipe(Schema.minLength(1)),
  args: maybe(Schema.Array(line(maxValue)).pipe(Schema.maxItems(maxItems))),
  env: maybe(few(Schema.Record({ key: variableName, value: line(maxValue) }))),
  cwd: maybe(line(maxUrl)),
  /** It is accepted for clients of the Agent Service, and does nothing: bytes that are no text are replaced. */
  encoding_error_handler: maybe(Schema.String.pipe(Schema.maxLength(64)))
}).annotations({ identifier: "StdioMcpConfig" })

export const McpConfigInput = Schema.Union(HttpInput, StdioInput)
export type McpConfigInput = typeof McpConfigInput.Type

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

/** What stands in an answer in the place of a value. */
const masked = "********"

const Values = Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String }))

/** A configuration as it is shown: values and the query of the address are masked. */
const McpConfigView = Schema.Union(
  Schema.Struct({
    type: Schema.Literal("http_mcp"),
    url: Schema.String,
    headers: Values,
    timeout: Schema.NullOr(Schema.Number),
    oauth: Schema.optional(Schema.Struct({ ...oauthClient, client_secret: Schema.NullOr(Schema.String) }))
  }),
  Schema.Struct({
    type: Schema.Literal("stdio_mcp"),
    command: Schema.String,
    args: Schema.NullOr(Schema.Array(Schema.String)),
    env: Values,
    cwd: Schema.NullOr(Schema.String)
  })
)

const veiled = (names: ReadonlyArray<string>) =>
  names.length === 0 ? null : Object.fromEntries(names.map((name) => [name, masked]))

export const configView = (config: StoredMcpConfig): typeof McpConfigView.Type =>
  config.type === "http_mcp"
    ? {
      type: config.type,
      url: config.origin,
      headers: veiled(config.headers),
      timeout: config.timeout,
      // Clients of the Agent Service do not know it.
      ...(config.oauth !== undefined && { oauth: { ...config.oauth, client_secret: masked } })
    }
    : {
      type: config.type,
      command: config.command,
      args: config.args.length === 0 ? null : config.args,
      env: veiled(config.env),
      cwd: config.cwd
    }

/** The address without what may be a secret in it. */
export const originOf = (url: string): string => {
  const { origin, pathname, search } = new URL(url)
  return `${origin}${pathname}${search === "" ? "" : `?${masked}`}`
}

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
