/** The tenant's library of servers, and those that admins share with all tenants. */
import { Clock, Effect } from "effect"
import { Conflict, Forbidden, Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import { McpServerId, type UserId } from "../../domain/Ids.ts"
import { type LibraryCard, noCard } from "../../domain/LibraryCard.ts"
import { type McpConfigInput, type McpSecrets, originOf, type StoredMcpConfig } from "../../domain/McpConfig.ts"
import {
  libraryView,
  maxServersOfLibrary,
  type McpLibraryDraft,
  type McpLibraryPatch,
  type McpServer,
  type McpServerTest
} from "../../domain/McpServer.ts"
import type { Asker } from "../../domain/Principal.ts"
import type { McpFailed, McpProblem } from "../../services/Mcp.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { Vault } from "../../services/Vault.ts"
import type { WorkspaceOf } from "../../services/Workspace.ts"
import * as Connect from "./Connect.ts"
import type { Authorizations } from "./oauth/Authorizations.ts"
import type * as Records from "./Records.ts"
import { isSamePlace, unmasked } from "./Unmasked.ts"

export const onlyAdmins = new Forbidden({
  detail: "A server that runs as a program can only be added by an admin: ask one, or use a server at an address."
})

const onlyAdminsShare = new Forbidden({ detail: "Only an admin can share a server with all tenants." })

/** What is stored in the clear of a configuration, and what is sealed. */
export const partsOf = (
  config: McpConfigInput
): { readonly config: StoredMcpConfig; readonly secrets: McpSecrets } => {
  if (config.type === "http_mcp") {
    const { headers, oauth, timeout, type, url } = config
    const known = { type, origin: originOf(url), headers: Object.keys(headers ?? {}), timeout }
    const secrets = { url, headers: headers ?? {} }
    if (oauth === null) return { config: known, secrets }
    const { client_secret, ...client } = oauth
    return {
      config: { ...known, oauth: client },
      secrets: client_secret === null ? secrets : { ...secrets, client_secret }
    }
  }
  const { args, command, cwd, env, type } = config
  return {
    config: { type, command, args: args ?? [], env: Object.keys(env ?? {}), cwd },
    secrets: { env: env ?? {} }
  }
}

const taken = (name: string) =>
  new Conflict({ code: "mcp_server_exists", detail: `The library has an MCP server '${name}' already.` })

const errorCodes: Readonly<Record<McpProblem, NonNullable<McpServerTest["error_code"]>>> = {
  connection: "connection_error",
  forgotten: "connection_error",
  auth: "auth_error",
  authorization: "auth_error",
  timeout: "timeout",
  config: "config_error",
  protocol: "connection_error",
  changed: "config_error"
}

const failedTest = ({ message, problem }: McpFailed): McpServerTest => ({
  success: false,
  tool_count: 0,
  tools: [],
  error: message,
  error_code: errorCodes[problem]
})

export const make = Effect.fnUntraced(function*(
  records: Records.Records,
  connect: Connect.Connect,
  authorizations: Authorizations
) {
  const vault = yield* Vault
  const newId = yield* NewId
  // Two who add a server of one name at once do it one after the other.
  const mutex = Effect.unsafeMakeSemaphore(1)

  const viewOf = (server: McpServer, owner: UserId) =>
    Effect.map(
      server.config?.type === "http_mcp" ? authorizations.status(owner, server.id) : Effect.succeed(null),
      (authorization) => libraryView(server, owner, authorization)
    )

  const addToLibrary = Effect.fn("Mcp.addToLibrary")(function*(
    { isAdmin, user_id }: Asker,
    { author, description, display_name, icon_url, mcp_config, tags, url, version, ...draft }: McpLibraryDraft,
    from: Partial<LibraryCard> = {}
  ) {
    if (mcp_config.type === "stdio_mcp" && !isAdmin) return yield* onlyAdmins
    if (draft.shared && !isAdmin) return yield* onlyAdminsShare
    const mine = yield* records.mine(user_id)
    if (mine.some(({ name }) => name === draft.name)) return yield* taken(draft.name)
    if (mine.length >= maxServersOfLibrary) {
      return yield* new LimitReached({
        code: "too_many_mcp_servers",
        detail: `A library has at most ${maxServersOfLibrary} MCP servers.`
      })
    }
    const millis = yield* Clock.currentTimeMillis
    const at = timestampOf(millis)
    const owned = { id: McpServerId.make(newId.record(millis)), user_id, created_at: at, updated_at: at }
    const { config, secrets } = partsOf(mcp_config)
    const server: McpServer = {
      ...owned,
      ...draft,
      workspace: "",
      library_id: null,
      config,
      sealed: yield* vault.seal(Connect.sealedOf(secrets), Connect.sealedFor(owned)),
      approved: [],
      offered: null,
      card: { ...noCard, ...from, author, description, display_name, icon_url, tags, url, version }
    }
    return yield* viewOf(yield* Effect.orDie(records.insert(server)), user_id)
  }, mutex.withPermits(1))

  /** The secrets with other values. Names that the server does not have are refused. */
  const revalued = Effect.fnUntraced(function*(server: McpServer, values: Readonly<Record<string, string>>) {
    const { config } = server
    const known = config?.type === "http_mcp" ? config.headers : config?.env ?? []
    const unknown = Object.keys(values).filter((name) => !known.includes(name))
    if (unknown.length > 0) {
      return yield* new Invalid({
        detail: "The server does not have these headers or variables.",
        errors: unknown.map((name) => ({ path: `values.${name}`, message: "Expected a name that the server has" }))
      })
    }
    const secrets = yield* Effect.orElseSucceed(connect.secretsOf(server), (): McpSecrets => ({}))
    const all = config?.type === "http_mcp"
      ? { ...secrets, headers: { ...secrets.headers, ...values } }
      : { ...secrets, env: { ...secrets.env, ...values } }
    return yield* vault.seal(Connect.sealedOf(all), Connect.sealedFor(server))
  })

  const changeInLibrary = Effect.fn("Mcp.changeInLibrary")(function*(
    { isAdmin, user_id }: Asker,
    id: McpServerId,
    { enabled, name, values }: McpLibraryPatch,
    other?: McpConfigInput
  ) {
    const before = yield* mine(user_id, id)
    const isProgram = before.config?.type === "stdio_mcp"
    if ((values != null || other !== undefined) && isProgram && !isAdmin) return yield* onlyAdmins
    if (other?.type === "stdio_mcp" && !isAdmin) return yield* onlyAdmins
    if (name != null && name !== before.name) {
      const others = yield* records.mine(user_id)
      if (others.some((other) => other.name === name)) return yield* taken(name)
    }
    const parts = other === undefined ? undefined : partsOf(
      yield* unmasked(other, before.config, yield* Effect.orElseSucceed(connect.secretsOf(before), () => ({})))
    )
    const sealed = parts !== undefined
      ? yield* vault.seal(Connect.sealedOf(parts.secrets), Connect.sealedFor(before))
      : values == null
      ? before.sealed
      : yield* revalued(before, values)
    const at = timestampOf(yield* Clock.currentTimeMillis)
    // Tokens are those of the server that gave them.
    if (parts !== undefined && !isSamePlace(parts.config, before.config)) yield* authorizations.forget(user_id, id)
    const changed = yield* records.modify(user_id, id, (server) => ({
      ...server,
      updated_at: at,
      sealed,
      ...(parts !== undefined && { config: parts.config }),
      ...(parts?.config.type === "stdio_mcp" && { is_stateful: true }),
      ...(name != null && { name }),
      ...(enabled != null && { enabled })
    }))
    return yield* viewOf(changed, user_id)
  }, mutex.withPermits(1))

  /** A server of the library that the owner may change. */
  const mine = (owner: UserId, id: McpServerId) =>
    Effect.filterOrFail(
      records.get(owner, id),
      ({ workspace }) => workspace === "",
      () => NotFound.of("MCP server", id)
    )

  const test = Effect.fn("Mcp.test")(function*(owner: UserId, id: McpServerId, of: WorkspaceOf | undefined) {
    const server = yield* records.inLibrary(owner, id)
    if (server === undefined) return yield* NotFound.of("MCP server", id)
    // A connection of its own, so that nothing is kept from before.
    return yield* Effect.scoped(Effect.flatMap(connect.open(server, owner, of), ({ tools }) => tools)).pipe(
      Effect.map((tools): McpServerTest => ({
        success: true,
        tool_count: tools.length,
        tools: tools.map(({ description, name }) => ({ name, description })),
        error: null,
        error_code: null
      })),
      Effect.catchAll((failure) => Effect.succeed(failedTest(failure)))
    )
  })

  return {
    library: (owner: UserId) =>
      Effect.flatMap(records.library(owner), Effect.forEach((server) => viewOf(server, owner))),
    addToLibrary,
    changeInLibrary,
    removeFromLibrary: (owner: UserId, id: McpServerId) =>
      // Its tokens are told to be over while they are still known.
      mine(owner, id).pipe(
        Effect.zipRight(authorizations.forget(owner, id)),
        Effect.zipRight(records.remove(owner, id))
      ),
    test
  }
})
