/**
 * A whole host inside of another program, for those who do not write Effect: promises, and handlers to mount in a
 * server that the program has. For Layers there is `layers/Host.ts`.
 */
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { Cause, Deferred, Duration, Effect, Either, Exit, Layer, ParseResult, Schedule, Schema, Scope } from "effect"
import type { ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { isLoopback, Settings, type SettingsInput } from "../domain/Settings.ts"
import type { Mounted } from "../http/channels/Channel.ts"
import * as Client from "../http/client/Client.ts"
import { asStoaError, StoaError } from "../http/client/StoaError.ts"
import * as Server from "../http/Server.ts"
import type { Takes } from "../http/Upgrades.ts"
import * as Layers from "../layers/Host.ts"
import * as ReadinessLocal from "../layers/Readiness/Local.ts"
import { Fatal, type StorageEnded } from "../services/Fatal.ts"
import * as Channels from "./Channels.ts"
import type { Extensions } from "./Extensions.ts"
import type { Handle } from "./Fetch.ts"
import * as Logs from "./Logs.ts"
import * as Mounting from "./Mounting.ts"
import * as Preflight from "./Preflight.ts"
import * as Served from "./Served.ts"
import { working } from "./Working.ts"

export type { Extensions, Mounting }
/** @public The one error of its promises. */
export { StoaError }

/**
 * The settings of `stoa serve`, as `stoa.yaml` spells them. `host` says where the program around this host listens, which
 * is a public address without it: so nobody's `X-User-ID` is believed. Warnings and errors are logged, no requests.
 */
export interface HostSettings extends SettingsInput {
  /** `memory`: nothing outlives the process. Without it the embedded database in `data_dir`, or that of `database_url`. */
  readonly storage?: "memory" | undefined
}

/** Seconds beyond `drain_seconds` after which closing is given up. */
const grace = 9

/** Time for clients to take the last of their answers once their streams have ended. */
const closingTime = Duration.seconds(1)

const byDefault: SettingsInput = { host: "0.0.0.0", log_requests: false, log_level: "warning" }

const settingsOf = (given: HostSettings): Settings => {
  const { storage: _, ...input } = given
  const settings = Schema.decodeUnknownEither(Settings, { onExcessProperty: "error" })({ ...byDefault, ...input })
  if (Either.isRight(settings)) return settings.right
  const wrong = ParseResult.ArrayFormatter.formatErrorSync(settings.left).map(({ path }) => path.join(".")).join(", ")
  throw new StoaError("misused", `These settings are not what they should be: ${wrong}.`)
}

const channelsOf = (settings: Settings, extensions: Extensions): ReadonlyArray<Mounted> =>
  Either.getOrThrowWith(Channels.of(settings, extensions), (message) => new StoaError("misused", message))

/** Everything that runs, in a scope whose end is the end of it. */
const started = (settings: Settings, storage: HostSettings["storage"], extensions: Extensions) =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    let takes: Takes = () => false
    const ended = yield* Deferred.make<void, StorageEnded>()
    const server = Server.layer({
      channels: channelsOf(settings, extensions),
      dashboard: Channels.dashboard(settings),
      loopback: isLoopback(settings.host),
      corsOrigins: settings.cors_origins,
      allowedHosts: settings.allowed_hosts,
      publicUrl: settings.public_url,
      logRequests: settings.log_requests,
      maxFilesMegabytes: settings.max_files_mb,
      takeUpgrades: (wanted) => {
        takes = wanted
      }
    })
    const engine: Layer.Layer<Layers.Host, Layer.Layer.Error<ReturnType<typeof Layers.layer>>> = storage === "memory"
      ? Layers.inMemory(settings, extensions)
      : Layers.layer(
        settings,
        extensions,
        yield* Effect.provide(Preflight.check(settings, extensions), NodeFileSystem.layer)
      )
    const context = yield* Layer.buildWithScope(
      server.pipe(
        Layer.provideMerge(Served.layer),
        Layer.provideMerge(Layer.mergeAll(engine, ReadinessLocal.layer))
      ),
      scope
    ).pipe(Effect.provideService(Fatal, { report: (error) => Effect.asVoid(Deferred.fail(ended, error)) }))

    const { shut, ...made } = yield* Effect.map(
      Effect.provide(Served.Served, context),
      ({ handler }) => outside(handler, (url) => takes(url))
    )
    yield* Effect.provide(
      working({
        drainSeconds: settings.drain_seconds,
        isEnded: Deferred.isDone(ended),
        stage: (_, work) => work,
        closing: shut,
        url: null,
        watched: settings.watch ? settings.definitions_dir : undefined
      }),
      context
    )
    return { ...made, ended }
  })

/** The handlers, and the answers that are under way. */
const outside = (handler: () => Handle | undefined, takes: Takes) => {
  const open = new Set<Duplex | ServerResponse>()
  let isClosed = false
  const handle: Handle = (request, response, socket) => {
    const answered = socket ?? response
    open.add(answered)
    answered.once("close", () => open.delete(answered))
    handler()?.(request, response)
  }
  const isOpen = () => !isClosed
  const mounting = Mounting.make({ handle, isOpen, takes })
  const shut = Effect.sync(() => {
    isClosed = true
  }).pipe(
    Effect.zipRight(
      Effect.timeoutOption(
        Effect.interruptible(
          Effect.repeat(Effect.sync(() => open.size), {
            until: (size) => size === 0,
            schedule: Schedule.spaced("20 millis")
          })
        ),
        closingTime
      )
    ),
    Effect.zipRight(Effect.sync(() => {
      for (const response of open) response.destroy()
      mounting.over.close()
    }))
  )
  return { isOpen, mounting, shut, answering: () => open.size }
}

/** Starts a host. Several in one process are independent of each other; two must not have one `data_dir`. */
export const make = async (given: HostSettings = {}, extensions: Extensions = {}) => {
  const settings = settingsOf(given)
  const scope = Effect.runSync(Scope.make())
  const logged = <A, E>(effect: Effect.Effect<A, E>) => Effect.provide(effect, Logs.layer(settings))
  const exit = await Effect.runPromiseExit(
    logged(Scope.extend(started(settings, given.storage, extensions), scope))
  )
  if (Exit.isFailure(exit)) {
    await Effect.runPromise(logged(Scope.close(scope, exit)))
    throw asStoaError(Cause.squash(exit.cause))
  }
  const { answering, ended, isOpen, mounting } = exit.value

  /** Resolves with the reason when the database has ended by itself, and with nothing when the host was closed. */
  const whenEnded = Effect.runPromise(Effect.match(Deferred.await(ended), {
    onFailure: ({ message }) => new StoaError("database_ended", message),
    onSuccess: () => undefined
  }))

  let closing: Promise<void> | undefined
  const shut = async () => {
    const done = await Effect.runPromise(logged(
      Scope.close(scope, Exit.void).pipe(
        Effect.disconnect,
        Effect.timeoutOption(Duration.seconds(settings.drain_seconds + grace))
      )
    ))
    Effect.runSync(Deferred.succeed(ended, undefined))
    if (done._tag === "None") throw new StoaError("timeout", "Closing the host took too long; it is left as it is.")
  }

  return {
    /** Speaks for a user of the host: `invoke`, `chat`, `stream`, `sessions` and all else that a client can. */
    as: (user: string): Client.Client => {
      if (!isOpen()) throw new StoaError("closed", "The host has been closed.")
      const fetch = mounting.inside(Mounting.principalOf(user))
      return Client.make({ url: "http://localhost", fetch })
    },
    /** The same for an admin, who manages keys and tenants. */
    asAdmin: (user = "admin"): Client.Client => {
      const fetch = mounting.inside(Mounting.principalOf(user, ["read", "write", "chat", "admin"]))
      return Client.make({ url: "http://localhost", fetch })
    },
    /** For `node:http`, Express, Connect and their like. */
    handler: mounting.handler,
    /** For the `upgrade` event of a Node server: WebSockets. */
    upgrade: mounting.upgrade,
    /** For Hono and all that hands over web requests. It opens no WebSockets. */
    fetch: mounting.fetch,
    /** How many requests are being answered now, streams included. */
    answering,
    ended: whenEnded,
    /**
     * Takes no more inputs, waits `drain_seconds` for runs, ends streams, closes the database. Closing again is the same
     * closing. Rejects when it takes nine seconds longer than that.
     */
    close: (): Promise<void> => closing ??= shut()
  }
}

export interface Host extends Awaited<ReturnType<typeof make>> {}
