/** Authorizations with servers at addresses, as people begin and end them. */
import { Effect } from "effect"
import { NotFound } from "../../../domain/Errors.ts"
import type { McpServerId, UserId } from "../../../domain/Ids.ts"
import type { McpAuthorizationReturn } from "../../../domain/McpAuthorization.ts"
import type { McpSecrets } from "../../../domain/McpConfig.ts"
import type { McpServer } from "../../../domain/McpServer.ts"
import type { McpCallback, McpFailed } from "../../../services/Mcp.ts"
import { failedWith } from "../Client.ts"
import type { Connect } from "../Connect.ts"
import type * as Records from "../Records.ts"
import { askedOf, type Authorizations } from "./Authorizations.ts"
import { documentOf } from "./OAuthClient.ts"

/** Servers that are looked at together after an authorization, and longest time for all. The others follow with their next call. */
const concurrency = 4
const lookTimeout = "20 seconds"

export const make = (
  records: Records.Records,
  connect: Connect,
  authorizations: Authorizations,
  see: (placed: Records.Placed) => Effect.Effect<void>
) => {
  /** Servers that have waited for it have their tools now. */
  const seeAll = Effect.fnUntraced(function*(owner: UserId, id: McpServerId) {
    const standing = yield* records.standingFor(owner, id)
    yield* Effect.forEach(standing, (server) => Effect.flatMap(records.place(server), see), {
      concurrency,
      discard: true
    }).pipe(Effect.timeoutOption(lookTimeout))
  })

  const begin = Effect.fnUntraced(function*(owner: UserId, source: McpServer | undefined, callback: McpCallback) {
    if (source === undefined) return yield* failedWith("config")
    const begun = yield* authorizations.begin(owner, source, yield* connect.secretsOf(source), callback)
    if (begun.authorization_url === null) yield* seeAll(owner, source.id)
    return begun
  })

  /** Whether a server that refused us waits for an authorization, and not for another header. */
  const isWanted = Effect.fnUntraced(function*({ config, ...server }: McpServer, { problem }: McpFailed) {
    if (problem === "authorization") return true
    if (problem !== "auth" || config?.type !== "http_mcp") return false
    if (config.oauth !== undefined) return true
    if (config.headers.some((name) => name.toLowerCase() === "authorization")) return false
    const { url } = yield* Effect.orElseSucceed(connect.secretsOf({ config, ...server }), (): McpSecrets => ({}))
    return yield* authorizations.isOffered(url ?? config.origin)
  })

  const finishAuthorization = Effect.fn("Mcp.finishAuthorization")(function*(back: McpAuthorizationReturn) {
    let name = ""
    const { server_id, user_id } = yield* authorizations.finish(back, (row) =>
      Effect.gen(function*() {
        const server = yield* records.byId(row.server_id)
        if (server?.config?.type !== "http_mcp") return undefined
        name = server.name
        return askedOf(server, yield* connect.secretsOf(server))
      }))
    yield* seeAll(user_id, server_id)
    return name
  })

  return {
    begin,
    isWanted,
    verbs: {
      authorizeInLibrary: Effect.fn("Mcp.authorizeInLibrary")(
        function*(owner: UserId, id: McpServerId, callback: McpCallback) {
          const server = yield* records.inLibrary(owner, id)
          if (server === undefined) return yield* NotFound.of("MCP server", id)
          return yield* begin(owner, server, callback)
        }
      ),
      attemptOf: Effect.fnUntraced(function*(state: string) {
        const row = yield* authorizations.find(state)
        const server = row === undefined ? undefined : yield* records.byId(row.server_id)
        return row === undefined || server === undefined ? undefined : { owner: row.user_id, server: server.name }
      }),
      finishAuthorization,
      clientDocument: documentOf
    }
  }
}

export type Authorizing = ReturnType<typeof make>
