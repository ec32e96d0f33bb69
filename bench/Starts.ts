/** The rows that start and kill the built server itself: `dist/bin/stoa.js serve`. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { ended, keep, root, saying, within } from "./Child.ts"
import { opener } from "./Door.ts"
import { type Figure, median, type Plan } from "./Figures.ts"
import * as Load from "./Load.ts"

/** Milliseconds. */
const patience = 30_000
const look = 2

interface Server {
  readonly process: ChildProcess
  readonly port: number
  /** Milliseconds from its start until it said that it is ready. */
  readonly took: number
}

const isReady = (port: number): Promise<boolean> =>
  Load.ask({ port, method: "GET", path: "/readiness" }).then(() => true, () => false)

const serve = async (dataDir: string, databaseUrl: string | undefined): Promise<Server> => {
  const since = performance.now()
  const server = keep(spawn(
    process.execPath,
    [Path.join(root, "dist/bin/stoa.js"), "serve", "--host", "127.0.0.1", "--port", "0", "--data-dir", dataDir],
    {
      cwd: dataDir,
      env: {
        PATH: process.env["PATH"],
        NO_COLOR: "1",
        ...(databaseUrl !== undefined && { STOA_DATABASE_URL: databaseUrl })
      },
      stdio: ["ignore", "pipe", "pipe"]
    }
  ))
  const said = saying(server)
  const until = Date.now() + patience
  for (;;) {
    const [, port] = /http:\/\/127\.0\.0\.1:(\d+)/.exec(said()) ?? []
    if (port !== undefined && await isReady(Number(port))) {
      return { process: server, port: Number(port), took: performance.now() - since }
    }
    if (server.exitCode !== null) throw new Error(`The server ended (${server.exitCode}):\n${said()}`)
    if (Date.now() > until) throw new Error(`The server was not ready within ${patience} ms:\n${said()}`)
    await sleep(look)
  }
}

const stop = async (server: Server, signal: NodeJS.Signals): Promise<void> => {
  server.process.kill(signal)
  await within(patience, "Stopping the server", ended(server.process))
}

/** The greatest `seq` in frames. */
const lastSeq = (text: string): number =>
  Math.max(0, ...Array.from(text.matchAll(/^id: (\d+)$/gm), ([, seq]) => Number(seq)))

const deltasIn = (text: string): number => text.split("\"TEXT_BLOCK_DELTA\"").length - 1

/** Starts a run, kills the server when it has said ten deltas, starts it again, and answers how soon the run went on. */
const killed = async (dataDir: string, databaseUrl: string | undefined): Promise<number> => {
  const first = await serve(dataDir, databaseUrl)
  const session = await (await opener(first.port))(20)
  const before = await Load.watch(first.port, session.stream)
  // Killing the server cuts this answer off, too.
  session.run("repeat 1000 word ").catch(() => {})
  await within(patience, "The run's start", before.until(() => deltasIn(before.text()) >= 10))
  const seq = lastSeq(before.text())
  before.leave()
  await stop(first, "SIGKILL")

  const second = await serve(dataDir, databaseUrl)
  const since = performance.now()
  const after = await Load.watch(second.port, `${session.stream}?after=${seq}`)
  await within(
    patience,
    "The run's going on",
    after.until(() => {
      const text = after.text()
      const resumed = text.indexOf("\"run_resumed\"")
      return resumed !== -1 && text.includes("\"TEXT_BLOCK_DELTA\"", resumed)
    })
  )
  const took = performance.now() - since
  after.leave()
  await Load.ask({ port: second.port, method: "POST", path: `/sessions/${session.id}/interrupt` })
  await stop(second, "SIGTERM")
  return took
}

export interface Starts {
  readonly first: ReadonlyArray<Figure>
  readonly restart: ReadonlyArray<Figure>
  readonly recovery: ReadonlyArray<Figure>
}

/** One data folder's life: a first start, crashes in the middle of runs, and starts with what is there then. */
export const measure = async (databaseUrl: string | undefined, plan: Plan): Promise<Starts> => {
  const dataDir = await Fs.mkdtemp(Path.join(Os.tmpdir(), "stoa-bench-data-"))
  try {
    const server = await serve(dataDir, databaseUrl)
    const first = server.took
    const session = await (await opener(server.port))(0)
    for (let i = 0; i < 50; i++) await session.run("repeat 50 word ")
    await stop(server, "SIGTERM")
    const restarts: Array<number> = []
    for (let i = 0; i < plan.restarts; i++) {
      const again = await serve(dataDir, databaseUrl)
      restarts.push(again.took)
      await stop(again, "SIGTERM")
    }
    const recoveries: Array<number> = []
    for (let i = 0; i < plan.restarts; i++) recoveries.push(await killed(dataDir, databaseUrl))
    return {
      first: [{ name: "", value: first / 1000, unit: "s" }],
      restart: [{ name: "", value: median(restarts) / 1000, unit: "s" }],
      recovery: [{ name: "", value: median(recoveries), unit: "ms" }]
    }
  } finally {
    await Fs.rm(dataDir, { recursive: true, force: true })
  }
}

export const rows = [
  { id: "first-start", of: "first", what: "first start to ready", reach: "≤ 5 s", limits: { "": { most: 5 } } },
  {
    id: "restart",
    of: "restart",
    what: "restart to ready, existing data",
    reach: "≤ 1.5 s",
    limits: { "": { most: 1.5 } }
  },
  {
    id: "recovery",
    of: "recovery",
    what: "kill -9 mid-run: from ready to the run's next delta",
    reach: "≤ 1 s",
    limits: { "": { most: 1000 } }
  }
] as const
