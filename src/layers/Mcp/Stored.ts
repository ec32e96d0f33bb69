/** Servers as they are stored: those of workspaces, and those of libraries. */
import { Effect, Layer } from "effect"
import { NotFound } from "../../domain/Errors.ts"
import type { UserId } from "../../domain/Ids.ts"
import { approve } from "../../domain/McpTool.ts"
import { Mcp, type McpTool } from "../../services/Mcp.ts"
import type { Outbound } from "../../services/Outbound.ts"
import type { Peers } from "../../services/Peers.ts"
import type { Storage } from "../../services/Storage.ts"
import type { Vault } from "../../services/Vault.ts"
import { Workspace, type WorkspaceOf } from "../../services/Workspace.ts"
import * as Adding from "./Adding.ts"
import { failedWith } from "./Client.ts"
import * as Connect from "./Connect.ts"
import * as Connected from "./Connected.ts"
import * as Library from "./Library.ts"
import * as Authorizations from "./oauth/Authorizations.ts"
import * as Authorizing from "./oauth/Authorizing.ts"
import * as Records from "./Records.ts"

export const make = Effect.gen(function*() {
  const workspaces = yield* Workspace
  const records = yield* Records.make
  const authorizations = yield* Authorizations.make
  const connect = yield* Connect.make(authorizations)
  const connected = yield* Connected.make(records, connect, authorizations)
  const { call, drop, forget, look, viewOf } = connected
  const authorizing = Authorizing.make(
    records,
    connect,
    authorizations,
    (placed) => Effect.ignore(look(placed, undefined))
  )
  const adding = yield* Adding.make(records, connected, authorizations, authorizing)
  const library = yield* Library.make(records, connect, authorizations)

  const ofWorkspace = (owner: UserId, of: WorkspaceOf) => records.ofWorkspace(owner, () => workspaces.keyOf(owner, of))

  const find = (owner: UserId, of: WorkspaceOf, name: string) =>
    Effect.flatMap(
      records.fresh(owner, workspaces.keyOf(owner, of)),
      ({ servers }) => {
        const placed = servers.find(({ server }) => server.name === name)
        return placed === undefined ? Effect.fail(NotFound.of("MCP server", name)) : Effect.succeed(placed)
      }
    )

  const removeOne = (placed: Records.Placed) =>
    // The tokens of a server of a library stay with that.
    authorizations.forget(placed.server.user_id, placed.server.id).pipe(
      Effect.zipRight(Effect.ignore(records.remove(placed.server.user_id, placed.server.id))),
      Effect.zipRight(forget(placed))
    )

  yield* workspaces.onRemoved((owner, key) =>
    Effect.flatMap(records.fresh(owner, key), ({ servers }) => Effect.forEach(servers, removeOne, { discard: true }))
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
      const first = yield* call(offer, of, input, emit, asker)
      return first ?? (yield* call(offer, of, input, emit, asker)) ?? (yield* failedWith("connection"))
    }),
    servers: (owner, of) =>
      Effect.flatMap(
        records.fresh(owner, workspaces.keyOf(owner, of)),
        ({ servers }) => Effect.forEach(servers, viewOf)
      ),
    remove: (owner, of, name) => Effect.ignore(Effect.flatMap(find(owner, of, name), removeOne)),
    refresh: Effect.fn("Mcp.refresh")(function*(owner, of, name) {
      const placed = yield* find(owner, of, name)
      yield* drop(placed)
      // A failure is told with the server.
      const server = yield* Effect.orElseSucceed(look(placed, of), () => placed.server)
      return yield* viewOf({ ...placed, server })
    }),
    approve: Effect.fn("Mcp.approve")(function*(owner, of, name, digests) {
      const placed = yield* find(owner, of, name)
      const server = yield* records.modify(owner, placed.server.id, (now) => {
        if (now.offered === null) return now
        const approved = approve(now.approved, now.offered, digests)
        return { ...now, approved, offered: Connected.isSame(approved, now.offered) ? null : now.offered }
      })
      return yield* viewOf({ server, source: placed.source === placed.server ? server : placed.source })
    }),
    authorize: Effect.fn("Mcp.authorize")(function*(owner, of, name, callback) {
      return yield* authorizing.begin(owner, (yield* find(owner, of, name)).source, callback)
    }),
    ...adding,
    ...authorizing.verbs,
    ...library
  })
})

const none: ReadonlyArray<McpTool> = []

export const layer: Layer.Layer<Mcp, never, Outbound | Peers | Storage | Vault | Workspace> = Layer.scoped(Mcp, make)
