/** The process: layers, the first start, and an orderly end. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { Deferred, Duration, Effect, Either, Layer, Schedule } from "effect"
import type { Server as NodeServer } from "node:http"
import { isLoopback, refusal, type Settings, trustsUserHeader } from "../../domain/Settings.ts"
import * as Channels from "../../embed/Channels.ts"
import type { Extensions } from "../../embed/Extensions.ts"
import * as Logs from "../../embed/Logs.ts"
import * as Preflight from "../../embed/Preflight.ts"
import { working } from "../../embed/Working.ts"
import type { Mounted } from "../../http/channels/Channel.ts"
import * as Connections from "../../http/Connections.ts"
import { admitsOrigin } from "../../http/middleware/Hosts.ts"
import * as Server from "../../http/Server.ts"
import * as Host from "../../layers/Host.ts"
import * as ReadinessLocal from "../../layers/Readiness/Local.ts"
import { Fatal, type StorageEnded } from "../../services/Fatal.ts"
import { announce } from "./Banner.ts"
import { firstKey, firstSession } from "./FirstStart.ts"
import * as LastResort from "./LastResort.ts"
import { CannotListen, cannotListen, probe, urlOf } from "./Listening.ts"

/** Time for connections to end by themselves once their streams have ended. */
const closingTime = Duration.seconds(1)

/** Waits until no connection is left, or cuts those that are. */
const closeConnections = (node: NodeServer) =>
  Effect.async<number>((resume) => {
    node.closeIdleConnections()
    node.getConnections((_, count) => resume(Effect.succeed(count)))
  }).pipe(
    Effect.repeat({ until: (count) => count === 0, schedule: Schedule.spaced("20 millis") }),
    Effect.interruptible,
    Effect.timeoutOption(closingTime),
    Effect.zipRight(Effect.sync(() => node.closeAllConnections()))
  )

const run = (
  settings: Settings,
  node: NodeServer,
  stage: LastResort.Stage,
  ended: Deferred.Deferred<never, StorageEnded>
) =>
  Effect.gen(function*() {
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : settings.port
    const key = yield* firstKey
    const why = refusal(settings, true)
    if (why !== undefined) return yield* new CannotListen({ message: why })
    if (key !== undefined && trustsUserHeader(settings)) yield* firstSession

    yield* working({
      drainSeconds: settings.drain_seconds,
      isEnded: Deferred.isDone(ended),
      stage,
      closing: closeConnections(node),
      url: urlOf(settings, port),
      watched: settings.watch ? settings.definitions_dir : undefined
    }).pipe(Effect.catchTag("HookRefused", ({ message }) => new CannotListen({ message })))
    yield* announce(settings, urlOf(settings, port), key)
    return yield* Deferred.await(ended)
  }).pipe(Effect.scoped)

/** The channels that the settings ask for, and the paths of the program's own. */
const channelsOf = (settings: Settings, extensions: Extensions) =>
  Either.mapLeft(Channels.of(settings, extensions), (message) => new CannotListen({ message }))

/** Serves until it is interrupted. */
export const launch = (settings: Settings, extensions: Extensions = {}) => {
  const connections = Connections.createServer({
    maxConnections: settings.max_connections,
    keepAliveSeconds: settings.keep_alive_seconds,
    admitsOrigin: admitsOrigin({
      loopback: isLoopback(settings.host),
      corsOrigins: settings.cors_origins,
      allowedHosts: settings.allowed_hosts
    })
  })
  const { node } = connections
  const listening = NodeHttpServer.layer(() => node, { port: settings.port, host: settings.host }).pipe(
    Layer.mapError((error) => cannotListen(settings)(error.cause))
  )
  const server = (channels: ReadonlyArray<Mounted>) =>
    Server.layer({
      channels,
      dashboard: Channels.dashboard(settings),
      loopback: isLoopback(settings.host),
      corsOrigins: settings.cors_origins,
      allowedHosts: settings.allowed_hosts,
      publicUrl: settings.public_url,
      logRequests: settings.log_requests,
      onlyHealth: settings.worker_only,
      maxFilesMegabytes: settings.max_files_mb,
      connections
    }).pipe(Layer.provideMerge(listening))
  const serving = (
    channels: ReadonlyArray<Mounted>,
    stage: LastResort.Stage,
    ended: Deferred.Deferred<never, StorageEnded>,
    looked: Host.Looked
  ) =>
    run(settings, node, stage, ended).pipe(
      Effect.provide(
        server(channels).pipe(
          Layer.provideMerge(Layer.merge(Host.layer(settings, extensions, looked), ReadinessLocal.layer))
        )
      ),
      Effect.provideService(Fatal, { report: (error) => Effect.asVoid(Deferred.fail(ended, error)) })
    )
  return Effect.gen(function*() {
    const stage = yield* LastResort.arm(settings.drain_seconds)
    const looked = yield* Preflight.check(settings, extensions)
    const channels = yield* channelsOf(settings, extensions)
    yield* probe(settings)
    return yield* serving(channels, stage, yield* Deferred.make<never, StorageEnded>(), looked)
  }).pipe(Effect.scoped, Effect.provide(Logs.layer(settings)))
}
