/** The MCP servers of the asker's library as this protocol says and shows them. */
import { Effect, Schema } from "effect"
import { Conflict, Invalid, NotFound } from "../../../domain/Errors.ts"
import { McpServerId } from "../../../domain/Ids.ts"
import { McpConfigInput } from "../../../domain/McpConfig.ts"
import { McpLibraryDraft, type McpLibraryServer } from "../../../domain/McpServer.ts"
import type { Asker } from "../../../domain/Principal.ts"
import { Mcp } from "../../../services/Mcp.ts"
import { decode } from "../Decoding.ts"
import type { McpServerPatch, McpServerRequest } from "./Requests.ts"

const notFound = (id: string) => NotFound.of("MCP server", id.slice(0, 128))

const refused = (path: string, message: string) =>
  new Invalid({ detail: `${path}: ${message}.`, errors: [{ path, message }] })

type Config = Exclude<McpLibraryServer["mcp_config"], null>

const authOf = (config: Config) => {
  if (config.type === "stdio_mcp") return "none" as const
  if (config.oauth !== undefined) {
    return config.oauth.grant_type === "client_credentials"
      ? "oauth2_client_credentials" as const
      : "oauth2_authorization_code" as const
  }
  return config.headers === null ? "none" as const : "static_header" as const
}

const unknown: Config = { type: "http_mcp", url: "", headers: null, timeout: null }

const viewOf = ({ enabled, id, mcp_config, name }: McpLibraryServer) => {
  const config = mcp_config ?? unknown
  const isProgram = config.type === "stdio_mcp"
  const env_keys = isProgram ? Object.keys(config.env ?? {}) : []
  return {
    id,
    name,
    transport: isProgram ? "stdio" as const : "streamable_http" as const,
    command: isProgram ? config.command : null,
    args: isProgram ? config.args ?? [] : [],
    url: isProgram ? null : config.url,
    header_keys: isProgram ? [] : Object.keys(config.headers ?? {}),
    env_keys,
    enabled,
    credential_keys: !isProgram && config.oauth !== undefined ? ["client_id", "client_secret"] : [],
    has_env: env_keys.length > 0,
    auth_type: authOf(config)
  }
}

/** The same server in our words. What belongs to the other transport is refused, and never left out in silence. */
const configOf = Effect.fnUntraced(function*(given: Partial<McpServerRequest>) {
  const { args, command, credentials, env, headers, transport, url } = given
  if (transport === "stdio") {
    if (command == null) return yield* refused("command", "A server that runs as a program needs one")
    if (url != null || headers != null || credentials != null) {
      return yield* refused("url", "A server that runs as a program has no address, headers or credentials")
    }
    return { type: "stdio_mcp" as const, command, args: args ?? null, env: env ?? null }
  }
  if (url == null) return yield* refused("url", "A server at an address needs one")
  if (command != null || args != null || env != null) {
    return yield* refused("command", "A server at an address has no program, arguments or variables")
  }
  const auth = credentials?.auth_type ?? "none"
  if (auth === "static_header") {
    const { header_name, header_value } = credentials!
    if (header_name == null || header_value == null) {
      return yield* refused("credentials", "A static header needs header_name and header_value")
    }
    return { type: "http_mcp" as const, url, headers: { ...headers, [header_name]: header_value } }
  }
  const http = { type: "http_mcp" as const, url, headers: headers ?? null }
  if (auth === "none") return http
  const { client_id, client_secret, scope, token_url } = credentials!
  if (client_id == null || client_secret == null) {
    return yield* refused("credentials", "Client credentials need client_id and client_secret")
  }
  // Where tokens are had is asked of the server itself; this binds the secret to who it may be told.
  const issuer = token_url == null || !URL.canParse(token_url) ? undefined : new URL(token_url).origin
  const oauth = {
    client_id,
    client_secret,
    scope: scope ?? null,
    grant_type: "client_credentials" as const,
    ...(issuer !== undefined && { issuer })
  }
  return { ...http, oauth }
})

/** What is there, as it is shown, with what is given in its place: masks stand for what is stored. */
const merged = (config: Config, given: McpServerPatch) => {
  const { args, command, credentials, env, headers, transport, url } = given
  const isProgram = config.type === "stdio_mcp"
  const now = isProgram ? "stdio" as const : "streamable_http" as const
  const rest = { args, command, credentials, env, headers, url }
  if (transport !== undefined && transport !== now) return { ...rest, transport }
  return isProgram
    ? {
      ...rest,
      transport: now,
      command: command ?? config.command,
      args: args ?? config.args,
      env: env ?? config.env
    }
    : { ...rest, transport: now, url: url ?? config.url, headers: headers ?? config.headers }
}

const changesConfig = ({ args, command, credentials, env, headers, transport, url }: McpServerPatch) =>
  [args, command, credentials, env, headers, transport, url].some((value) => value != null)

export const make = Effect.gen(function*() {
  const mcp = yield* Mcp

  const known = Effect.fnUntraced(function*({ user_id }: Asker, id: string) {
    const found = (yield* mcp.library(user_id)).find((server) => server.id === id)
    return found ?? (yield* notFound(id))
  })

  const idOf = (id: string) => Effect.mapError(Schema.decodeUnknown(McpServerId)(id), () => notFound(id))

  const draftOf = Effect.fnUntraced(function*(given: McpServerRequest) {
    const mcp_config = yield* configOf(given)
    return yield* decode(McpLibraryDraft, { name: given.name, enabled: given.enabled, mcp_config })
  })

  const test = Effect.fnUntraced(function*(asker: Asker, id: string) {
    yield* known(asker, id)
    const { tools, ...rest } = yield* mcp.test(asker.user_id, yield* idOf(id), undefined)
    return { ...rest, tools }
  })

  const tested = (asker: Asker, id: string) =>
    Effect.map(test(asker, id), ({ tools, ...rest }) => ({ ...rest, tools: tools.map(({ name }) => name) }))

  return {
    list: ({ user_id }: Asker) => Effect.map(mcp.library(user_id), (servers) => servers.map(viewOf)),
    get: (asker: Asker, id: string) => Effect.map(known(asker, id), viewOf),
    add: (asker: Asker, given: McpServerRequest) =>
      Effect.map(Effect.flatMap(draftOf(given), (draft) => mcp.addToLibrary(asker, draft)), viewOf),
    /** What is left out stays. Credentials stay as they are unless others, or `none`, are given. */
    change: Effect.fnUntraced(function*(asker: Asker, id: string, given: McpServerPatch) {
      const { mcp_config } = yield* known(asker, id)
      const before = mcp_config ?? unknown
      const patch = { name: given.name, enabled: given.enabled }
      if (!changesConfig(given)) return viewOf(yield* mcp.changeInLibrary(asker, yield* idOf(id), patch))
      const config = yield* configOf(merged(before, given))
      const keepsLogin = config.type === "http_mcp" && before.type === "http_mcp" && given.credentials == null
      const oauth = keepsLogin && before.oauth !== undefined ? { oauth: before.oauth } : {}
      const timeout = config.type === "http_mcp" && before.type === "http_mcp" ? { timeout: before.timeout } : {}
      const cwd = config.type === "stdio_mcp" && before.type === "stdio_mcp" ? { cwd: before.cwd } : {}
      const decoded = yield* decode(McpConfigInput, { ...config, ...oauth, ...timeout, ...cwd })
      return viewOf(yield* mcp.changeInLibrary(asker, yield* idOf(id), patch, decoded))
    }),
    remove: (asker: Asker, id: string) =>
      Effect.as(
        known(asker, id).pipe(
          Effect.zipRight(idOf(id)),
          Effect.flatMap((server) => mcp.removeFromLibrary(asker.user_id, server))
        ),
        { deleted: true as const }
      ),
    test: tested,
    tools: Effect.fnUntraced(function*(asker: Asker, id: string) {
      const { error, success, tools } = yield* test(asker, id)
      if (!success) return yield* new Conflict({ code: "mcp_unavailable", detail: error ?? "It cannot be reached." })
      return tools.map(({ description, name }) => ({
        name,
        description,
        source: "code" as const,
        parameters: {}
      }))
    })
  }
})
