/** The process: settings, layers, the first start's key, and an orderly end. */
import { Command, Options } from "@effect/cli"
import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as HttpServer from "@effect/platform/HttpServer"
import {
  Clock,
  Console,
  Data,
  Deferred,
  Duration,
  Effect,
  Layer,
  Logger,
  LogLevel,
  Option,
  Predicate,
  Schedule,
  Schema
} from "effect"
import { createServer, type Server as NodeServer } from "node:http"
import { createServer as createTcpServer } from "node:net"
import { resolve } from "node:path"
import { AgentDraft } from "../../domain/Agent.ts"
import { AgentId, CredentialId, SessionId, UserId, WorkspaceId } from "../../domain/Ids.ts"
import { permissionContext } from "../../domain/Permission.ts"
import type { Session } from "../../domain/Session.ts"
import { isLoopback, refusal, type Settings, trustsUserHeader } from "../../domain/Settings.ts"
import * as Server from "../../http/Server.ts"
import { answerUnreadable } from "../../http/Unreadable.ts"
import * as Host from "../../layers/Host.ts"
import * as ReadinessLocal from "../../layers/Readiness/Local.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { Fatal, type StorageEnded } from "../../services/Fatal.ts"
import { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"
import { Readiness } from "../../services/Readiness.ts"
import { Rooms } from "../../services/Rooms.ts"
import { RunOwner } from "../../services/RunOwner.ts"
import { Storage } from "../../services/Storage.ts"
import { Env } from "../Env.ts"
import * as SettingsSource from "../Settings.ts"
import { version } from "../Version.ts"

/** Whom `stoa chat` and the printed `curl` speak for when nobody says otherwise. */
const localUser = UserId.make("local")

/** Time for connections to end by themselves once their streams have ended. */
const closingTime = Duration.seconds(1)

export class CannotListen extends Data.TaggedError("CannotListen")<{ readonly message: string }> {}

const cannotListen = ({ host, port }: Settings) => (cause: unknown) => {
  const code = Predicate.hasProperty(cause, "code") ? cause.code : undefined
  switch (code) {
    case "EADDRINUSE":
      return new CannotListen({
        message: `Port ${port} on ${host} is in use. Stop what uses it, or choose another with --port.`
      })
    case "EACCES":
      return new CannotListen({
        message: `This user may not listen on port ${port}. Choose one above 1023 with --port.`
      })
    case "EADDRNOTAVAIL":
    case "ENOTFOUND":
      return new CannotListen({ message: `${host} is no address of this machine. Choose another with --host.` })
    default:
      return new CannotListen({
        message: `The server cannot listen on ${host}:${port} (${String(code ?? "unknown")}).`
      })
  }
}

/** The key that manages keys, made when there is none yet. */
const firstKey = Effect.gen(function*() {
  const { keys } = yield* Storage
  const apiKeys = yield* ApiKeys
  const { total } = yield* Effect.orDie(keys.host.list({ limit: 1, cursor: undefined }))
  if (total > 0) return undefined
  const { key } = yield* apiKeys.issue({
    user_id: UserId.make("admin"),
    name: "first start",
    scopes: ["read", "write", "chat", "admin"],
    expires_at: null
  })
  return key
})

/** Something to talk to at once: an agent with the demo model. */
const firstSession = Effect.gen(function*() {
  const storage = yield* Storage
  const newId = yield* NewId
  const at = yield* now
  const millis = yield* Clock.currentTimeMillis
  const owned = { user_id: localUser, created_at: at, updated_at: at }
  const agent_id = AgentId.make(newId.record(millis))
  const credential_id = CredentialId.make(newId.record(millis))
  const session_id = SessionId.make(newId.record(millis))
  const draft = yield* Schema.decode(AgentDraft)({ name: "assistant" })
  yield* storage.agents.insert({ ...owned, id: agent_id, data: { id: agent_id, ...draft } })
  yield* storage.credentials.insert({
    ...owned,
    id: credential_id,
    type: "demo_credential",
    name: "Demo",
    settings: {},
    secrets: [],
    sealed: null
  })
  yield* storage.sessions.insert({
    ...owned,
    id: session_id,
    agent_id,
    source: "user",
    source_schedule_id: null,
    config: {
      workspace_id: WorkspaceId.make(newId.record(millis)),
      name: "first conversation",
      chat_model_config: { type: "demo_credential", credential_id, model: "demo-chat", parameters: {} },
      fallback_chat_model_config: null
    },
    state: { session_id, permission_context: permissionContext("default") }
  })
}).pipe(Effect.orDie)

const newestSession = Effect.gen(function*() {
  const { sessions } = yield* Storage
  const { items } = yield* Effect.orDie(sessions.list(localUser, { limit: 10, cursor: undefined }, {}, "newest"))
  return items.find(({ config }) => config.chat_model_config !== null)
})

const curlOf = (url: string, session: Session) => {
  const body = JSON.stringify({ agent_id: session.agent_id, session_id: session.id, input: { content: "hello" } })
  return `curl -N ${url}/chat -H 'x-user-id: ${localUser}' -H 'content-type: application/json' -d '${body}'`
}

const banner = (settings: Settings, url: string, key: string | undefined, session: Session | undefined) =>
  [
    `Stoa ${version} listens on ${url}`,
    "",
    `  Docs     ${url}/docs`,
    settings.database_url === undefined
      ? `  Data     ${
        resolve(settings.data_dir)
      } (embedded: safe against kill -9, not against a power cut; for that set STOA_DATABASE_URL)`
      : "  Data     PostgreSQL",
    ...(key === undefined ? [] : [
      `  Admin    ${key}`,
      "           This key manages API keys and is shown this once: keep it, and use it as STOA_API_KEY."
    ]),
    ...(session === undefined || !trustsUserHeader(settings) ? [] : ["", "Try it:", "", `  ${curlOf(url, session)}`]),
    ""
  ].join("\n")

/** Where clients on this machine reach a server that listens there. */
const urlOf = ({ host }: Settings, port: number) => {
  const name = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host
  return `http://${name.includes(":") && !name.startsWith("[") ? `[${name}]` : name}:${port}`
}

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

/** Whether the port is free, asked before a database is opened for nothing. */
const probe = (settings: Settings) =>
  Effect.async<void, CannotListen>((resume) => {
    const server = createTcpServer()
    server.once("error", (cause) => resume(Effect.fail(cannotListen(settings)(cause))))
    server.listen({ port: settings.port, host: settings.host, exclusive: true }, () =>
      server.close(() => resume(Effect.void)))
  })

const run = (settings: Settings, node: NodeServer, ended: Deferred.Deferred<never, StorageEnded>) =>
  Effect.gen(function*() {
    const owner = yield* RunOwner
    const rooms = yield* Rooms
    const readiness = yield* Readiness
    const { address } = yield* HttpServer.HttpServer
    const port = address._tag === "TcpAddress" ? address.port : settings.port
    const key = yield* firstKey
    const why = refusal(settings, true)
    if (why !== undefined) return yield* new CannotListen({ message: why })
    if (key !== undefined && trustsUserHeader(settings)) yield* firstSession

    yield* Effect.addFinalizer(() =>
      readiness.set(false).pipe(
        Effect.zipRight(Deferred.isDone(ended)),
        // Nothing that a run does from here on could be kept.
        Effect.flatMap((isEnded) => owner.drain(isEnded ? 0 : settings.drain_seconds)),
        Effect.zipRight(rooms.close("stopping")),
        Effect.zipRight(closeConnections(node))
      )
    )
    yield* owner.recover
    yield* readiness.set(true)
    yield* Console.log(banner(settings, urlOf(settings, port), key, yield* newestSession))
    return yield* Deferred.await(ended)
  }).pipe(Effect.scoped)

/**
 * Headers of one request in bytes; how long a connection may idle, and a request
 * take to arrive, in milliseconds. A missing Host is the boundary's to answer.
 */
const nodeOptions = {
  maxHeaderSize: 16 * 1024,
  keepAliveTimeout: 30_000,
  requestTimeout: 30_000,
  requireHostHeader: false
}

/** Serves until it is interrupted. */
export const launch = (settings: Settings, extensions: Host.Extensions = {}) => {
  const node = createServer(nodeOptions).on("clientError", answerUnreadable)
  const listening = NodeHttpServer.layer(() => node, { port: settings.port, host: settings.host }).pipe(
    Layer.mapError((error) => cannotListen(settings)(error.cause))
  )
  const door = Server.layer({
    loopback: isLoopback(settings.host),
    corsOrigins: settings.cors_origins,
    allowedHosts: settings.allowed_hosts
  }).pipe(Layer.provideMerge(listening))
  const serving = (ended: Deferred.Deferred<never, StorageEnded>) =>
    run(settings, node, ended).pipe(
      Effect.provide(
        door.pipe(Layer.provideMerge(Layer.merge(Host.layer(settings, extensions), ReadinessLocal.layer)))
      ),
      Effect.provideService(Fatal, { report: (error) => Effect.asVoid(Deferred.fail(ended, error)) })
    )
  return probe(settings).pipe(
    Effect.zipRight(Effect.flatMap(Deferred.make<never, StorageEnded>(), serving)),
    Logger.withMinimumLogLevel(LogLevel.fromLiteral(levelNames[settings.log_level]))
  )
}

const levelNames = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warning: "Warning",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

const text = (name: string, value: string, description: string) =>
  Options.text(name).pipe(Options.withPseudoName(value), Options.withDescription(description))

const number = (name: string, value: string, description: string) =>
  Options.float(name).pipe(Options.withPseudoName(value), Options.withDescription(description), Options.optional)

const options = {
  host: Options.optional(text("host", "HOST", "Address to listen on (default 127.0.0.1)")),
  port: Options.integer("port").pipe(
    Options.withPseudoName("PORT"),
    Options.withDescription("Port; 0 takes a free one (default 8000)"),
    Options.optional
  ),
  data_dir: Options.optional(
    text("data-dir", "FOLDER", "Folder of the embedded database and the vault's key (default .stoa)")
  ),
  models_dir: Options.optional(
    text("models-dir", "FOLDER", "Folder of your own model cards, <provider>/<name>.yaml")
  ),
  trust_user_header: Options.boolean("trust-user-header").pipe(
    Options.withDescription("A proxy in front sets X-User-ID, and nobody else can reach this server"),
    Options.optional
  ),
  cors_origins: Options.optional(text("cors-origins", "ORIGINS", "Browser origins that may call, separated by commas")),
  allowed_hosts: Options.optional(
    text("allowed-hosts", "HOSTS", "Names that requests may be addressed to, separated by commas")
  ),
  outbound_hosts: Options.optional(
    text("outbound-hosts", "HOSTS", "Inner hosts and ranges that credentials may name, separated by commas")
  ),
  drain_seconds: number("drain-seconds", "SECONDS", "How long runs may go on after a request to stop (default 10)"),
  run_seconds: number("run-seconds", "SECONDS", "How long a run may work; 0 is without end (default 3600)"),
  tool_seconds: number("tool-seconds", "SECONDS", "How long one tool call may take (default 300)"),
  model_first_byte_seconds: number(
    "model-first-byte-seconds",
    "SECONDS",
    "How long a model may take to begin its answer (default 60)"
  ),
  model_idle_seconds: number(
    "model-idle-seconds",
    "SECONDS",
    "How long a model may say nothing within its answer (default 60)"
  ),
  parked_hours: number(
    "parked-hours",
    "HOURS",
    "How long a run may wait for an answer; 0 is without end (default 168)"
  ),
  retain_days: number("retain-days", "DAYS", "How long the events of ended runs are kept; 0 is for ever (default 0)"),
  accept_new_vault_key: Options.boolean("accept-new-vault-key").pipe(
    Options.withDescription("Begin with another vault key, and lose the secrets and API keys made with the one before"),
    Options.optional
  ),
  // By its short name it gets past the library's own option of this name.
  log_level: text("log-level", "LEVEL", "trace, debug, info, warning, error, fatal or none (default info)").pipe(
    Options.withAlias("l"),
    Options.optional
  ),
  config: Options.optional(text("config", "FILE", "A settings file (default stoa.yaml, when there is one)"))
}

const list = (text: Option.Option<string>) =>
  Option.getOrUndefined(
    Option.map(text, (names) => names.split(",").map((name) => name.trim()).filter((name) => name !== ""))
  )

export type Extensions = Host.Extensions

export const serve = (extensions: Extensions) =>
  Command.make("serve", options, (flags) =>
    Effect.gen(function*() {
      const settings = yield* SettingsSource.read({
        flags: {
          host: Option.getOrUndefined(flags.host),
          port: Option.getOrUndefined(flags.port),
          data_dir: Option.getOrUndefined(flags.data_dir),
          models_dir: Option.getOrUndefined(flags.models_dir),
          trust_user_header: Option.getOrUndefined(flags.trust_user_header),
          cors_origins: list(flags.cors_origins),
          allowed_hosts: list(flags.allowed_hosts),
          outbound_hosts: list(flags.outbound_hosts),
          drain_seconds: Option.getOrUndefined(flags.drain_seconds),
          run_seconds: Option.getOrUndefined(flags.run_seconds),
          tool_seconds: Option.getOrUndefined(flags.tool_seconds),
          model_first_byte_seconds: Option.getOrUndefined(flags.model_first_byte_seconds),
          model_idle_seconds: Option.getOrUndefined(flags.model_idle_seconds),
          parked_hours: Option.getOrUndefined(flags.parked_hours),
          retain_days: Option.getOrUndefined(flags.retain_days),
          accept_new_vault_key: Option.getOrUndefined(flags.accept_new_vault_key),
          log_level: Option.getOrUndefined(flags.log_level) as SettingsSource.Flags["log_level"]
        },
        env: yield* Env,
        config: Option.getOrUndefined(flags.config)
      })
      return yield* launch(settings, extensions)
    }).pipe(Effect.provide(NodeFileSystem.layer))).pipe(Command.withDescription("Run the server"))
