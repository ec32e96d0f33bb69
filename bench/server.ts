/**
 * Stoa under test, from the build, wired as `serve` does it: `server.ts memory`,
 * `server.ts pglite <data folder>`, `server.ts postgres <data folder> <url>`.
 */
import { HttpServer } from "@effect/platform"
import { NodeHttpServer, NodeRuntime } from "@effect/platform-node"
import { Effect, Either, Layer, Logger, LogLevel, Runtime, Schema } from "effect"
import type * as EventModule from "../src/domain/Event.ts"
import type { SessionId, UserId } from "../src/domain/Ids.ts"
import type * as SettingsModule from "../src/domain/Settings.ts"
import type * as AllChannelsModule from "../src/http/channels/All.ts"
import type * as MountsModule from "../src/http/channels/Mounts.ts"
import type * as ConnectionsModule from "../src/http/Connections.ts"
import type * as ServerModule from "../src/http/Server.ts"
import type * as HostModule from "../src/layers/Host.ts"
import type * as ReadinessLocalModule from "../src/layers/Readiness/Local.ts"
import type * as EventLogModule from "../src/services/EventLog.ts"
import type * as ReadinessModule from "../src/services/Readiness.ts"
import type * as RoomsModule from "../src/services/Rooms.ts"
import { serving } from "./Probe.ts"

// The build, not the sources: a compiler that works while modules load would change what is measured.
const built = (file: string) => import(new URL(`../dist/${file}`, import.meta.url).href)
const Host: typeof HostModule = await built("layers/Host.js")
const Connections: typeof ConnectionsModule = await built("http/Connections.js")
const Server: typeof ServerModule = await built("http/Server.js")
const Mounts: typeof MountsModule = await built("http/channels/Mounts.js")
const { all }: typeof AllChannelsModule = await built("http/channels/All.js")
const ReadinessLocal: typeof ReadinessLocalModule = await built("layers/Readiness/Local.js")
const { EventLog }: typeof EventLogModule = await built("services/EventLog.js")
const { frame }: typeof EventModule = await built("domain/Event.js")
const { Rooms }: typeof RoomsModule = await built("services/Rooms.js")
const { Readiness }: typeof ReadinessModule = await built("services/Readiness.js")
const { Settings }: typeof SettingsModule = await built("domain/Settings.js")

export type Arguments =
  | readonly ["memory"]
  | readonly ["pglite", dataDir: string]
  | readonly ["postgres", dataDir: string, url: string]

const [backend, data_dir, database_url] = process.argv.slice(2) as unknown as Arguments

const host = backend === "memory" ? Host.layerMemory : Host.layer(
  Schema.decodeSync(Settings)({
    ...(data_dir !== undefined && { data_dir }),
    ...(database_url !== undefined && { database_url })
  })
)

/** Who owns all sessions of the bench. */
const user = "bench" as UserId

/** Writes a log as a slow model leaves it: a page for each event, so many pages in a commit. */
const fill = Effect.fnUntraced(function*(session: string, events: number, commit: number) {
  const log = yield* EventLog
  const rooms = yield* Rooms
  const session_id = session as SessionId
  // The session's room, and what is known of a new session, would not notice what is written behind their backs.
  yield* Effect.scoped(rooms.get({ id: session_id, user_id: user }))
  yield* rooms.forget(session_id)
  const json = JSON.stringify({
    id: "0123456789",
    created_at: "2026-01-31T09:30:00.000Z",
    type: "TEXT_BLOCK_DELTA",
    reply_id: "0123456789abcdef0123456789abcdef",
    block_id: "0123456789",
    delta: "word "
  })
  for (let from = 1; from <= events; from += commit) {
    const pages = Array.from({ length: commit }, (_, i) => {
      const seq = from + i
      return { session_id, first_seq: seq, last_seq: seq, run_id: null, ends: false, frames: frame(seq, json) }
    })
    yield* log.append({ pages, runs: [], messages: [] })
  }
})

const listening = Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const run = Runtime.runPromise(yield* Effect.runtime<EventLogModule.EventLog | RoomsModule.Rooms>())
  yield* (yield* Readiness).set(true)
  if (address._tag !== "TcpAddress") return
  serving(address.port, () => process.kill(process.pid, "SIGTERM"), {
    fill: (session) => run(fill(session, 10_000, 500)),
    append: (session) => run(fill(session, 1_000, 1))
  })
})

const channels = Either.getOrThrow(Mounts.mount(all, Server.nativeRoutes, { settings: {}, trusted: false }))

const server = Layer.mergeAll(
  Server.layer({ channels, loopback: true, corsOrigins: [], allowedHosts: [] }),
  Layer.effectDiscard(listening)
).pipe(
  Layer.provide(
    NodeHttpServer.layer(() => Connections.createServer({ maxConnections: undefined }).node, {
      host: "127.0.0.1",
      port: 0
    })
  ),
  Layer.provide(Layer.merge(host, ReadinessLocal.layer)),
  Layer.provide(Logger.minimumLogLevel(LogLevel.Warning))
)

NodeRuntime.runMain(Layer.launch(server), { disablePrettyLogger: true })
