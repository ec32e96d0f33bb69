/** Servers as they are stored, connected when they are needed. What they offer is compared with what was approved before each call. */
import { Clock, Effect, Layer, type Scope } from "effect"
import { Conflict, LimitReached, NotFound } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { JsonObject } from "../../domain/Json.ts"
import { noCard } from "../../domain/LibraryCard.ts"
import {
  configView,
  maxProgramsOfWorkspace,
  maxServersOfWorkspace,
  type McpServer,
  type McpServerDraft,
  type WorkspaceMcpServer
} from "../../domain/McpServer.ts"
import { approve, changesOf, type McpToolDefinition } from "../../domain/McpTool.ts"
import type { Asker } from "../../domain/Principal.ts"
import type { WorkspaceKey } from "../../domain/Workspace.ts"
import { Mcp, type McpAsker, McpFailed, type McpTool } from "../../services/Mcp.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Outbound } from "../../services/Outbound.ts"
import type { Storage } from "../../services/Storage.ts"
import type { ToolPart } from "../../services/Toolbox.ts"
import { Vault } from "../../services/Vault.ts"
import { Workspace, type WorkspaceOf } from "../../services/Workspace.ts"
import * as Authorizing from "./Authorizing.ts"
import { type Connection, failedWith } from "./Client.ts"
import * as Connect from "./Connect.ts"
import * as Library from "./Library.ts"
import * as Logins from "./Logins.ts"
import * as Pool from "./Pool.ts"
import * as Records from "./Records.ts"
import { tell } from "./Results.ts"

/** Servers of a library that are connected at the same time for one request. */
const concurrency = 4

const notInLibrary = "The server that it comes from is not in the library any more, or is switched off there."

/** One connection for each state of a server: a changed configuration is another one. */
const keyOf = ({ server, source }: Records.Placed) => `${server.id} ${(source ?? server).updated_at}`

const isSame = (a: ReadonlyArray<McpToolDefinition>, b: ReadonlyArray<McpToolDefinition>) =>
  changesOf(a, b).length === 0

export const make = Effect.gen(function*() {
  const records = yield* Records.make
  const logins = yield* Logins.make
  const connect = yield* Connect.make(logins)
  const pool = yield* Pool.make
  const vault = yield* Vault
  const workspaces = yield* Workspace
  const newId = yield* NewId
  const library = yield* Library.make(records, connect, logins)

  const ofWorkspace = (owner: UserId, of: WorkspaceOf) => records.ofWorkspace(owner, () => workspaces.keyOf(owner, of))

  const connected = (
    placed: Records.Placed,
    of: WorkspaceOf | undefined,
    options?: { readonly now: boolean }
  ): Effect.Effect<Connection, McpFailed, Scope.Scope> => {
    const { server, source } = placed
    if (source === undefined) return new McpFailed({ problem: "config", message: notInLibrary })
    return pool.get(keyOf(placed), server.user_id, connect.open(source, server.user_id, of), options)
  }

  /** Notes what the server offers now, if that is news. Answers with the server as it is stored then. */
  const note = (
    server: McpServer,
    tools: ReadonlyArray<McpToolDefinition>
  ): Effect.Effect<McpServer> => {
    const offered = isSame(server.approved, tools) ? null : tools
    const isKnown = server.unseen === true
      ? false
      : server.offered === null
      ? offered === null
      : offered !== null && isSame(server.offered, offered)
    return isKnown
      ? Effect.succeed(server)
      // What was approved may have changed meanwhile.
      : records.modify(server.user_id, server.id, ({ unseen, ...now }) =>
        unseen === true
          ? { ...now, approved: tools, offered: null }
          : { ...now, offered: isSame(now.approved, tools) ? null : tools }).pipe(Effect.orElseSucceed(() => server))
  }

  /** A connection that has ended is none: the next call makes another, after a pause when that goes on. */
  const noteEnd = (placed: Records.Placed, connection: Connection, failure: McpFailed) =>
    connection.isClosed() || failure.problem === "forgotten"
      ? Effect.zipRight(
        pool.drop(keyOf(placed)),
        failure.problem === "forgotten" ? Effect.void : pool.fail(keyOf(placed), failure)
      )
      : Effect.void

  /** Looks at the tools of a server that has been authorized just now. */
  const see = (placed: Records.Placed) =>
    Effect.ignore(
      Effect.scoped(Effect.flatMap(connected(placed, undefined, { now: true }), ({ tools }) => tools)).pipe(
        Effect.flatMap((tools) => note(placed.server, tools))
      )
    )
  const authorizing = Authorizing.make(records, connect, logins, see)

  const callOnce = (
    { definition, placed }: Records.Offer,
    of: WorkspaceOf,
    input: JsonObject,
    emit: (part: ToolPart) => void,
    asker: McpAsker | undefined
  ) =>
    Effect.scoped(Effect.gen(function*() {
      const connection = yield* connected(placed, of)
      const ask = Effect.gen(function*() {
        const tools = yield* connection.tools
        yield* note(placed.server, tools)
        const now = tools.find(({ name }) => name === definition.name)
        if (now?.digest !== definition.digest) {
          return yield* failedWith(
            "changed",
            now === undefined
              ? "Its server does not have it any more."
              : "It is disabled until a person approves it again."
          )
        }
        const timeout = Connect.timeoutOf(placed.source ?? placed.server)
        return yield* connection.call(definition.name, input, timeout, asker)
      })
      const answer = yield* Effect.catchAll(
        ask,
        (failure) =>
          Effect.as(noteEnd(placed, connection, failure), failure.problem === "forgotten" ? undefined : failure)
      )
      if (answer === undefined) return undefined
      if (answer instanceof McpFailed) return yield* answer
      return tell(answer, connection.veil, newId.short, emit)
    }))

  const viewOf = Effect.fnUntraced(function*(placed: Records.Placed): Effect.fn.Return<WorkspaceMcpServer> {
    const { server, source } = placed
    const authorization = source?.config?.type === "http_mcp" ? yield* logins.status(server.user_id, source.id) : null
    const waiting = server.unseen === true || authorization === "needs_authorization"
      ? failedWith("authorization").message
      : undefined
    const failure = source === undefined ? notInLibrary : pool.failureOf(keyOf(placed))?.message ?? waiting
    const isOwn = source !== undefined && source.user_id === server.user_id
    return {
      name: server.name,
      is_stateful: (source ?? server).is_stateful,
      // How a server is reached that somebody else shares is not told.
      mcp_config: isOwn && source.config !== null ? configView(source.config) : null,
      enable_tools: server.enable_tools,
      disable_tools: server.disable_tools,
      execution_timeout: server.execution_timeout,
      library_id: server.library_id,
      is_healthy: failure === undefined,
      error: failure ?? null,
      authorization,
      tools: Records.toolsOf(placed).map(({ description, name }) => ({ name, description })),
      changes: server.offered === null ? [] : changesOf(server.approved, server.offered)
    }
  })

  const find = (owner: UserId, of: WorkspaceOf, name: string) =>
    Effect.flatMap(
      records.fresh(owner, workspaces.keyOf(owner, of)),
      ({ servers }) => {
        const placed = servers.find(({ server }) => server.name === name)
        return placed === undefined ? Effect.fail(NotFound.of("MCP server", name)) : Effect.succeed(placed)
      }
    )

  const isProgram = ({ source }: Records.Placed) => source?.config?.type === "stdio_mcp"

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

  const taken = (name: string) =>
    new Conflict({ code: "mcp_server_exists", detail: `The workspace has an MCP server '${name}' already.` })

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
      Effect.tapError(() => Effect.zipRight(pool.drop(keyOf(placed)), pool.forget(keyOf(placed)))),
      Effect.catchTag("McpFailed", (failure) =>
        Effect.if(authorizing.isWanted(source, failure), {
          onTrue: () =>
            Effect.zipRight(records.insert({ ...server, unseen: true }), logins.note(server.user_id, source)),
          onFalse: () => Effect.fail(failure)
        })),
      // A server belongs to nothing that could be gone.
      Effect.catchTags({ Conflict: () => taken(server.name), NotFound: (error) => Effect.die(error) })
    )
  })

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

  const take = (placed: Records.Placed) =>
    // The tokens of a server of a library stay with that.
    logins.forget(placed.server.user_id, placed.server.id).pipe(
      Effect.zipRight(Effect.ignore(records.remove(placed.server.user_id, placed.server.id))),
      Effect.zipRight(pool.drop(keyOf(placed))),
      Effect.zipRight(pool.forget(keyOf(placed)))
    )

  yield* workspaces.onRemoved((owner, key) =>
    Effect.flatMap(records.fresh(owner, key), ({ servers }) => Effect.forEach(servers, take, { discard: true }))
  )

  return Mcp.of({
    tools: (owner, of) =>
      Effect.map(
        ofWorkspace(owner, of),
        ({ tools }): ReadonlyArray<McpTool> =>
          tools.size === 0 ? none : [...tools].map(([name, { definition: { description, parameters } }]) => ({
            name,
            description,
            parameters
          }))
      ),
    call: Effect.fn("Mcp.call")(function*(owner, of, name, input, emit, asker) {
      const offer = (yield* ofWorkspace(owner, of)).tools.get(name)
      if (offer === undefined) return undefined
      const first = yield* callOnce(offer, of, input, emit, asker)
      // The server had forgotten the connection, so it has not done anything.
      return first ?? (yield* callOnce(offer, of, input, emit, asker)) ?? (yield* failedWith("connection"))
    }),
    servers: (owner, of) =>
      Effect.flatMap(
        records.fresh(owner, workspaces.keyOf(owner, of)),
        ({ servers }) => Effect.forEach(servers, viewOf)
      ),
    add,
    addFromLibrary,
    remove: (owner, of, name) => Effect.ignore(Effect.flatMap(find(owner, of, name), take)),
    refresh: Effect.fn("Mcp.refresh")(function*(owner, of, name) {
      const placed = yield* find(owner, of, name)
      yield* pool.drop(keyOf(placed))
      // A failure is told with the server.
      const server = yield* Effect.scoped(
        Effect.flatMap(connected(placed, of, { now: true }), ({ tools }) => tools)
      ).pipe(
        Effect.flatMap((tools) => note(placed.server, tools)),
        Effect.orElseSucceed(() => placed.server)
      )
      return yield* viewOf({ ...placed, server })
    }),
    approve: Effect.fn("Mcp.approve")(function*(owner, of, name, digests) {
      const placed = yield* find(owner, of, name)
      const server = yield* records.modify(owner, placed.server.id, (now) => {
        if (now.offered === null) return now
        const approved = approve(now.approved, now.offered, digests)
        return { ...now, approved, offered: isSame(approved, now.offered) ? null : now.offered }
      })
      return yield* viewOf({ server, source: placed.source === placed.server ? server : placed.source })
    }),
    authorize: Effect.fn("Mcp.authorize")(function*(owner, of, name, callback) {
      return yield* authorizing.begin(owner, (yield* find(owner, of, name)).source, callback)
    }),
    ...authorizing.verbs,
    ...library
  })
})

const none: ReadonlyArray<McpTool> = []

export const layer: Layer.Layer<Mcp, never, Outbound | Storage | Vault | Workspace> = Layer.scoped(Mcp, make)
