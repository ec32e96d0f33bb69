/** The process: layers, the first start, and an orderly end. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import { Deferred, Duration, Effect, Either, Layer, Schedule } from "effect"
import type { Server as NodeServer } from "node:http"
import { isLoopback, refusal, type Settings, trustsUserHeader } from "../../domain/Settings.ts"
import { all as ownChannels } from "../../http/channels/All.ts"
import type { Mounted } from "../../http/channels/Channel.ts"
import * as Mounts from "../../http/channels/Mounts.ts"
import * as Tasks from "../../http/channels/tasks/Tasks.ts"
import * as Connections from "../../http/Connections.ts"
import { admitsOrigin } from "../../http/middleware/Hosts.ts"
import * as Server from "../../http/Server.ts"
import * as Watching from "../../layers/Catalog/Watching.ts"
import * as Host from "../../layers/Host.ts"
import * as ReadinessLocal from "../../layers/Readiness/Local.ts"
import { BackgroundTasks } from "../../services/BackgroundTasks.ts"
import { DirectCalls } from "../../services/DirectCalls.ts"
import { Fatal, type StorageEnded } from "../../services/Fatal.ts"
import { Hooks } from "../../services/Hooks.ts"
import { Jobs } from "../../services/Jobs.ts"
import { OwnTasks } from "../../services/OwnTasks.ts"
import { Readiness } from "../../services/Readiness.ts"
import { Rooms } from "../../services/Rooms.ts"
import { RunOwner } from "../../services/RunOwner.ts"
import { Scheduler } from "../../services/Scheduler.ts"
import { Waker } from "../../services/Waker.ts"
import { announce } from "./Banner.ts"
import type { Extensions } from "./Extensions.ts"
import { firstKey, firstSession } from "./FirstStart.ts"
import * as LastResort from "./LastResort.ts"
import { CannotListen, cannotListen, probe, urlOf } from "./Listening.ts"
import * as Logs from "./Logs.ts"
import * as Preflight from "./Preflight.ts"

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
    const owner = yield* RunOwner
    const calls = yield* DirectCalls
    const rooms = yield* Rooms
    const scheduler = yield* Scheduler
    const jobs = yield* Jobs
    const tasks = yield* BackgroundTasks
    const waker = yield* Waker
    const ownTasks = yield* OwnTasks
    const readiness = yield* Readiness
    const hooks = yield* Hooks
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : settings.port
    const key = yield* firstKey
    const why = refusal(settings, true)
    if (why !== undefined) return yield* new CannotListen({ message: why })
    if (key !== undefined && trustsUserHeader(settings)) yield* firstSession

    yield* Effect.addFinalizer(() =>
      readiness.set(false).pipe(
        Effect.zipRight(Deferred.isDone(ended)),
        // Once the database has ended, nothing that a run does could be stored.
        Effect.flatMap((isEnded) => {
          const seconds = isEnded ? 0 : settings.drain_seconds
          return stage("waiting for runs", Effect.zip(owner.drain(seconds), calls.drain(seconds), { concurrent: true }))
        }),
        Effect.zipRight(stage("telling hooks", hooks.stop({ url: urlOf(settings, port) }))),
        Effect.zipRight(stage("ending streams", rooms.close("stopping"))),
        Effect.zipRight(stage("closing connections", closeConnections(node))),
        // The finalizers of the server, the engine and the database run after this one.
        Effect.zipRight(stage("closing the database", Effect.void))
      )
    )
    yield* Effect.mapError(hooks.start({ url: urlOf(settings, port) }), ({ message }) => new CannotListen({ message }))
    // First: the runs that go on then tell of them.
    yield* tasks.recover
    yield* owner.recover
    // Added after the finalizer above, so that it is stopped first: it starts nothing while runs come to their ends.
    yield* Effect.forkScoped(scheduler.run)
    yield* Effect.forkScoped(jobs.run)
    yield* Effect.forkScoped(waker.run)
    yield* Effect.forkScoped(ownTasks.run)
    if (settings.watch && settings.definitions_dir !== undefined) {
      yield* Effect.forkScoped(Watching.watch(settings.definitions_dir))
    }
    yield* readiness.set(true)
    yield* announce(settings, urlOf(settings, port), key)
    return yield* Deferred.await(ended)
  }).pipe(Effect.scoped)

/** A sentence where two agents, or two kinds of tasks, have the same name. */
const namedTwice = ({ agents = [], tasks = [] }: Extensions) => {
  for (const [noun, all] of [["agents", agents], ["kinds of tasks", tasks]] as const) {
    const names = all.map(({ name }) => name)
    const twice = names.find((name, i) => names.indexOf(name) !== i)
    if (twice !== undefined) return `There are two ${noun} called ${twice}: each needs a name of its own.`
  }
  return undefined
}

/** The channels that the settings ask for, and the paths of the program's own. */
const channelsOf = (settings: Settings, extensions: Extensions) => {
  const twice = namedTwice(extensions)
  if (twice !== undefined) return Either.left(new CannotListen({ message: twice }))
  const { channels = [], endpoints = [], hooks = [], tasks = [] } = extensions
  return Either.mapLeft(
    Mounts.mount([...ownChannels, ...Tasks.channels(tasks), ...endpoints, ...channels], Server.nativeRoutes, {
      settings: settings.channels,
      trusted: settings.trust_user_header,
      hooks
    }),
    (message) => new CannotListen({ message })
  )
}

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
      loopback: isLoopback(settings.host),
      corsOrigins: settings.cors_origins,
      allowedHosts: settings.allowed_hosts,
      logRequests: settings.log_requests,
      onlyHealth: settings.worker_only,
      maxFilesMegabytes: settings.max_files_mb,
      connections
    }).pipe(Layer.provideMerge(listening))
  const serving = (
    channels: ReadonlyArray<Mounted>,
    stage: LastResort.Stage,
    ended: Deferred.Deferred<never, StorageEnded>
  ) =>
    run(settings, node, stage, ended).pipe(
      Effect.provide(
        server(channels).pipe(Layer.provideMerge(Layer.merge(Host.layer(settings, extensions), ReadinessLocal.layer)))
      ),
      Effect.provideService(Fatal, { report: (error) => Effect.asVoid(Deferred.fail(ended, error)) })
    )
  return Effect.gen(function*() {
    const stage = yield* LastResort.arm(settings.drain_seconds)
    yield* Preflight.check(settings, extensions)
    const channels = yield* channelsOf(settings, extensions)
    yield* probe(settings)
    return yield* serving(channels, stage, yield* Deferred.make<never, StorageEnded>())
  }).pipe(Effect.scoped, Effect.provide(Logs.layer(settings)))
}
