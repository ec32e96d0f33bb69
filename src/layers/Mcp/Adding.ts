/** Adds servers to workspaces. Each is connected first, and what tools it has then is approved. */
import { Clock, Effect } from "effect"
import { Conflict, LimitReached, NotFound } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import { noCard } from "../../domain/LibraryCard.ts"
import {
  maxProgramsOfWorkspace,
  maxServersOfWorkspace,
  type McpServer,
  type McpServerDraft
} from "../../domain/McpServer.ts"
import type { Asker } from "../../domain/Principal.ts"
import type { WorkspaceKey } from "../../domain/Workspace.ts"
import { timestampOf } from "../../services/Now.ts"
import { Vault } from "../../services/Vault.ts"
import { Workspace, type WorkspaceOf } from "../../services/Workspace.ts"
import * as Connect from "./Connect.ts"
import type { Connected } from "./Connected.ts"
import * as Library from "./Library.ts"
import type { Authorizations } from "./oauth/Authorizations.ts"
import type { Authorizing } from "./oauth/Authorizing.ts"
import * as Records from "./Records.ts"

/** Servers of a library that are connected at the same time for one request. */
const concurrency = 4

const isProgram = ({ source }: Records.Placed) => source?.config?.type === "stdio_mcp"

const taken = (name: string) =>
  new Conflict({ code: "mcp_server_exists", detail: `The workspace has an MCP server '${name}' already.` })

export const make = Effect.fnUntraced(function*(
  records: Records.Records,
  { connected, forget }: Connected,
  authorizations: Authorizations,
  { isWanted }: Authorizing
) {
  const vault = yield* Vault
  const workspaces = yield* Workspace

  /** Fails where the workspace has no place for a server of this name. */
  const room = Effect.fnUntraced(function*(owner: UserId, key: WorkspaceKey, name: string, program: boolean) {
    const { servers } = yield* records.fresh(owner, key)
    if (servers.some(({ server }) => server.name === name)) return yield* taken(name)
    if (servers.length >= maxServersOfWorkspace) {
      return yield* new LimitReached({
        code: "too_many_mcp_servers",
        detail: `A workspace has at most ${maxServersOfWorkspace} MCP servers.`
      })
    }
    if (program && servers.filter(isProgram).length >= maxProgramsOfWorkspace) {
      return yield* new LimitReached({
        code: "too_many_mcp_servers",
        detail: `A workspace has at most ${maxProgramsOfWorkspace} MCP servers that run as programs.`
      })
    }
  })

  /** Connects a server that is not stored yet, and stores it with the tools that it has. */
  const place = Effect.fnUntraced(function*(
    of: WorkspaceOf,
    key: WorkspaceKey,
    server: McpServer,
    source: McpServer
  ) {
    yield* room(server.user_id, key, server.name, source.config?.type === "stdio_mcp")
    const placed = { server, source }
    yield* Effect.scoped(Effect.gen(function*() {
      const connection = yield* connected(placed, of, { now: true })
      const approved = yield* connection.tools
      yield* records.insert({ ...server, approved })
    })).pipe(
      Effect.tapError(() => forget(placed)),
      Effect.catchTag("McpFailed", (failure) =>
        Effect.if(isWanted(source, failure), {
          onTrue: () =>
            Effect.zipRight(records.insert({ ...server, unseen: true }), authorizations.note(server.user_id, source)),
          onFalse: () => Effect.fail(failure)
        })),
      // A server belongs to nothing that could be gone.
      Effect.catchTags({ Conflict: () => taken(server.name), NotFound: (error) => Effect.die(error) })
    )
  })

  /** A server of which nothing is known but its name. */
  const blank = Effect.fnUntraced(function*(owner: UserId, of: WorkspaceOf, name: string) {
    const millis = yield* Clock.currentTimeMillis
    const key = workspaces.keyOf(owner, of)
    const at = timestampOf(millis)
    return {
      id: Records.idOf(owner, key, name),
      user_id: owner,
      created_at: at,
      updated_at: at,
      name,
      workspace: key,
      library_id: null,
      shared: false,
      enabled: true,
      is_stateful: true,
      config: null,
      sealed: null,
      enable_tools: null,
      disable_tools: null,
      execution_timeout: null,
      approved: [],
      offered: null,
      card: noCard
    } satisfies McpServer
  })

  const add = Effect.fn("Mcp.add")(function*({ isAdmin, user_id }: Asker, of: WorkspaceOf, draft: McpServerDraft) {
    if (draft.mcp_config.type === "stdio_mcp" && !isAdmin) return yield* Library.onlyAdmins
    const bare = yield* blank(user_id, of, draft.name)
    const { config, secrets } = Library.partsOf(draft.mcp_config)
    const server: McpServer = {
      ...bare,
      config,
      sealed: yield* vault.seal(Connect.sealedOf(secrets), Connect.sealedFor(bare)),
      is_stateful: draft.is_stateful,
      enable_tools: draft.enable_tools,
      disable_tools: draft.disable_tools,
      execution_timeout: draft.execution_timeout
    }
    yield* place(of, workspaces.keyOf(user_id, of), server, server)
  })

  const addOne = Effect.fnUntraced(function*(owner: UserId, of: WorkspaceOf, id: string) {
    const source = yield* records.inLibrary(owner, id)
    if (source === undefined) return yield* NotFound.of("MCP server", id)
    if (!source.enabled) return yield* new Conflict({ code: "mcp_server_disabled", detail: "It is switched off." })
    const bare = yield* blank(owner, of, source.name)
    const server = { ...bare, library_id: source.id, is_stateful: source.is_stateful }
    yield* place(of, workspaces.keyOf(owner, of), server, source)
    return source.name
  })

  const addFromLibrary = Effect.fn("Mcp.addFromLibrary")(
    function*(owner: UserId, of: WorkspaceOf, ids: ReadonlyArray<string>) {
      const results = yield* Effect.forEach([...new Set(ids)], (id) =>
        addOne(owner, of, id).pipe(
          Effect.map((name) => ({ id, name, why: undefined })),
          Effect.catchAll((error) =>
            Effect.succeed({ id, name: undefined, why: "detail" in error ? error.detail : error.message })
          )
        ), { concurrency })
      return {
        added: results.flatMap(({ name }) => name === undefined ? [] : [name]),
        failed: Object.fromEntries(results.flatMap(({ id, why }) => why === undefined ? [] : [[id, why]]))
      }
    }
  )

  return { add, addFromLibrary }
})
