/** The native API as one layer: routes, documents, and the boundary around them. */
import * as HttpLayerRouter from "@effect/platform/HttpLayerRouter"
import * as HttpMiddleware from "@effect/platform/HttpMiddleware"
import * as HttpServer from "@effect/platform/HttpServer"
import { Context, Effect, identity, Layer, Option, Schedule } from "effect"
import { defaultFilesMegabytes } from "../domain/File.ts"
import { Api } from "./Api.ts"
import { OpensSocket, TakesBytes, TakesFiles } from "./api/Operation.ts"
import { bare } from "./Bare.ts"
import type { Mounted } from "./channels/Channel.ts"
import { forwarded } from "./channels/Forward.ts"
import { documentsAt, none, respondAt } from "./channels/Mounts.ts"
import type { Connections } from "./Connections.ts"
import * as Dashboard from "./Dashboard.ts"
import * as Documents from "./Documents.ts"
import * as Admin from "./handlers/Admin.ts"
import * as Agents from "./handlers/Agents.ts"
import * as BackgroundTasks from "./handlers/BackgroundTasks.ts"
import * as Chat from "./handlers/Chat.ts"
import * as Credentials from "./handlers/Credentials.ts"
import * as Elicitations from "./handlers/Elicitations.ts"
import * as Embeddings from "./handlers/Embeddings.ts"
import * as Files from "./handlers/Files.ts"
import * as Health from "./handlers/Health.ts"
import * as Hubs from "./handlers/Hubs.ts"
import * as Jobs from "./handlers/Jobs.ts"
import * as Keys from "./handlers/Keys.ts"
import * as McpServers from "./handlers/McpServers.ts"
import * as Messages from "./handlers/Messages.ts"
import * as Models from "./handlers/Models.ts"
import * as Notifications from "./handlers/Notifications.ts"
import * as Runs from "./handlers/Runs.ts"
import * as Schedules from "./handlers/Schedules.ts"
import * as SessionKeys from "./handlers/SessionKeys.ts"
import * as Sessions from "./handlers/Sessions.ts"
import * as Skills from "./handlers/Skills.ts"
import * as Usage from "./handlers/Usage.ts"
import * as Vault from "./handlers/Vault.ts"
import * as Workspaces from "./handlers/Workspaces.ts"
import * as McpPages from "./McpPages.ts"
import * as Authentication from "./middleware/Authentication.ts"
import * as Boundary from "./middleware/Boundary.ts"
import { wholeCardIds } from "./middleware/CardIds.ts"
import type { Admission } from "./middleware/Hosts.ts"
import { type Described, methodsOf, routerConfig, routesOf } from "./middleware/Methods.ts"
import { PublicUrl } from "./PublicUrl.ts"
import { Sse } from "./Sse.ts"
import { WebSockets } from "./WebSockets.ts"

export interface Options extends Admission {
  /** Whether there is a line in the log for each request. Off without it. */
  readonly logRequests?: boolean
  /** Nothing is answered but how this process is. Off without it. */
  readonly onlyHealth?: boolean
  /** The connections whose counts are logged when some were refused or cut. */
  readonly connections?: Connections
  /** Is told which URLs open WebSockets; that of the connections without it. */
  readonly takeUpgrades?: Connections["takeUpgrades"]
  /** Where this server is reached, when it is not where requests say that they have found it. */
  readonly publicUrl?: string | undefined
  /** Megabytes that the files of one request may have together. */
  readonly maxFilesMegabytes?: number
  /** The dashboard. There is none without it. */
  readonly dashboard?: Dashboard.Options | undefined
  /** Other protocols, each at its place. */
  readonly channels?: ReadonlyArray<Mounted>
}

const handlers = Layer.mergeAll(
  Admin.layer,
  Agents.layer,
  Chat.layer,
  Credentials.layer,
  Embeddings.layer,
  Files.layer,
  Health.layer,
  Keys.layer,
  Messages.layer,
  Models.layer,
  Runs.layer,
  Schedules.layer,
  Notifications.layer,
  Jobs.layer,
  BackgroundTasks.layer,
  Elicitations.layer,
  Sessions.layer,
  SessionKeys.layer,
  Usage.layer,
  Vault.layer,
  Workspaces.layer,
  McpServers.layer,
  Skills.layer,
  Hubs.layer,
  Hubs.lists
)

/** The paths that no channel can have. */
export const nativeRoutes = [
  ...routesOf(Api),
  ...McpPages.routes,
  ...Documents.paths.map((path) => ({ method: "GET", path }))
]

const takesFiles = ({ annotations }: Described) =>
  Option.isSome(Context.getOption(annotations as Context.Context<TakesFiles>, TakesFiles))

const opensSocket = ({ annotations }: Described) =>
  Option.isSome(Context.getOption(annotations as Context.Context<OpensSocket>, OpensSocket))

const bytesOf = (route: Described) => {
  const most = Option.getOrUndefined(Context.getOption(route.annotations as Context.Context<TakesBytes>, TakesBytes))
  return most === undefined ? [] : [{ ...route, most }]
}

/** How often refused or cut connections are logged. */
const tellEvery = "10 seconds"

const tellOfBounds = ({ counts }: Connections) => {
  let reported = counts()
  return Effect.suspend(() => {
    const now = counts()
    const refused = now.refused - reported.refused
    const cut = now.cut - reported.cut
    reported = now
    if (refused + cut === 0) return Effect.void
    return Effect.logWarning("Connections were refused, or cut because their clients did not read or ask").pipe(
      Effect.annotateLogs({ refused, cut, open: now.open, capacity: now.capacity })
    )
  }).pipe(Effect.schedule(Schedule.spaced(tellEvery)), Effect.forkScoped)
}

/** Serves until its scope closes. It takes inputs while `Readiness` says so; whoever closes it ends the streams first. */
export const layer = (options: Options) => {
  const { channels = none, dashboard } = options
  const described = [...routesOf(Api), ...channels.flatMap(({ routes }) => routes)]
  const channelDocuments = Documents.ofChannels(channels)
  const answering = Layer.mergeAll(
    Layer.provide(HttpLayerRouter.addHttpApi(bare(Api)), handlers),
    ...channels.map(({ layer }) => layer)
  ).pipe(
    Layer.provide(WebSockets.layer),
    Layer.provide([Authentication.layer(described), Sse.layer])
  )
  return Effect.gen(function*() {
    const router = yield* HttpLayerRouter.HttpRouter
    const boundary = yield* Boundary.make({
      ...options,
      routes: [
        ...described,
        ...McpPages.routes,
        ...dashboard === undefined ? [] : Dashboard.routes,
        ...[...Documents.paths, ...channelDocuments.paths].map((path) => ({ method: "GET", path }))
      ],
      respondAt: respondAt(channels),
      documentsAt: documentsAt(channels),
      filePlaces: channels.flatMap(({ filePlaces }) => filePlaces),
      withFiles: described.filter(takesFiles),
      withBytes: described.flatMap(bytesOf),
      maxFilesMegabytes: options.maxFilesMegabytes ?? defaultFilesMegabytes,
      logRequests: options.logRequests ?? false,
      onlyHealth: options.onlyHealth ?? false
    })
    const known = Effect.provideService(PublicUrl, { url: options.publicUrl })
    const led = dashboard === undefined ? identity : Dashboard.leading
    // @effect-diagnostics-next-line anyUnknownInErrorContext:off -- whatever a route fails with, the boundary answers
    const served = HttpServer.serve(forwarded(channels)(wholeCardIds(boundary(known(led(router.asHttpEffect()))))))
    const { connections } = options
    const socketsAt = methodsOf(described.filter(opensSocket))
    const takeUpgrades = options.takeUpgrades ?? connections?.takeUpgrades
    takeUpgrades?.((url) => socketsAt(url).length > 0)
    return connections === undefined ? served : Layer.merge(served, Layer.scopedDiscard(tellOfBounds(connections)))
  }).pipe(
    Layer.unwrapEffect,
    Layer.provide(
      Layer.mergeAll(
        answering,
        McpPages.layer,
        Documents.layer,
        channelDocuments.layer,
        dashboard === undefined ? Layer.empty : Dashboard.layer(dashboard)
      )
    ),
    Layer.provide(HttpLayerRouter.layer),
    Layer.provide(Layer.succeed(HttpLayerRouter.RouterConfig, routerConfig)),
    HttpMiddleware.withTracerDisabledWhen(() => true)
  )
}
