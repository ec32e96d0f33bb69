/**
 * Servers that are connected when they are needed. What they offer is compared with what was approved before each call.
 */
import { Effect, type Scope } from "effect"
import type { JsonObject } from "../../domain/Json.ts"
import { configView } from "../../domain/McpConfig.ts"
import type { McpServer, WorkspaceMcpServer } from "../../domain/McpServer.ts"
import { changesOf, type McpToolDefinition } from "../../domain/McpTool.ts"
import { type McpAsker, McpFailed } from "../../services/Mcp.ts"
import { NewId } from "../../services/NewId.ts"
import type { ToolPart } from "../../services/Toolbox.ts"
import type { WorkspaceOf } from "../../services/Workspace.ts"
import { type Connection, failedWith } from "./Client.ts"
import * as Connect from "./Connect.ts"
import type { Authorizations } from "./oauth/Authorizations.ts"
import * as Pool from "./Pool.ts"
import * as Records from "./Records.ts"
import { tell } from "./Results.ts"

const notInLibrary = "The server that it comes from is not in the library any more, or is switched off there."

/** One connection for each state of a server: a changed configuration is another one. */
const keyOf = ({ server, source }: Records.Placed) => `${server.id} ${(source ?? server).updated_at}`

export const isSame = (a: ReadonlyArray<McpToolDefinition>, b: ReadonlyArray<McpToolDefinition>) =>
  changesOf(a, b).length === 0

export const make = Effect.fnUntraced(function*(
  records: Records.Records,
  connect: Connect.Connect,
  authorizations: Authorizations
) {
  const pool = yield* Pool.make
  const newId = yield* NewId

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

  /** Asks a server that is connected anew for its tools. */
  const look = (placed: Records.Placed, of: WorkspaceOf | undefined): Effect.Effect<McpServer, McpFailed> =>
    Effect.scoped(Effect.flatMap(connected(placed, of, { now: true }), ({ tools }) => tools)).pipe(
      Effect.flatMap((tools) => note(placed.server, tools))
    )

  const drop = (placed: Records.Placed) => pool.drop(keyOf(placed))

  /** Ends its connections, and does not remember that it has failed. */
  const forget = (placed: Records.Placed) => Effect.zipRight(drop(placed), pool.forget(keyOf(placed)))

  /** A connection that has ended is none: the next call makes another, after a pause when that goes on. */
  const noteEnd = (placed: Records.Placed, connection: Connection, failure: McpFailed) =>
    connection.isClosed() || failure.problem === "forgotten"
      ? Effect.zipRight(
        drop(placed),
        failure.problem === "forgotten" ? Effect.void : pool.fail(keyOf(placed), failure)
      )
      : Effect.void

  /** Answers undefined when the server had forgotten the connection, so that it has not done anything. */
  const call = (
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
    const authorization = source?.config?.type === "http_mcp"
      ? yield* authorizations.status(server.user_id, source.id)
      : null
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

  return { call, connected, drop, forget, look, viewOf }
})

export type Connected = Effect.Effect.Success<ReturnType<typeof make>>
