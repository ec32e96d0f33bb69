/** What an operator can choose about a server, and what follows from it. */
import { Option, Schema, SchemaAST } from "effect"
import { ChannelSettings } from "./Channel.ts"
import { DashboardSettings } from "./Dashboard.ts"
import { maxDelegationDepth, usualDelegationDepth } from "./Delegation.ts"
import { defaultFilesMegabytes } from "./File.ts"
import { Webhooks } from "./Hook.ts"
import { Receivers } from "./Receivers.ts"
import { minIntervalSeconds } from "./Schedule.ts"
import { Isolation, type WorkspaceLimits } from "./Workspace.ts"

/** An address to listen on; a URL or a port does not belong here. */
const host = Schema.String.pipe(Schema.pattern(/^[\w.:[\]%-]{1,255}$/)).annotations({
  description: "an address or host name such as 127.0.0.1, without a port"
})

const port = Schema.Int.pipe(Schema.between(0, 65535)).annotations({
  description: "a port from 0 to 65535, where 0 takes any free one"
})

const folder = Schema.String.pipe(Schema.pattern(/^[^\0]{1,4096}$/)).annotations({
  description: "the path of a folder"
})

const watch = Schema.Boolean.annotations({ description: "true or false" })

const databaseUrl = Schema.Redacted(Schema.String.pipe(Schema.pattern(/^postgres(ql)?:\/\/\S+$/))).annotations({
  description: "a URL such as postgres://user:password@localhost:5432/stoa"
})

const trustUserHeader = Schema.Boolean.annotations({ description: "true or false" })

/** Origins must be named: with a trusted X-User-ID, `*` would let every web page act for every user. */
const origin = Schema.String.pipe(Schema.pattern(/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*,]+$/))
const corsOrigins = Schema.Array(origin).annotations({
  description: "a list of origins such as https://app.example.com, lower case, without a path and without *"
})

const allowedHosts = Schema.Array(Schema.String.pipe(Schema.pattern(/^([a-z0-9._-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/)))
  .annotations({
    description: "a list of host names such as stoa.example.com, lower case, each with or without a port"
  })

const publicUrl = Schema.String.pipe(
  Schema.pattern(
    /^https?:\/\/(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::\d{1,5})?(?:\/[A-Za-z0-9._~-]{1,64}){0,8}$/
  )
).annotations({
  description: "an address such as https://stoa.example.com, lower case, without a slash at its end"
})

/** `name`, `name:port`, an address with or without a port, or a range such as 10.1.0.0/16. */
const isOutboundHost = (text: string): boolean => {
  const [, address, bits] = /^([\da-f.:]+)\/(\d{1,3})$/.exec(text) ?? []
  if (address !== undefined) return isAddress(address) && Number(bits) <= (address.includes(":") ? 128 : 32)
  if (/^[\da-f]*:[\da-f.]*:[\da-f:.]*$/.test(text)) return isAddress(text)
  const [, name, port] = /^([a-z0-9._-]{1,253}|\[[\da-f:.]+\])(?::(\d{1,5}))?$/.exec(text) ?? []
  if (name === undefined || Number(port ?? 1) > 65_535 || port === "0") return false
  return /^[\d.]+$|^\[/.test(name) ? isAddress(name.replace(/^\[|\]$/g, "")) : URL.canParse(`http://${name}`)
}

/** Whether it is an IP address in its usual spelling; 127.1 and 0x7f000001 are not. */
const isAddress = (text: string): boolean =>
  text.includes(":")
    ? URL.canParse(`http://[${text}]`)
    : /^\d{1,3}(\.\d{1,3}){3}$/.test(text) && URL.canParse(`http://${text}`) &&
      new URL(`http://${text}`).hostname === text

const outboundHosts = Schema.Array(Schema.String.pipe(Schema.filter(isOutboundHost))).annotations({
  description: "a list of host names, addresses (both with or without a port) and ranges, lower case, such as "
    + "ollama.internal:11434 and 10.1.0.0/16"
})

const hubs = Schema.Array(Schema.String.pipe(Schema.pattern(/^[^\0,]{1,4096}$/))).annotations({
  description: "a list of folders, and of addresses such as https://hub.example.com/hub.json"
})

const maxFilesMegabytes = Schema.Number.pipe(Schema.between(0.1, 32)).annotations({
  description: "megabytes from 0.1 to 32"
})

const drainSeconds = Schema.Number.pipe(Schema.between(0, 600)).annotations({
  description: "seconds from 0 to 600"
})

const maxConnections = Schema.Int.pipe(Schema.between(1, 1_000_000)).annotations({
  description: "a number of connections from 1 to 1000000"
})

const keepAliveSeconds = Schema.Number.pipe(Schema.between(1, 3_600)).annotations({
  description: "seconds from 1 to 3600"
})

const workerOnly = Schema.Boolean.annotations({ description: "true or false" })
const logRequests = Schema.Boolean.annotations({ description: "true or false" })

const runSeconds = Schema.Number.pipe(Schema.between(0, 86_400)).annotations({
  description: "seconds from 0 to 86400, where 0 is without end"
})

const toolSeconds = Schema.Number.pipe(Schema.between(0.1, 86_400)).annotations({
  description: "seconds from 0.1 to 86400"
})

const delegationDepth = Schema.Int.pipe(Schema.between(0, maxDelegationDepth)).annotations({
  description: `a number of agents from 0 to ${maxDelegationDepth}, where 0 lets no agent hand work on`
})

const handlerThreads = Schema.Int.pipe(Schema.between(1, 1_000)).annotations({
  description: "a number of threads from 1 to 1000"
})

const backgroundSeconds = Schema.Number.pipe(Schema.between(0, 86_400)).annotations({
  description: "seconds from 0 to 86400, where 0 is never"
})

const silenceSeconds = Schema.Number.pipe(Schema.between(0.1, 3_600)).annotations({
  description: "seconds from 0.1 to 3600"
})

const parkedHours = Schema.Number.pipe(Schema.between(0, 87_600)).annotations({
  description: "hours from 0 to 87600, where 0 is without end"
})

const retainDays = Schema.Number.pipe(Schema.between(0, 36_500)).annotations({
  description: "days from 0 to 36500, where 0 is for ever"
})

const channelRetainHours = Schema.Number.pipe(Schema.between(0.01, 8_760)).annotations({
  description: "hours from 0.01 to 8760"
})

const channels = ChannelSettings.annotations({
  description: "channels by their names, each true, false, or with any of mount (a path such as /v1, or nothing), "
    + "agent (a name or an id), idle_hours (0 to 87600) and options (all, or a list of names)"
})

const hooks = Webhooks.annotations({
  description:
    "a list of webhooks, each with a url, a secret (whsec_ and the base64 of 24 to 64 bytes) and points such "
    + "as tool.before, and with or without a name, required (true or false) and timeout (seconds from 0.1 to 10)"
})

const dashboard = DashboardSettings.annotations({
  description:
    "true, false, or any of enabled (true or false), title, subtitle, logo and favicon (paths of pictures) and "
    + "accent (a colour such as #3b52d4)"
})

const scheduleMinSeconds = Schema.Number.pipe(Schema.between(0.1, 60)).annotations({
  description: "seconds from 0.1 to 60"
})

const workspace = Schema.Literal("auto", "bubblewrap", "docker", "e2b", "local", "files").annotations({
  description: "one of auto, bubblewrap, docker, e2b, local and files"
})

const dockerHost = Schema.String.pipe(
  Schema.pattern(/^(unix:\/\/\/[^\s?#]{1,200}|(tcp|http):\/\/([\w.-]{1,253}|\[[0-9a-fA-F:]{2,45}\])(:\d{1,5})?\/?)$/)
).annotations({ description: "unix:// and the path of a socket, or tcp://host:port" })

const dockerImage = Schema.String.pipe(
  Schema.pattern(/^[a-z0-9][a-zA-Z0-9._/:@-]{0,254}$/)
).annotations({ description: "the name of an image, such as debian:stable-slim" })

const dockerNetwork = Schema.String.pipe(
  Schema.pattern(/^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/),
  // In these a container would have the host's network, or another container's.
  Schema.filter((name) => name !== "host" && name !== "container")
).annotations({ description: "none, or the name of a network of the engine, not host" })

const e2bApiKey = Schema.Redacted(Schema.String.pipe(Schema.pattern(/^[\x21-\x7e]{1,512}$/))).annotations({
  description: "a key of the service, such as e2b_…"
})

const e2bDomain = Schema.String.pipe(Schema.pattern(/^[a-z0-9.-]{1,253}(:\d{1,5})?$/)).annotations({
  description: "a domain such as e2b.app"
})

const e2bUrl = Schema.String.pipe(
  Schema.pattern(/^https?:\/\/([a-z0-9._-]{1,253}|\[[0-9a-f:]{2,45}\])(:\d{1,5})?(\/[\w./-]{0,200})?$/)
)
  .annotations({ description: "an address such as https://api.e2b.app" })

const e2bTemplate = Schema.String.pipe(Schema.pattern(/^[a-zA-Z0-9][a-zA-Z0-9_./:-]{0,127}$/)).annotations({
  description: "the name or id of a template"
})

const e2bInternet = Schema.Boolean.annotations({ description: "true or false" })

const workspaceIsolation = Isolation.annotations({ description: "one of agent, user and session" })

const workspaceMegabytes = Schema.Int.pipe(Schema.between(1, 1_000_000)).annotations({
  description: "megabytes from 1 to 1000000"
})

const workspaceFiles = Schema.Int.pipe(Schema.between(1, 1_000_000)).annotations({
  description: "a number of files from 1 to 1000000"
})

const workspaceProcesses = Schema.Int.pipe(Schema.between(8, 10_000)).annotations({
  description: "a number of processes from 8 to 10000"
})

const workspaceMemory = Schema.Int.pipe(Schema.between(64, 1_000_000)).annotations({
  description: "megabytes from 64 to 1000000"
})

const workspaceSeconds = Schema.Int.pipe(Schema.between(1, 86_400)).annotations({
  description: "seconds from 1 to 86400"
})

const sessionTitles = Schema.Boolean.annotations({ description: "true or false" })

/** A credential's type and a model of it. */
const titleModel = Schema.String.pipe(Schema.pattern(/^[a-z0-9_]{1,64}:\S{1,256}$/))
const titleModels = Schema.Array(titleModel).annotations({
  description: "a list of models such as openai_credential:gpt-5-nano, each behind the type of its credential"
})

const receivers = Receivers.annotations({
  description:
    "a list of receivers, each with a name, a url, and with or without a secret (whsec_ and the base64 of 24 "
    + "to 64 bytes)"
})

const smtpUrl = Schema.Redacted(Schema.String.pipe(Schema.pattern(/^smtps?:\/\/\S{1,2048}$/))).annotations({
  description: "a URL such as smtps://user:password@mail.example.com"
})

const mailFrom = Schema.String.pipe(
  Schema.pattern(/^([^<>@\r\n]{0,100}<[^<>@\s]{1,64}@[A-Za-z0-9.-]{1,253}>|[^<>@\s]{1,64}@[A-Za-z0-9.-]{1,253})$/)
)
  .annotations({ description: "an address such as stoa@example.com, or Stoa <stoa@example.com>" })

const vaultKey = Schema.Redacted(Schema.String.pipe(Schema.minLength(1))).annotations({
  description: "32 bytes as base64 or hex, several separated by commas"
})

const acceptNewVaultKey = Schema.Boolean.annotations({ description: "true or false" })

const logLevel = Schema.Literal("trace", "debug", "info", "warning", "error", "fatal", "none").annotations({
  description: "one of trace, debug, info, warning, error, fatal and none"
})

const logFormat = Schema.Literal("pretty", "json", "logfmt").annotations({
  description: "one of pretty, json and logfmt"
})

export const Settings = Schema.Struct({
  host: Schema.optionalWith(host, { exact: true, default: () => "127.0.0.1" }),
  port: Schema.optionalWith(port, { exact: true, default: () => 8000 }),
  /** Where the embedded database and the vault's key file are kept. */
  data_dir: Schema.optionalWith(folder, { exact: true, default: () => ".stoa" }),
  /** A folder of the operator's own model cards: `<provider>/<any name>.yaml`. */
  models_dir: Schema.optionalWith(folder, { exact: true }),
  /** The folder that holds `agents/`, `tools/` and `skills/` of the operator's; the one of the settings file, when it has agents. */
  definitions_dir: Schema.optionalWith(folder, { exact: true }),
  /** Whether they are read again when something in it changes. */
  watch: Schema.optionalWith(watch, { exact: true, default: () => false }),
  /** A PostgreSQL to use instead of the embedded one. */
  database_url: Schema.optionalWith(databaseUrl, { exact: true }),
  /** The operator declares that a proxy in front sets X-User-ID, and that nobody else can reach this server. */
  trust_user_header: Schema.optionalWith(trustUserHeader, { exact: true, default: () => false }),
  /** Empty: loopback origins while listening on loopback, else none. */
  cors_origins: Schema.optionalWith(corsOrigins, { exact: true, default: () => [] }),
  /** Names that requests may be addressed to, beside loopback. */
  allowed_hosts: Schema.optionalWith(allowedHosts, { exact: true, default: () => [] }),
  /** Where others reach this server; without it where a request has found it, by plain HTTP. */
  public_url: Schema.optionalWith(publicUrl, { exact: true }),
  /** Private hosts that tenants' credentials may name. Without them only public addresses may be reached, and loopback if the server listens there. */
  outbound_hosts: Schema.optionalWith(outboundHosts, { exact: true, default: () => [] }),
  /** Hubs of MCP servers and skills, which tenants may install from: folders with hub.yaml, and addresses of JSON. */
  hubs: Schema.optionalWith(hubs, { exact: true, default: () => [] }),
  /** How large the pictures and other files of one request may be together. */
  max_files_mb: Schema.optionalWith(maxFilesMegabytes, { exact: true, default: () => defaultFilesMegabytes }),
  /** What the programs of workspaces run in. `auto` is bubblewrap where it works, else nothing can be run. */
  workspace: Schema.optionalWith(workspace, { exact: true, default: () => "auto" as const }),
  /** Who shares a workspace. */
  workspace_isolation: Schema.optionalWith(workspaceIsolation, { exact: true, default: () => "agent" as const }),
  /** Where workspaces are kept; `workspaces` in the data folder without it. */
  workspace_dir: Schema.optionalWith(folder, { exact: true }),
  /** The container engine of `docker`, the image of its containers, and their network. */
  docker_host: Schema.optionalWith(dockerHost, { exact: true, default: () => "unix:///var/run/docker.sock" }),
  docker_image: Schema.optionalWith(dockerImage, { exact: true, default: () => "debian:stable-slim" }),
  docker_network: Schema.optionalWith(dockerNetwork, { exact: true, default: () => "none" }),
  /** The folder of the workspaces as the engine sees it, where it has another path there. */
  docker_dir: Schema.optionalWith(folder, { exact: true }),
  /** The service of the sandboxes of `e2b`; its addresses are `api.` of the domain and one below it for each sandbox. */
  e2b_api_key: Schema.optionalWith(e2bApiKey, { exact: true }),
  e2b_domain: Schema.optionalWith(e2bDomain, { exact: true, default: () => "e2b.app" }),
  e2b_api_url: Schema.optionalWith(e2bUrl, { exact: true }),
  /** One address for all sandboxes, which are told apart by a header. */
  e2b_sandbox_url: Schema.optionalWith(e2bUrl, { exact: true }),
  e2b_template: Schema.optionalWith(e2bTemplate, { exact: true, default: () => "base" }),
  e2b_internet: Schema.optionalWith(e2bInternet, { exact: true, default: () => false }),
  /** How much one workspace may have, and one command that runs in it. */
  workspace_max_mb: Schema.optionalWith(workspaceMegabytes, { exact: true, default: () => 1_024 }),
  workspace_max_files: Schema.optionalWith(workspaceFiles, { exact: true, default: () => 50_000 }),
  workspace_processes: Schema.optionalWith(workspaceProcesses, { exact: true, default: () => 128 }),
  workspace_memory_mb: Schema.optionalWith(workspaceMemory, { exact: true, default: () => 1_024 }),
  workspace_cpu_seconds: Schema.optionalWith(workspaceSeconds, { exact: true, default: () => 600 }),
  /** How long a workspace that nobody uses is kept open. */
  workspace_idle_seconds: Schema.optionalWith(workspaceSeconds, { exact: true, default: () => 3_600 }),
  /** How long runs may go on after a request to stop. */
  drain_seconds: Schema.optionalWith(drainSeconds, { exact: true, default: () => 10 }),
  /** How long a run may work; waiting for a person or a client does not count. 0 means without limit. */
  run_seconds: Schema.optionalWith(runSeconds, { exact: true, default: () => 3_600 }),
  /** How long one tool call may take. */
  tool_seconds: Schema.optionalWith(toolSeconds, { exact: true, default: () => 300 }),
  /** How many agents may stand above one that was handed work. */
  delegation_depth: Schema.optionalWith(delegationDepth, { exact: true, default: () => usualDelegationDepth }),
  /** How many handlers of tools in the definitions run at once: half of them of one tool, a quarter for one tenant. */
  handler_threads: Schema.optionalWith(handlerThreads, { exact: true, default: () => 32 }),
  /** How long one tool call may take until it goes on in the background; never with 0. */
  background_seconds: Schema.optionalWith(backgroundSeconds, { exact: true, default: () => 10 }),
  /** How long it may take there, from its beginning on. */
  task_seconds: Schema.optionalWith(toolSeconds, { exact: true, default: () => 3_600 }),
  /** How long a model may say nothing: before the first part of its answer, and between two. */
  model_first_byte_seconds: Schema.optionalWith(silenceSeconds, { exact: true, default: () => 60 }),
  model_idle_seconds: Schema.optionalWith(silenceSeconds, { exact: true, default: () => 60 }),
  /** How long a run may wait for a person or a client. 0 means without limit. */
  parked_hours: Schema.optionalWith(parkedHours, { exact: true, default: () => 168 }),
  /** How long the events of ended runs are kept; the transcript stays. 0 means for ever. */
  retain_days: Schema.optionalWith(retainDays, { exact: true, default: () => 0 }),
  /** Which channels are served, and where; those that are not named here are as they come. */
  channels: Schema.optionalWith(channels, { exact: true, default: () => ({}) }),
  /** Webhooks that are asked or told at points of the server and of its runs. */
  hooks: Schema.optionalWith(hooks, { exact: true, default: () => [] }),
  /** Whether there is a dashboard, and how it looks. */
  dashboard: Schema.optionalWith(dashboard, { exact: true, default: () => true }),
  /** How long sessions are kept that a channel made for a single request. */
  channel_retain_hours: Schema.optionalWith(channelRetainHours, { exact: true, default: () => 24 }),
  /** The shortest time between two fires of one schedule. */
  schedule_min_seconds: Schema.optionalWith(scheduleMinSeconds, { exact: true, default: () => minIntervalSeconds }),
  /** Whether a session that nobody has named gets a title from its first exchange. */
  session_titles: Schema.optionalWith(sessionTitles, { exact: true, default: () => false }),
  /** The models that write titles, by the type of the session's credential; without one the session's own does. */
  session_title_models: Schema.optionalWith(titleModels, { exact: true, default: () => [] }),
  /** Receivers that the notifications of definitions name. */
  receivers: Schema.optionalWith(receivers, { exact: true, default: () => [] }),
  /** A mail server for notifications; without it none go out by e-mail. */
  smtp_url: Schema.optionalWith(smtpUrl, { exact: true }),
  /** Who these mails are from. */
  mail_from: Schema.optionalWith(mailFrom, { exact: true, default: () => "stoa@localhost" }),
  /** The vault's keys, newest first; without them a key file in `data_dir` is made and used. */
  vault_key: Schema.optionalWith(vaultKey, { exact: true }),
  /** Starts with the given or a fresh vault key although the database was written with another; what that one sealed is lost. */
  accept_new_vault_key: Schema.optionalWith(acceptNewVaultKey, { exact: true, default: () => false }),
  /** Most connections of clients at once. Without it, as many as the process's descriptors allow, up to 16384. */
  max_connections: Schema.optionalWith(maxConnections, { exact: true }),
  /** How long a client's connection may idle between two requests: longer than a balancer in front keeps its own. */
  keep_alive_seconds: Schema.optionalWith(keepAliveSeconds, { exact: true, default: () => 75 }),
  /** Whether there is a line in the log for each request. */
  log_requests: Schema.optionalWith(logRequests, { exact: true, default: () => true }),
  /** Does what is due and takes over what was left, and answers nothing but how it is. */
  worker_only: Schema.optionalWith(workerOnly, { exact: true, default: () => false }),
  log_level: Schema.optionalWith(logLevel, { exact: true, default: () => "info" as const }),
  /** The default is pretty for a terminal and JSON otherwise. */
  log_format: Schema.optionalWith(logFormat, { exact: true })
})
export interface Settings extends Schema.Schema.Type<typeof Settings> {}
export type SettingsInput = typeof Settings.Encoded
export type SettingName = keyof Settings

export const settingNames = Object.keys(Settings.fields) as ReadonlyArray<SettingName>

export const defaults: Settings = Schema.decodeSync(Settings)({})

/** Says what a setting must be, in words that follow "expected". */
export const expectationOf = (name: SettingName): string => {
  const { ast } = Settings.fields[name]
  const type = ast._tag === "PropertySignatureTransformation" ? ast.from.type : ast.type
  return Option.getOrElse(SchemaAST.getDescriptionAnnotation(type), () => name)
}

const megabyte = 1024 * 1024

export const workspaceLimits = (settings: Settings): WorkspaceLimits => ({
  bytes: settings.workspace_max_mb * megabyte,
  files: settings.workspace_max_files,
  processes: settings.workspace_processes,
  memory: settings.workspace_memory_mb * megabyte,
  cpuSeconds: settings.workspace_cpu_seconds
})

/** Whether only this machine can reach the address. Unusual spellings of loopback count as public. */
export const isLoopback = (host: string): boolean =>
  /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?|\[?::ffff:127(\.\d{1,3}){3}\]?)$/i.test(host)

/** Whether `X-User-ID` is believed. */
export const trustsUserHeader = (settings: Settings): boolean => isLoopback(settings.host) || settings.trust_user_header

/**
 * Says why a server must not start with these settings. On a public address somebody
 * has to prove who asks: a proxy that sets X-User-ID, or keys.
 * `hasKeys`: a usable API key exists, or the start makes the first one.
 */
export const refusal = (settings: Settings, hasKeys: boolean): string | undefined =>
  hasKeys || trustsUserHeader(settings)
    ? undefined
    : `The address ${settings.host} is public, and nobody could prove who they are: make an API key first while ` +
      "listening on 127.0.0.1, or set trust_user_header to true if a proxy in front of this server sets X-User-ID."
