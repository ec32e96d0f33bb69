/** The built server as the driver sees it: started, killed, started again; clients ask it where it is now. */
import { type ChildProcess, spawn } from "node:child_process"
import type { Socket } from "node:net"
import { tmpdir } from "node:os"
import { resolve } from "node:path"
import { patience } from "../support/Patience.ts"

const running = new Set<ChildProcess>()
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL")
})

/** Outlives this process to kill the server that it leaves, however it ends. */
const watchdog = () => {
  const child = spawn("/bin/sh", [
    "-c",
    "while read -r pid; do last=$pid; done; [ -z \"$last\" ] || kill -KILL \"$last\""
  ], {
    detached: true,
    stdio: ["pipe", "ignore", "ignore"]
  })
  child.unref()
  const stdin = child.stdin as Socket
  stdin.unref()
  stdin.on("error", () => {})
  return (pid: number | "") => stdin.write(`${pid}\n`)
}

const main = resolve(import.meta.dirname, "../../dist/bin/stoa.js")

/** Longest start, in milliseconds. */
const longest = patience(30_000)

export interface VictimOptions {
  readonly dataDir: string
  readonly databaseUrl: string | undefined
}

export class Victim {
  readonly #options: VictimOptions
  readonly #watch = watchdog()
  #child: ChildProcess | undefined
  #output = ""
  #url: string | undefined
  #waiting: Array<(url: string) => void> = []
  /** When it last said that it listens, by `performance.now()`. */
  readyAt = 0
  /** How long its starts took, in milliseconds. */
  readonly starts: Array<number> = []
  /** Lines of its log that tell of an error. */
  readonly errors: Array<string> = []
  /** What it said last when it ended without being killed. */
  readonly deaths: Array<string> = []

  constructor(options: VictimOptions) {
    this.#options = options
  }

  /** Where it listens; waits while it does not. */
  url = (): Promise<string> =>
    this.#url === undefined ? new Promise((go) => this.#waiting.push(go)) : Promise.resolve(this.#url)

  /** Resolves when it listens, or is killed before. */
  start(): Promise<void> {
    const since = performance.now()
    this.#output = ""
    const { dataDir, databaseUrl } = this.#options
    const clean = Object.entries(process.env).filter(([name]) => !name.startsWith("STOA_"))
    const child = spawn(process.execPath, [main, "serve", "--port", "0", "--data-dir", dataDir], {
      env: { ...Object.fromEntries(clean), ...(databaseUrl !== undefined && { STOA_DATABASE_URL: databaseUrl }) },
      cwd: tmpdir(),
      // In a process group of its own, so that Ctrl-C in the terminal reaches the driver alone.
      detached: true,
      stdio: ["ignore", "pipe", "pipe"]
    })
    this.#child = child
    running.add(child)
    this.#watch(child.pid!)
    child.on("close", () => running.delete(child))
    return new Promise((done, fail) => {
      const died = (how: string) => {
        this.deaths.push(`${how}:\n${this.#output.slice(-4_000)}`)
        fail(new Error(this.deaths.at(-1)))
      }
      const timer = setTimeout(() => died(`It did not start within ${longest} ms`), longest)
      child.on("close", (code, signal) => {
        clearTimeout(timer)
        if (this.#child !== child) return done()
        this.#url = undefined
        died(`It ended by itself with ${code ?? signal}`)
      })
      const read = (chunk: Buffer) => {
        this.#output += chunk.toString()
        for (const line of chunk.toString().split("\n")) {
          if (/"level":"(error|fatal)"|\b(ERROR|FATAL)\b/.test(line)) this.errors.push(line)
        }
        if (this.#url !== undefined || this.#child !== child) return
        const url = /listens on (http:\/\/[^\s"]+)/.exec(this.#output)?.[1]
        if (url === undefined) return
        clearTimeout(timer)
        this.readyAt = performance.now()
        this.starts.push(this.readyAt - since)
        this.#url = url
        const waiting = this.#waiting
        this.#waiting = []
        for (const go of waiting) go(url)
        done()
      }
      child.stdout!.on("data", read)
      child.stderr!.on("data", read)
    })
  }

  /** Like a power cut for the process alone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#url = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise<void>((done) => child.once("close", () => done()))
    child.kill("SIGKILL")
    await gone
    this.#watch("")
  }
}
