import { Command } from "@effect/cli"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Duration, Effect, Either, Option } from "effect"
import { connect as connectTo } from "node:net"
import { dirname, join, resolve } from "node:path"
import { Health } from "../../domain/Health.ts"
import { isLoopback, type Settings } from "../../domain/Settings.ts"
import type { VaultKey } from "../../domain/Vault.ts"
import { asAdmin, connect, connection, type ConnectionOptions } from "../Connection.ts"
import { exitCodes, Failed } from "../Failed.ts"
import { isText, output, print } from "../Output.ts"
import { green, red, Screen, yellow } from "../Screen.ts"
import { readSettings, settingsOptions } from "../Server.ts"
import { version } from "../Version.ts"

interface Check {
  readonly name: string
  readonly result: "ok" | "warn" | "fail"
  readonly message: string
  readonly fix?: string
}

const ok = (name: string, message: string): Check => ({ name, result: "ok", message })
const warn = (name: string, message: string, fix: string): Check => ({ name, result: "warn", message, fix })
const fail = (name: string, message: string, fix: string): Check => ({ name, result: "fail", message, fix })

/** The message as a sentence, and the fix after it. */
const textOf = ({ fix, message }: Check) =>
  fix === undefined ? message : `${message}${/[.?!]$/.test(message) ? "" : "."} ${fix}`

/** As package.json's `engines` says. */
const leastNode = [20, 19] as const

const node = Effect.sync((): Check => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
  const isNew = major > leastNode[0] || (major === leastNode[0] && minor >= leastNode[1])
  return isNew
    ? ok("node", `Node ${process.versions.node}`)
    : fail("node", `Node ${process.versions.node} is too old`, `Install Node ${leastNode.join(".")} or newer.`)
})

const user = Effect.sync((): Check =>
  process.getuid?.() === 0
    ? warn("user", "Runs as root", "Run stoa as a user of its own.")
    : ok("user", "Not root")
)

/** Who holds the data folder says so on a socket in it (layers/Sql/DirectoryLock.ts). */
const holder = (folder: string) =>
  Effect.async<Option.Option<string>>((resume) => {
    let text = ""
    const socket = connectTo(join(folder, "stoa.lock"))
    socket.on("data", (chunk) => text += chunk.toString())
    socket.on("error", () => resume(Effect.succeedNone))
    socket.on("close", () => resume(Effect.succeed(Option.liftPredicate(text.trim(), (pid) => /^\d+$/.test(pid)))))
    return Effect.sync(() => socket.destroy())
  }).pipe(Effect.timeoutOption(Duration.seconds(1)), Effect.map(Option.flatten))

const others = 0o077

const dataDir = Effect.fnUntraced(function*({ data_dir }: Settings) {
  const files = yield* FileSystem.FileSystem
  const folder = resolve(data_dir)
  const canWrite = (path: string) => Effect.isSuccess(files.access(path, { readable: true, writable: true }))
  const info = yield* Effect.option(files.stat(folder))
  if (Option.isNone(info)) {
    let parent = dirname(folder)
    while (parent !== dirname(parent) && !(yield* Effect.orElseSucceed(files.exists(parent), () => false))) {
      parent = dirname(parent)
    }
    return (yield* canWrite(parent))
      ? ok("data", `${folder} is made by the first start`)
      : fail("data", `${folder} cannot be made`, `Let this user write in ${parent}, or choose another --data-dir.`)
  }
  if (info.value.type !== "Directory") return fail("data", `${folder} is no folder`, "Choose another --data-dir.")
  if (!(yield* canWrite(folder))) {
    return fail("data", `${folder} cannot be written`, "Change its owner or permissions, or choose another --data-dir.")
  }
  if (process.platform !== "win32" && (info.value.mode & others) !== 0) {
    return warn("data", `${folder} is open to other users`, `Run chmod 700 ${folder}.`)
  }
  const pid = yield* holder(folder)
  return ok(
    "data",
    Option.match(pid, {
      onNone: () => `${folder}, not in use`,
      onSome: (pid) => `${folder}, in use by process ${pid}`
    })
  )
})

const vaultKey = Effect.fnUntraced(function*({ data_dir, vault_key }: Settings) {
  if (vault_key !== undefined) return ok("vault", "The key comes from the settings")
  const files = yield* FileSystem.FileSystem
  const path = resolve(data_dir, "vault.key")
  const info = yield* Effect.option(files.stat(path))
  if (Option.isNone(info)) {
    return (yield* Effect.orElseSucceed(files.exists(join(data_dir, "postgres")), () => false))
      ? warn(
        "vault",
        `${path} is missing beside a database`,
        "Put the key file back: nothing else opens the stored secrets."
      )
      : ok("vault", `${path} is made by the first start`)
  }
  return process.platform !== "win32" && (info.value.mode & others) !== 0
    ? fail("vault", `${path} is open to other users`, `Run chmod 600 ${path}.`)
    : ok("vault", path)
})

/** Whether the key is the database's own. Nothing is said where there is nothing to compare, or a server holds it. */
const vaultMatch = (settings: Settings) =>
  Effect.promise(() => import("../db/Looking.ts")).pipe(
    Effect.flatMap(({ compareKey }) => compareKey(settings)),
    Effect.map(Option.map((isRight): Check =>
      isRight
        ? ok("key", "The vault's key is the database's own")
        : fail(
          "key",
          "The vault's key is not the one that the database was written with",
          "Put the right one back; see --accept-new-vault-key of stoa serve."
        )
    ))
  )

const database = (settings: Settings) =>
  settings.database_url === undefined
    ? Effect.sync((): Check => {
      const message = "Embedded (PGlite), which does not fsync: safe against kill -9, not against power loss"
      return isLoopback(settings.host)
        ? ok("database", `${message}; PostgreSQL is the durable choice`)
        : warn("database", message, "Set STOA_DATABASE_URL: PostgreSQL is the durable choice.")
    })
    : Effect.promise(() => import("../db/Looking.ts")).pipe(
      Effect.flatMap(({ reach }) => reach(settings)),
      Effect.map(Option.match({
        onNone: () => ok("database", "PostgreSQL answers"),
        onSome: (message): Check => ({ name: "database", result: "fail", message })
      }))
    )

const bind = ({ host, trust_user_header }: Settings) =>
  Effect.sync((): Check => {
    if (isLoopback(host)) return ok("bind", `Listens on ${host}, for this machine only`)
    return trust_user_header
      ? warn(
        "bind",
        `Listens on ${host} and believes X-User-ID`,
        "Make sure that only the proxy that sets the header can reach this server."
      )
      : ok("bind", `Listens on ${host}; callers need an API key`)
  })

/** Whether agents can run programs, found out by running one. */
const workspace = (settings: Settings) =>
  Effect.promise(() => import("../../embed/Sandbox.ts")).pipe(
    Effect.flatMap(({ problemOf }) => problemOf(settings)),
    Effect.map((problem): Check => {
      if (settings.workspace === "local") {
        return warn(
          "tools",
          "Agents' programs run without a sandbox, as this user",
          "Install bubblewrap and leave STOA_WORKSPACE out."
        )
      }
      if (settings.workspace === "files") return ok("tools", "Agents have files and run nothing (STOA_WORKSPACE=files)")
      if (problem === undefined && settings.workspace === "docker") {
        return ok("tools", `Agents' programs run in containers of '${settings.docker_image}'`)
      }
      if (problem === undefined && settings.workspace === "e2b") {
        return ok("tools", `Agents' files and programs are in sandboxes of '${settings.e2b_template}'`)
      }
      if (problem === undefined) return ok("tools", "Agents' programs run in a bubblewrap sandbox, without network")
      return settings.workspace !== "auto"
        ? fail("tools", problem, `The server does not start with STOA_WORKSPACE=${settings.workspace}.`)
        : warn("tools", `Agents have files and run nothing: ${problem}`, "See docs/workspaces.md.")
    })
  )

const server = (options: ConnectionOptions) =>
  Effect.gen(function*() {
    const { raw, url } = yield* connect(options)
    const health = yield* Effect.flatMap(raw.get("/health"), HttpClientResponse.schemaBodyJson(Health))
    const broken = Object.entries(health.components).filter(([, state]) => state === "not_ready").map(([name]) => name)
    if (health.status !== "ok") {
      return fail(
        "server",
        `${url} is not ready${broken.length === 0 ? "" : `: ${broken.join(", ")}`}`,
        "Look into its log."
      )
    }
    return health.version === version
      ? ok("server", `${url} answers, version ${health.version}`)
      : warn(
        "server",
        `${url} has version ${health.version}, this is ${version}`,
        "Use the same version on both sides."
      )
  }).pipe(
    Effect.catchTags({
      Unreachable: ({ isRefused, message }) =>
        // A server that has not been started yet is no problem; a server that was named and does not answer is one.
        Effect.succeed(
          isRefused && Option.isNone(options.url)
            ? warn("server", "No server is running", "Start one with npm start.")
            : fail("server", message, "Check --url, or start the server.")
        ),
      Failed: ({ message }) => Effect.succeed(fail("server", message, "Correct the option or the variable."))
    }),
    Effect.orElseSucceed(() => fail("server", "What answers is no Stoa server", "Check --url."))
  )

const shownKeys = (keys: ReadonlyArray<VaultKey>) =>
  keys.map(({ id, seals, secrets }) => `${secrets ?? "?"} under ${id}${seals ? " (the newest)" : ""}`).join(", ")

/** The check of the running server's vault, which only an admin may see. */
const vaultKeys = (options: ConnectionOptions) =>
  Effect.gen(function*() {
    const { api } = yield* asAdmin(options)
    const { keys, unreadable } = yield* api.vault.status()
    const many = keys.length === 1 ? "1 key" : `${keys.length} keys`
    const summary = `${many}; secrets: ${shownKeys(keys)}`
    if (unreadable !== null && unreadable > 0) {
      return warn(
        "secrets",
        `${summary}; ${unreadable} that no key opens`,
        "Put the missing key back, or save them again."
      )
    }
    return keys.slice(1).some(({ secrets }) => secrets !== null && secrets > 0)
      ? warn("secrets", summary, "Run stoa vault rotate to seal all of them with the newest key.")
      : ok("secrets", summary)
  }).pipe(Effect.option)

const marks = { ok: green, warn: yellow, fail: red }

export const doctor = Command.make(
  "doctor",
  { ...settingsOptions, ...output, ...connection },
  (options) =>
    Effect.gen(function*() {
      const screen = yield* Screen
      const settings = yield* Effect.either(readSettings(options))
      const ofSettings = Either.match(settings, {
        onLeft: ({ problems }) =>
          problems.map((problem) =>
            Effect.succeed(fail("settings", problem, "Correct it; the server does not start."))
          ),
        onRight: (settings) => [
          Effect.succeed(ok("settings", "Valid")),
          dataDir(settings),
          vaultKey(settings),
          database(settings),
          bind(settings),
          workspace(settings)
        ]
      })
      const own = yield* Effect.all([node, user, ...ofSettings, server(options)], { concurrency: 4 })
      const match = Either.isRight(settings) ? yield* vaultMatch(settings.right) : Option.none()
      const checks = [...own, ...Option.toArray(match), ...Option.toArray(yield* vaultKeys(options))]
      const line = (check: Check) =>
        `${marks[check.result](check.result.padEnd(4), screen.hasColour.out)}  ${check.name.padEnd(8)}  ${
          textOf(check)
        }\n`
      yield* isText(options.output)
        ? screen.out(checks.map(line).join(""))
        : print(options.output, { ok: checks.every(({ result }) => result !== "fail"), checks }, "")
      const failures = checks.filter(({ result }) => result === "fail").length
      if (failures > 0) {
        return yield* new Failed({
          exitCode: exitCodes.failed,
          message: failures === 1 ? "One thing is wrong." : `${failures} things are wrong.`
        })
      }
    })
).pipe(Command.withDescription("Check this machine, its settings and the server"))
