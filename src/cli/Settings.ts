/**
 * The settings of a start: flags, then environment, then `stoa.yaml`. Anything
 * unknown or wrong stops the start, with a sentence that names the place and
 * what was expected, and never the value: it may be a secret.
 */
import * as FileSystem from "@effect/platform/FileSystem"
import { Data, Effect, Either, Option, Schema } from "effect"
import { dirname, join } from "node:path"
import { LineCounter, parseDocument } from "yaml"
import { expectationOf, type SettingName, settingNames, Settings, type SettingsInput } from "../domain/Settings.ts"
import { distance } from "../domain/Text.ts"

/** One sentence for each thing that is wrong. */
export class SettingsRefused extends Data.TaggedError("SettingsRefused")<{
  readonly problems: ReadonlyArray<string>
}> {
  override get message() {
    return this.problems.join("\n")
  }
}

/** Settings given on the command line; those left out are undefined. */
export type Flags = { readonly [Name in SettingName]?: SettingsInput[Name] | undefined }

export type Env = Readonly<Record<string, string | undefined>>

export interface YamlText {
  /** The setting's name as the operator knows it. */
  readonly path: string
  readonly text: string
}

export const variableOf = (name: SettingName) => `STOA_${name.toUpperCase()}`

const flagOf = (name: SettingName) => `--${name.replaceAll("_", "-")}`

/** Settings that may be given as a file: `STOA_VAULT_KEY_FILE`. */
const secrets = [
  "database_url",
  "e2b_api_key",
  "hooks",
  "receivers",
  "smtp_url",
  "vault_key"
] as const satisfies ReadonlyArray<
  SettingName
>

const fileVariableOf = (name: SettingName) => `${variableOf(name)}_FILE`

/** Settings without an option of `stoa serve`: other users can see command lines, and some would not fit into one. */
export const withoutOption: ReadonlyArray<readonly [variable: string, description: string]> = [
  [variableOf("channels"), "Channels by name, as JSON: {\"chat_completions\": {\"mount\": \"/v1\"}}"],
  [variableOf("dashboard"), "The dashboard: true, false, or JSON such as {\"title\": \"Our agents\"}"],
  [variableOf("database_url"), "A PostgreSQL to use instead of the embedded database"],
  [variableOf("e2b_api_key"), "The key of the service of sandboxes (STOA_WORKSPACE=e2b)"],
  [
    variableOf("hooks"),
    "Webhooks that are asked and told of runs, as JSON: [{\"url\": …, \"secret\": …, \"points\": …}]"
  ],
  [
    variableOf("receivers"),
    "Receivers that notifications of definitions name, as JSON: [{\"name\": …, \"url\": …, \"secret\": …}]"
  ],
  [variableOf("smtp_url"), "A mail server for notifications: smtps://user:password@host"],
  [variableOf("vault_key"), "The vault's keys, newest first (default: a key file in the data folder)"],
  ...secrets.map((name) => [fileVariableOf(name), `The same from a file`] as const)
]

/** Read by the commands that talk to a server. */
const clientVariables = ["STOA_URL", "STOA_API_KEY", "STOA_USER"]

const variables = [...settingNames.map(variableOf), ...secrets.map(fileVariableOf), ...clientVariables]

/** Kubernetes sets these in every pod beside a service that is called `stoa`. */
const isKubernetes = (variable: string, value: string) =>
  /^STOA_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_\d+_\w+)$/.test(variable) ||
  (variable === "STOA_PORT" && /^(tcp|udp):\/\//.test(value))

const numberOf = (text: string) => /^\d+(\.\d+)?$/.test(text) ? Number(text) : text
const jsonOf = (text: string): unknown => Either.getOrElse(Either.try(() => JSON.parse(text) as unknown), () => text)
const listOf = (text: string) => text.split(",").map((item) => item.trim()).filter((item) => item !== "")
const truths = new Map([["true", true], ["1", true], ["false", false], ["0", false]])

/** Turns the text of an environment variable into a value. */
const fromText: { readonly [Name in SettingName]?: (text: string) => unknown } = {
  port: numberOf,
  max_files_mb: numberOf,
  workspace_max_mb: numberOf,
  workspace_max_files: numberOf,
  workspace_processes: numberOf,
  workspace_memory_mb: numberOf,
  workspace_cpu_seconds: numberOf,
  workspace_idle_seconds: numberOf,
  drain_seconds: numberOf,
  run_seconds: numberOf,
  tool_seconds: numberOf,
  delegation_depth: numberOf,
  handler_threads: numberOf,
  background_seconds: numberOf,
  task_seconds: numberOf,
  model_first_byte_seconds: numberOf,
  model_idle_seconds: numberOf,
  parked_hours: numberOf,
  schedule_min_seconds: numberOf,
  retain_days: numberOf,
  channels: jsonOf,
  dashboard: jsonOf,
  hooks: jsonOf,
  receivers: jsonOf,
  channel_retain_hours: numberOf,
  max_connections: numberOf,
  keep_alive_seconds: numberOf,
  cors_origins: listOf,
  allowed_hosts: listOf,
  outbound_hosts: listOf,
  session_title_models: listOf,
  session_titles: (text) => truths.get(text.toLowerCase()) ?? text,
  hubs: listOf,
  watch: (text) => truths.get(text.toLowerCase()) ?? text,
  e2b_internet: (text) => truths.get(text.toLowerCase()) ?? text,
  trust_user_header: (text) => truths.get(text.toLowerCase()) ?? text,
  log_requests: (text) => truths.get(text.toLowerCase()) ?? text,
  worker_only: (text) => truths.get(text.toLowerCase()) ?? text,
  accept_new_vault_key: (text) => truths.get(text.toLowerCase()) ?? text
}

/** Longest name that is compared with the known ones. */
const maxName = 64

const plain = (name: string) => name.toLowerCase().replace(/^stoa_/, "").replace(/[^a-z0-9]/g, "")

const didYouMean = (name: string, known: ReadonlyArray<string>): string => {
  const word = plain(name)
  const near = word.length > maxName ? [] : known
    .map((candidate) => ({ candidate, edits: distance(word, plain(candidate)) }))
    .filter(({ candidate, edits }) => edits <= Math.max(1, Math.floor(plain(candidate).length / 3)))
    .toSorted((a, b) => a.edits - b.edits)
  return near[0] === undefined ? "" : ` Did you mean ${near[0].candidate}?`
}

/** A value and where it came from. */
interface Found {
  readonly source: string
  readonly value: unknown
}

type Read = { readonly found: ReadonlyMap<string, Found>; readonly problems: ReadonlyArray<string> }

const readFlags = (flags: Flags): Read => ({
  found: new Map(
    settingNames.flatMap((name) =>
      flags[name] === undefined ? [] : [[name, { source: flagOf(name), value: flags[name] }]]
    )
  ),
  problems: []
})

/** An empty variable counts as not set. */
const readEnv = (env: Env): Read => {
  const given = Object.entries(env).flatMap(([variable, value]) =>
    variable.startsWith("STOA_") && value !== undefined && value !== "" && !isKubernetes(variable, value)
      ? [[variable, value] as const]
      : []
  )
  const values = new Map(given)
  return {
    found: new Map(settingNames.flatMap((name) => {
      const text = values.get(variableOf(name))
      if (text === undefined) return []
      const source = values.has(fileVariableOf(name)) ? `The file named by ${fileVariableOf(name)}` : variableOf(name)
      return [[name, { source, value: fromText[name]?.(text) ?? text }]]
    })),
    problems: given.flatMap(([variable]) =>
      variables.includes(variable) ? [] : [`${variable}: there is no such variable.${didYouMean(variable, variables)}`]
    )
  }
}

/** A key without a value counts as not set. */
const readYaml = ({ path, text }: YamlText): Read => {
  const lines = new LineCounter()
  const document = parseDocument(text, { prettyErrors: false, lineCounter: lines })
  const error = document.errors[0]
  // yaml's own messages quote the text.
  if (error !== undefined) {
    return {
      found: new Map(),
      problems: [`${path}: line ${lines.linePos(error.pos[0]).line} is not valid YAML (${error.code}).`]
    }
  }
  const whole: unknown = Either.getOrUndefined(Either.try(() => document.toJS() as unknown))
  if (whole === null && document.contents === null) return { found: new Map(), problems: [] }
  if (typeof whole !== "object" || whole === null || Array.isArray(whole)) {
    return { found: new Map(), problems: [`${path}: expected settings, one \`name: value\` a line.`] }
  }
  const entries = Object.entries(whole)
  return {
    found: new Map(
      entries.flatMap(([name, value]: [string, unknown]) =>
        value === null ? [] : [[name, { source: `${name} in ${path}`, value }]]
      )
    ),
    problems: entries.flatMap(([name]) =>
      settingNames.some((known) => known === name)
        ? []
        : [`${name.slice(0, maxName)} in ${path}: there is no such setting.${didYouMean(name, settingNames)}`]
    )
  }
}

const decode = Schema.decodeUnknownEither(Settings)

/** Decides the settings, with every problem of every source at once. */
export const load = (
  flags: Flags,
  env: Env,
  yaml: Option.Option<YamlText>
): Either.Either<Settings, SettingsRefused> => {
  const sources = [readFlags(flags), readEnv(env), ...Option.toArray(Option.map(yaml, readYaml))]
  const problems = sources.flatMap((source) => source.problems)
  const values: Record<string, unknown> = {}
  for (const name of settingNames) {
    // A value that a stronger source overrides must be valid too: it takes effect as soon as the other is removed.
    for (const { found } of sources.toReversed()) {
      const here = found.get(name)
      if (here === undefined) continue
      if (Either.isLeft(decode({ [name]: here.value }))) {
        problems.push(`${here.source}: expected ${expectationOf(name)}.`)
      }
      values[name] = here.value
    }
  }
  return problems.length > 0
    ? Either.left(new SettingsRefused({ problems }))
    : Either.mapLeft(decode(values), () => new SettingsRefused({ problems: ["The settings do not fit together."] }))
}

const refuse = (problem: string) => new SettingsRefused({ problems: [problem] })

/** Puts the content of `STOA_VAULT_KEY_FILE` and its like where the variable itself would be. */
const withSecretFiles = (env: Env) =>
  Effect.reduce(
    secrets,
    env,
    Effect.fnUntraced(function*(env: Env, name: SettingName) {
      const [variable, fileVariable] = [variableOf(name), fileVariableOf(name)]
      const path = env[fileVariable]
      if (path === undefined || path === "") return env
      if (env[variable] !== undefined && env[variable] !== "") {
        return yield* refuse(`${variable} and ${fileVariable} are both set: keep one of them.`)
      }
      const { readFileString } = yield* FileSystem.FileSystem
      const text = yield* Effect.mapError(readFileString(path), ({ message }) => refuse(`${fileVariable}: ${message}`))
      if (text.trim() === "") return yield* refuse(`${fileVariable}: the file ${path} is empty.`)
      return { ...env, [variable]: text.trim() }
    })
  )

/** The file that is read when no other is named; it may be missing. */
const defaultPath = "stoa.yaml"

/** Entries of a folder that may be agents. */
const maxEntries = 1_000

const readYamlFile = (config: string | undefined) =>
  Effect.gen(function*() {
    const { readFileString } = yield* FileSystem.FileSystem
    const path = config ?? defaultPath
    return yield* readFileString(path).pipe(
      Effect.map((text) => Option.some({ path, text })),
      Effect.catchAll((error) =>
        config === undefined && error._tag === "SystemError" && error.reason === "NotFound"
          ? Effect.succeed(Option.none<YamlText>())
          : Effect.fail(refuse(`The settings file ${path} cannot be read: ${error.message}`))
      )
    )
  })

/** The folder of the settings file, when it has agents: other projects have folders of this name too. */
const besideIt = (config: string | undefined) =>
  Effect.gen(function*() {
    const { exists, readDirectory } = yield* FileSystem.FileSystem
    const folder = dirname(config ?? defaultPath)
    const names = yield* Effect.orElseSucceed(readDirectory(join(folder, "agents")), () => [])
    const agents = names.slice(0, maxEntries).map((name) =>
      Effect.orElseSucceed(exists(join(folder, "agents", name, "AGENT.md")), () => false)
    )
    return (yield* Effect.exists(agents, (isThere) => isThere)) ? folder : undefined
  })

/** Reads the files and decides. `config` is the path of a settings file that must exist. */
export const read = (options: {
  readonly flags: Flags
  readonly env: Env
  readonly config: string | undefined
}): Effect.Effect<Settings, SettingsRefused, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    const yaml = yield* readYamlFile(options.config)
    const env = yield* withSecretFiles(options.env)
    const settings = yield* load(options.flags, env, yaml)
    if (settings.definitions_dir !== undefined) return settings
    const definitions_dir = yield* besideIt(options.config)
    return definitions_dir === undefined ? settings : { ...settings, definitions_dir }
  })
