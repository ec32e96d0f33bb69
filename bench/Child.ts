/** A server in a process of its own, as the parent sees it. */
import { type ChildProcess, spawn } from "node:child_process"
import * as Path from "node:path"
import { fileURLToPath } from "node:url"
import type { Answers, Report } from "./Probe.ts"

export const root = Path.dirname(Path.dirname(fileURLToPath(import.meta.url)))

/** A child that says nothing for so long is given up, in milliseconds. */
const patience = 60_000

/** Characters of a child's output that are kept to explain its end. */
const kept = 4_000

const living = new Set<ChildProcess>()

/** However the benchmark ends, its children end with it. */
process.once("exit", () => {
  for (const child of living) child.kill("SIGKILL")
})

/** Holds a process in the list of those that must not outlive this one. */
export const keep = (child: ChildProcess): ChildProcess => {
  living.add(child)
  child.once("exit", () => living.delete(child))
  return child
}

/** Resolves when the process has ended. */
export const ended = (child: ChildProcess): Promise<void> =>
  new Promise((resolve) => {
    if (child.exitCode !== null || child.signalCode !== null) resolve()
    else child.once("exit", () => resolve())
  })

/** The tail of what a process says on stderr and stdout. */
export const saying = (child: ChildProcess): () => string => {
  let said = ""
  const listen = (chunk: Buffer) => {
    said = (said + chunk.toString("utf8")).slice(-kept)
  }
  child.stdout?.on("data", listen)
  child.stderr?.on("data", listen)
  return () => said
}

/** Rejects after so many milliseconds, so that nothing here waits for ever. */
export const within = <A>(millis: number, what: string, work: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${millis} ms`)), millis)
  })
  return Promise.race([work, late]).finally(() => clearTimeout(timer))
}

export interface Child {
  readonly port: number
  readonly ask: <Ask extends keyof Answers>(ask: Ask, about?: string) => Promise<Answers[Ask]>
  readonly stop: () => Promise<void>
}

/** Starts `bench/<entry>` and waits until it listens. */
export const start = async (entry: string, args: ReadonlyArray<string>): Promise<Child> => {
  const script = Path.join(root, "bench", entry)
  const child = keep(
    spawn(process.execPath, ["--expose-gc", "--max-semi-space-size=32", "--import", "tsx", script, ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe", "ipc"]
    })
  )
  const said = saying(child)
  const waiting = new Map<number, { resolve: (answer: never) => void; reject: (cause: Error) => void }>()
  let asked = 0
  const port = await within(
    patience,
    `Starting ${entry} ${args.join(" ")}`,
    new Promise<number>((resolve, reject) => {
      child.on("message", (report: Report) => {
        if ("ready" in report) return resolve(report.ready)
        const asker = waiting.get(report.id)
        waiting.delete(report.id)
        if ("failed" in report) asker?.reject(new Error(report.failed))
        else asker?.resolve(report.answer as never)
      })
      child.once("exit", (code, signal) => {
        const cause = new Error(`${entry} ${args.join(" ")} ended (${code ?? signal}):\n${said()}`)
        reject(cause)
        for (const asker of waiting.values()) asker.reject(cause)
      })
    })
  )
  return {
    port,
    ask: (ask, about) =>
      within(
        patience,
        `Asking ${entry} for its ${ask}`,
        new Promise((resolve, reject) => {
          const id = ++asked
          waiting.set(id, { resolve, reject })
          child.send({ id, ask, about })
        })
      ),
    stop: async () => {
      if (child.connected) child.disconnect()
      await within(10_000, `Stopping ${entry}`, ended(child)).catch(() => {
        child.kill("SIGKILL")
        return ended(child)
      })
    }
  }
}
