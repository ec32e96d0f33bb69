/**
 * How an MCP server is reached: as a person says it, as it is stored, what is sealed of it, and as it is shown.
 */
import { Schema } from "effect"
import { isWebUrl } from "./File.ts"

/** Most arguments, variables and headers, and longest value of one, in characters. */
const maxItems = 64
const maxValue = 8 * 1024

/** Longest time for one call, and for one answer of a server over HTTP, in seconds. */
const maxTimeout = 3_600

/** Longest address, in characters. */
export const maxUrl = 4 * 1024

const line = (max: number) =>
  Schema.String.pipe(
    Schema.maxLength(max),
    Schema.filter((text) => !text.includes("\0") || "Expected no zero character")
  )

export const timeout = Schema.Number.pipe(Schema.greaterThan(0), Schema.lessThanOrEqualTo(maxTimeout))

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

export const headerName = Schema.String.pipe(Schema.pattern(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,128}$/, {
  message: () => "Expected the name of an HTTP header"
}))
export const headerValue = Schema.String.pipe(
  Schema.maxLength(maxValue),
  Schema.pattern(/^[\t\x20-\x7e\x80-\xff]*$/, { message: () => "Expected one line of text" })
)
const variableName = Schema.String.pipe(Schema.pattern(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, {
  message: () => "Expected the name of a variable"
}))

export const few = <A, I>(schema: Schema.Schema<Readonly<Record<string, A>>, Readonly<Record<string, I>>>) =>
  schema.pipe(
    Schema.filter((record) => Object.keys(record).length <= maxItems || `Expected at most ${maxItems} of them`)
  )

export const maybe = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(Schema.NullOr(schema), { default: () => null })

export const address = Schema.String.pipe(
  Schema.maxLength(maxUrl),
  Schema.filter((url) => isWebUrl(url) || "Expected an address that begins with https:// or http://", {
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

/** What stands in an answer in the place of a value; sent back, it stands for the value that is stored. */
export const masked = "********"

const Values = Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.String }))

/** A configuration as it is shown: values and the query of the address are masked. */
export const McpConfigView = Schema.Union(
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
