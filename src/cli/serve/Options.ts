/** The options of `stoa serve`, and the settings that they choose. Each names its environment variable. */
import { Options } from "@effect/cli"
import { Effect, Option } from "effect"
import type { SettingName } from "../../domain/Settings.ts"
import { Env } from "../Env.ts"
import * as SettingsSource from "../Settings.ts"

const described = (setting: SettingName, description: string, fallback?: string | number) =>
  `${description} (${SettingsSource.variableOf(setting)}${fallback === undefined ? "" : `, default ${fallback}`})`

const nameOf = (setting: SettingName) => setting.replaceAll("_", "-")

const text = (setting: SettingName, value: string, description: string, fallback?: string) =>
  Options.text(nameOf(setting)).pipe(
    Options.withPseudoName(value),
    Options.withDescription(described(setting, description, fallback))
  )

const number = (setting: SettingName, value: string, description: string, fallback: number) =>
  Options.float(nameOf(setting)).pipe(
    Options.withPseudoName(value),
    Options.withDescription(described(setting, description, fallback)),
    Options.optional
  )

/** The library reads a switch that nobody has typed as `false`, and that would win over the environment and the settings file. */
const typed = (given: boolean) => given ? Option.some(true) : Option.none<boolean>()

const on = (setting: SettingName, description: string) =>
  Options.boolean(nameOf(setting)).pipe(Options.withDescription(described(setting, description)), Options.map(typed))

const onOrOff = (setting: SettingName, description: string, fallback: string) =>
  Options.all([
    Options.boolean(nameOf(setting)).pipe(Options.withDescription(described(setting, description, fallback))),
    Options.boolean(`no-${nameOf(setting)}`).pipe(Options.withDescription(`The opposite of --${nameOf(setting)}`))
  ]).pipe(Options.map(([yes, no]) => no ? Option.some(false) : typed(yes)))

export const options = {
  host: Options.optional(text("host", "HOST", "Address to listen on", "127.0.0.1")),
  port: Options.integer("port").pipe(
    Options.withPseudoName("PORT"),
    Options.withDescription(described("port", "Port; 0 takes a free one", 8000)),
    Options.optional
  ),
  data_dir: Options.optional(
    text("data_dir", "FOLDER", "Folder of the embedded database and the vault's key", ".stoa")
  ),
  models_dir: Options.optional(
    text("models_dir", "FOLDER", "Folder of your own model cards, <provider>/<name>.yaml")
  ),
  definitions_dir: Options.optional(
    text("definitions_dir", "FOLDER", "Folder of your agents/, tools/ and skills/", "beside stoa.yaml")
  ),
  watch: on("watch", "Read the definitions again when something in their folder changes"),
  trust_user_header: on("trust_user_header", "A proxy in front sets X-User-ID, and nobody else can reach this server"),
  cors_origins: Options.optional(text("cors_origins", "ORIGINS", "Browser origins that may call, separated by commas")),
  allowed_hosts: Options.optional(
    text("allowed_hosts", "HOSTS", "Names that requests may be addressed to, separated by commas")
  ),
  public_url: Options.optional(
    text("public_url", "URL", "Where others reach this server, such as https://stoa.example.com")
  ),
  outbound_hosts: Options.optional(
    text("outbound_hosts", "HOSTS", "Inner hosts and ranges that credentials may name, separated by commas")
  ),
  hubs: Options.optional(
    text("hubs", "PLACES", "Folders and addresses of hubs of skills and MCP servers, separated by commas")
  ),
  max_files_mb: number(
    "max_files_mb",
    "MEGABYTES",
    "How large the pictures and files of one request may be together",
    20
  ),
  workspace: Options.optional(
    text(
      "workspace",
      "KIND",
      "What agents' programs run in: auto, bubblewrap, docker, e2b, local (no sandbox) or files (none run)",
      "auto"
    )
  ),
  workspace_isolation: Options.optional(
    text("workspace_isolation", "POLICY", "Who shares a workspace: agent, user or session", "agent")
  ),
  workspace_dir: Options.optional(
    text("workspace_dir", "FOLDER", "Folder of the workspaces", "workspaces in the data folder")
  ),
  docker_host: Options.optional(
    text("docker_host", "ADDRESS", "Socket or address of the container engine", "unix:///var/run/docker.sock")
  ),
  docker_image: Options.optional(text("docker_image", "IMAGE", "Image of the containers", "debian:stable-slim")),
  docker_network: Options.optional(text("docker_network", "NETWORK", "Network of the containers", "none")),
  docker_dir: Options.optional(
    text("docker_dir", "FOLDER", "Folder of the workspaces as the container engine sees it")
  ),
  e2b_domain: Options.optional(text("e2b_domain", "DOMAIN", "Domain of the service of sandboxes", "e2b.app")),
  e2b_api_url: Options.optional(text("e2b_api_url", "URL", "Address of its API", "https://api.<domain>")),
  e2b_sandbox_url: Options.optional(text("e2b_sandbox_url", "URL", "One address that leads to all sandboxes")),
  e2b_template: Options.optional(text("e2b_template", "TEMPLATE", "What sandboxes are made from", "base")),
  e2b_internet: on("e2b_internet", "Let programs in sandboxes reach the internet"),
  workspace_max_mb: number("workspace_max_mb", "MEGABYTES", "How much the files of one workspace may have", 1024),
  workspace_max_files: number("workspace_max_files", "COUNT", "How many files one workspace may have", 50_000),
  workspace_processes: number("workspace_processes", "COUNT", "How many processes one command may have", 128),
  workspace_memory_mb: number("workspace_memory_mb", "MEGABYTES", "How much memory one command may have", 1024),
  workspace_cpu_seconds: number("workspace_cpu_seconds", "SECONDS", "Processor time of one process", 600),
  workspace_idle_seconds: number("workspace_idle_seconds", "SECONDS", "How long an unused workspace stays open", 3600),
  drain_seconds: number("drain_seconds", "SECONDS", "How long runs may go on after a request to stop", 10),
  run_seconds: number("run_seconds", "SECONDS", "How long a run may work; 0 is without end", 3600),
  tool_seconds: number("tool_seconds", "SECONDS", "How long one tool call may take", 300),
  delegation_depth: number("delegation_depth", "COUNT", "How often work may be handed on from agent to agent", 3),
  handler_threads: number("handler_threads", "COUNT", "How many handlers of tools in the definitions run at once", 32),
  background_seconds: number(
    "background_seconds",
    "SECONDS",
    "How long a tool call may take until it goes on in the background; 0 is never",
    10
  ),
  task_seconds: number("task_seconds", "SECONDS", "How long a tool call may take in the background", 3600),
  model_first_byte_seconds: number(
    "model_first_byte_seconds",
    "SECONDS",
    "How long a model may take to begin its answer",
    60
  ),
  model_idle_seconds: number(
    "model_idle_seconds",
    "SECONDS",
    "How long a model may say nothing within its answer",
    60
  ),
  parked_hours: number("parked_hours", "HOURS", "How long a run may wait for an answer; 0 is without end", 168),
  schedule_min_seconds: number(
    "schedule_min_seconds",
    "SECONDS",
    "The shortest time between two fires of a schedule",
    10
  ),
  session_titles: onOrOff(
    "session_titles",
    "A title for each session that nobody has named, made by a model",
    "false"
  ),
  session_title_models: Options.optional(
    text(
      "session_title_models",
      "MODELS",
      "The models that make titles: openai_credential:gpt-5-nano and so on, with commas"
    )
  ),
  mail_from: Options.optional(text("mail_from", "ADDRESS", "Who e-mails of notifications are from")),
  retain_days: number("retain_days", "DAYS", "How long the events of ended runs are kept; 0 is for ever", 0),
  channel_retain_hours: number(
    "channel_retain_hours",
    "HOURS",
    "How long sessions are kept that a channel made for a single request",
    24
  ),
  max_connections: Options.integer("max-connections").pipe(
    Options.withPseudoName("COUNT"),
    Options.withDescription(
      described("max_connections", "Most connections at once; without it, as many as the system's limit allows")
    ),
    Options.optional
  ),
  keep_alive_seconds: number(
    "keep_alive_seconds",
    "SECONDS",
    "How long a client's connection may idle between two requests",
    75
  ),
  worker_only: on("worker_only", "Do jobs, fires and runs that others have left; answer nothing but /health"),
  log_requests: onOrOff("log_requests", "A line in the log for each request", "true"),
  accept_new_vault_key: on(
    "accept_new_vault_key",
    "Begin with another vault key, and lose the secrets and API keys made with the one before"
  ),
  // By its short name it gets past the library's own option of this name.
  log_level: text("log_level", "LEVEL", "trace, debug, info, warning, error, fatal or none", "info").pipe(
    Options.withAlias("l"),
    Options.optional
  ),
  log_format: Options.optional(
    text("log_format", "FORMAT", "pretty, json or logfmt", "pretty on a terminal, else json")
  ),
  config: Options.optional(
    Options.text("config").pipe(
      Options.withPseudoName("FILE"),
      Options.withDescription("A settings file (default stoa.yaml, when there is one)")
    )
  )
}

const list = (text: Option.Option<string>) =>
  Option.getOrUndefined(
    Option.map(text, (names) => names.split(",").map((name) => name.trim()).filter((name) => name !== ""))
  )

type Flags = {
  readonly [Name in keyof typeof options]: (typeof options)[Name] extends Options.Options<infer Value> ? Value : never
}

/** What was typed, then the environment, then the settings file. */
export const read = Effect.fnUntraced(function*(flags: Flags) {
  return yield* SettingsSource.read({
    flags: {
      host: Option.getOrUndefined(flags.host),
      port: Option.getOrUndefined(flags.port),
      data_dir: Option.getOrUndefined(flags.data_dir),
      models_dir: Option.getOrUndefined(flags.models_dir),
      definitions_dir: Option.getOrUndefined(flags.definitions_dir),
      watch: Option.getOrUndefined(flags.watch),
      trust_user_header: Option.getOrUndefined(flags.trust_user_header),
      cors_origins: list(flags.cors_origins),
      allowed_hosts: list(flags.allowed_hosts),
      public_url: Option.getOrUndefined(flags.public_url),
      outbound_hosts: list(flags.outbound_hosts),
      hubs: list(flags.hubs),
      max_files_mb: Option.getOrUndefined(flags.max_files_mb),
      workspace: Option.getOrUndefined(flags.workspace) as SettingsSource.Flags["workspace"],
      workspace_isolation: Option.getOrUndefined(
        flags.workspace_isolation
      ) as SettingsSource.Flags["workspace_isolation"],
      workspace_dir: Option.getOrUndefined(flags.workspace_dir),
      docker_host: Option.getOrUndefined(flags.docker_host),
      docker_image: Option.getOrUndefined(flags.docker_image),
      docker_network: Option.getOrUndefined(flags.docker_network),
      docker_dir: Option.getOrUndefined(flags.docker_dir),
      e2b_domain: Option.getOrUndefined(flags.e2b_domain),
      e2b_api_url: Option.getOrUndefined(flags.e2b_api_url),
      e2b_sandbox_url: Option.getOrUndefined(flags.e2b_sandbox_url),
      e2b_template: Option.getOrUndefined(flags.e2b_template),
      e2b_internet: Option.getOrUndefined(flags.e2b_internet),
      workspace_max_mb: Option.getOrUndefined(flags.workspace_max_mb),
      workspace_max_files: Option.getOrUndefined(flags.workspace_max_files),
      workspace_processes: Option.getOrUndefined(flags.workspace_processes),
      workspace_memory_mb: Option.getOrUndefined(flags.workspace_memory_mb),
      workspace_cpu_seconds: Option.getOrUndefined(flags.workspace_cpu_seconds),
      workspace_idle_seconds: Option.getOrUndefined(flags.workspace_idle_seconds),
      drain_seconds: Option.getOrUndefined(flags.drain_seconds),
      run_seconds: Option.getOrUndefined(flags.run_seconds),
      tool_seconds: Option.getOrUndefined(flags.tool_seconds),
      delegation_depth: Option.getOrUndefined(flags.delegation_depth),
      handler_threads: Option.getOrUndefined(flags.handler_threads),
      background_seconds: Option.getOrUndefined(flags.background_seconds),
      task_seconds: Option.getOrUndefined(flags.task_seconds),
      model_first_byte_seconds: Option.getOrUndefined(flags.model_first_byte_seconds),
      model_idle_seconds: Option.getOrUndefined(flags.model_idle_seconds),
      parked_hours: Option.getOrUndefined(flags.parked_hours),
      schedule_min_seconds: Option.getOrUndefined(flags.schedule_min_seconds),
      session_titles: Option.getOrUndefined(flags.session_titles),
      session_title_models: list(flags.session_title_models),
      mail_from: Option.getOrUndefined(flags.mail_from),
      retain_days: Option.getOrUndefined(flags.retain_days),
      channel_retain_hours: Option.getOrUndefined(flags.channel_retain_hours),
      max_connections: Option.getOrUndefined(flags.max_connections),
      keep_alive_seconds: Option.getOrUndefined(flags.keep_alive_seconds),
      worker_only: Option.getOrUndefined(flags.worker_only),
      log_requests: Option.getOrUndefined(flags.log_requests),
      accept_new_vault_key: Option.getOrUndefined(flags.accept_new_vault_key),
      log_level: Option.getOrUndefined(flags.log_level) as SettingsSource.Flags["log_level"],
      log_format: Option.getOrUndefined(flags.log_format) as SettingsSource.Flags["log_format"]
    },
    env: yield* Env,
    config: Option.getOrUndefined(flags.config)
  })
})
