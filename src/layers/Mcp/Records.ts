/**
 * The stored servers, and what this process remembers of them for a moment: agents that have no servers, which are
 * most, cost nothing. What another process has changed is seen when that moment is over.
 */
import { Effect } from "effect"
import { createHash } from "node:crypto"
import type { NotFound } from "../../domain/Errors.ts"
import { McpServerId, type UserId } from "../../domain/Ids.ts"
import { allowsTool, maxServersOfLibrary, maxServersOfWorkspace, type McpServer } from "../../domain/McpServer.ts"
import { type McpToolDefinition, unchanged } from "../../domain/McpTool.ts"
import type { WorkspaceKey } from "../../domain/Workspace.ts"
import { Storage } from "../../services/Storage.ts"
import * as Remembered from "../Remembered.ts"
import { toolName } from "./Names.ts"

/** Owners and workspaces that are remembered at most. */
const maxOwners = 10_000
const maxWorkspaces = 1_000

/** Most tools that the agents of a workspace have of MCP servers: some providers take no more. */
const maxTools = 128

/** Most servers that all admins share. */
const maxShared = 256

/** Most servers of workspaces that follow an authorization at once. The others follow with their next call. */
const maxStanding = 256

/** A server of a workspace, and the one whose configuration it has: itself, or one of a library. */
export interface Placed {
  readonly server: McpServer
  /** Undefined when the library does not have it any more, or has switched it off. */
  readonly source: McpServer | undefined
}

/** A tool that agents have. */
export interface Offer {
  readonly placed: Placed
  readonly definition: McpToolDefinition
}

export interface OfWorkspace {
  /** By name. */
  readonly servers: ReadonlyArray<Placed>
  /** By the name that models know it by. */
  readonly tools: ReadonlyMap<string, Offer>
}

const nothing: OfWorkspace = { servers: [], tools: new Map() }

/** The tools that are what they were when they were approved, and that no list keeps from agents. */
export const toolsOf = ({ server, source }: Placed): ReadonlyArray<McpToolDefinition> =>
  source === undefined ?
    [] :
    unchanged(server.approved, server.offered).filter(({ name }) =>
      allowsTool(server, name) && allowsTool(source, name)
    )

const tableOf = (servers: ReadonlyArray<Placed>): ReadonlyMap<string, Offer> => {
  const table = new Map<string, Offer>()
  for (const placed of servers) {
    for (const definition of toolsOf(placed)) {
      if (table.size >= maxTools) return table
      const name = toolName(placed.server.name, definition.name)
      if (!table.has(name)) table.set(name, { placed, definition })
    }
  }
  return table
}

const byName = (a: McpServer, b: McpServer) => a.name < b.name ? -1 : a.name > b.name ? 1 : a.id < b.id ? -1 : 1

export const make = Effect.map(Storage, ({ mcpServers }) => {
  const onHost = Remembered.make<boolean>(1)
  const owners = Remembered.make<boolean>(maxOwners)
  const workspaces = Remembered.make<OfWorkspace>(maxWorkspaces)

  const changed = Effect.sync(() => {
    onHost.forget()
    owners.forget()
    workspaces.forget()
  })

  const hasSome = onHost.get("", Effect.map(mcpServers.host.scan(undefined, 1), ({ items }) => items.length > 0))

  const all = (owner: UserId, workspace: string, most: number): Effect.Effect<ReadonlyArray<McpServer>> =>
    Effect.gen(function*() {
      const found: Array<McpServer> = []
      let cursor: string | null = null
      do {
        const page: { items: ReadonlyArray<McpServer>; next_cursor: string | null } = yield* Effect.orDie(
          mcpServers.list(owner, { limit: most, ...(cursor !== null && { cursor }) }, { workspace })
        )
        found.push(...page.items)
        cursor = page.next_cursor
      } while (cursor !== null && found.length < most)
      return found.toSorted(byName)
    })

  const shared: Effect.Effect<ReadonlyArray<McpServer>> = Effect.map(
    Effect.orDie(mcpServers.host.list({ limit: maxShared }, { shared: "yes" })),
    ({ items }) => items.filter(({ workspace }) => workspace === "")
  )

  /** A server of the owner's library, or one that an admin shares. */
  const inLibrary = (owner: UserId, id: string): Effect.Effect<McpServer | undefined> =>
    mcpServers.host.get(id).pipe(
      Effect.map((server) =>
        server.workspace === "" && (server.user_id === owner || server.shared) ? server : undefined
      ),
      Effect.orElseSucceed(() => undefined)
    )

  const place = (server: McpServer): Effect.Effect<Placed> =>
    server.library_id === null
      ? Effect.succeed({ server, source: server })
      : Effect.map(
        inLibrary(server.user_id, server.library_id),
        (source) => ({ server, source: source?.enabled === true ? source : undefined })
      )

  const read = (owner: UserId, key: WorkspaceKey): Effect.Effect<OfWorkspace> =>
    Effect.map(
      Effect.flatMap(all(owner, key, maxServersOfWorkspace), Effect.forEach(place)),
      (servers) => ({ servers, tools: tableOf(servers) })
    )

  /** The servers of a workspace and their tools. `keyOf` is asked only when the owner has servers. */
  const ofWorkspace = (owner: UserId, keyOf: () => WorkspaceKey): Effect.Effect<OfWorkspace> =>
    Effect.flatMap(hasSome, (some) => {
      if (!some) return Effect.succeed(nothing)
      const has = Effect.map(Effect.orDie(mcpServers.list(owner, { limit: 1 })), ({ items }) => items.length > 0)
      return Effect.flatMap(owners.get(owner, has), (hasServers) => {
        if (!hasServers) return Effect.succeed(nothing)
        const key = keyOf()
        return workspaces.get(`${owner} ${key}`, read(owner, key))
      })
    })

  return {
    ofWorkspace,
    /** The same, as it is stored now. */
    fresh: read,
    library: (owner: UserId): Effect.Effect<ReadonlyArray<McpServer>> =>
      Effect.map(
        Effect.all([all(owner, "", maxServersOfLibrary), shared]),
        ([mine, shared]) => [...mine, ...shared.filter(({ user_id }) => user_id !== owner)].toSorted(byName)
      ),
    mine: (owner: UserId) => all(owner, "", maxServersOfLibrary),
    inLibrary,
    place,
    /** Any server, for whoever knows already that it may be used. */
    byId: (id: McpServerId): Effect.Effect<McpServer | undefined> =>
      Effect.orElseSucceed(mcpServers.host.get(id), () => undefined),
    /** The owner's servers of workspaces that are reached as this one is: itself, or those that stand for it. */
    standingFor: (owner: UserId, id: McpServerId): Effect.Effect<ReadonlyArray<McpServer>> =>
      Effect.map(
        mcpServers.holding(owner, JSON.stringify(id), maxStanding),
        (servers) =>
          servers.filter((server) => server.workspace !== "" && (server.id === id || server.library_id === id))
      ),
    get: (owner: UserId, id: McpServerId): Effect.Effect<McpServer, NotFound> => mcpServers.get(owner, id),
    /** Fails when there is one of its id. */
    insert: (server: McpServer) => Effect.ensuring(mcpServers.insert(server), changed),
    modify: (owner: UserId, id: McpServerId, f: (server: McpServer) => McpServer) =>
      Effect.ensuring(mcpServers.modify(owner, id, f), changed),
    remove: (owner: UserId, id: McpServerId) => Effect.ensuring(mcpServers.remove(owner, id), changed)
  }
})

export type Records = Effect.Effect.Success<typeof make>

/** The id of a server of a workspace. Each name has one, so that two who add a server at once cannot both do it. */
export const idOf = (owner: UserId, key: WorkspaceKey, name: string): McpServerId =>
  McpServerId.make(createHash("sha256").update(JSON.stringify([owner, key, name])).digest("hex").slice(0, 32))
