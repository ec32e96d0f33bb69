/** The child's half: answers its parent how much CPU time and memory it uses, and ends when its parent does. */
import * as Fs from "node:fs/promises"
import { Session } from "node:inspector/promises"
import { setTimeout as sleep } from "node:timers/promises"

export interface Memory {
  /** Bytes. */
  readonly rss: number
  readonly heap: number
  readonly external: number
}

export interface Answers {
  /** Microseconds of CPU time, user and system, of all threads so far. */
  readonly cpu: number
  /** After a garbage collection. */
  readonly memory: Memory
  /** Starts a CPU profile. */
  readonly profile: null
  /** Ends it and writes it to the file. */
  readonly profiled: null
  /** Fills the new log of the session with 10,000 events, 500 in a commit. */
  readonly fill: null
  /** Appends 1,000 events to the new log of the session, each by itself. */
  readonly append: null
  /** Reads one answer with the provider's package alone; through `Models`. */
  readonly bare: null
  readonly models: null
}

export interface Question {
  readonly id: number
  readonly ask: keyof Answers
  /** A file or a session. */
  readonly about?: string
}

export type Report =
  | { readonly ready: number }
  | { readonly id: number; readonly answer: Answers[keyof Answers] }
  | { readonly id: number; readonly failed: string }

/** Nobody waits longer for a server to end by itself, in milliseconds. */
const grace = 3_000

const memory = async (): Promise<Memory> => {
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.()
    await sleep(50)
  }
  const { external, heapUsed, rss } = process.memoryUsage()
  return { rss, heap: heapUsed, external }
}

const session = new Session()

/** What a child does beside telling of itself; each gets what the question is about. */
type Work = { readonly [Ask in "fill" | "append" | "bare" | "models"]?: (about: string) => Promise<unknown> }

/** Deltas in the answer that `bare` and `models` read. */
export const deltasPerCall = 2_000

const answer = async ({ about, ask }: Question, work: Work): Promise<Answers[keyof Answers]> => {
  switch (ask) {
    case "cpu": {
      const { system, user } = process.cpuUsage()
      return user + system
    }
    case "memory":
      return memory()
    case "profile":
      session.connect()
      await session.post("Profiler.enable")
      await session.post("Profiler.setSamplingInterval", { interval: 200 })
      await session.post("Profiler.start")
      return null
    case "profiled": {
      const { profile } = await session.post("Profiler.stop")
      await Fs.writeFile(about!, JSON.stringify(profile))
      session.disconnect()
      return null
    }
    default:
      if (work[ask] === undefined) throw new Error(`This server cannot ${ask}`)
      await work[ask](about ?? "")
      return null
  }
}

const report = (message: Report) => {
  if (process.connected) process.send!(message)
}

/** Tells the parent where the server listens, and answers it from then on. `stop` is run when the parent is gone. */
export const serving = (port: number, stop: () => void, work: Work): void => {
  process.on("message", (question: Question) => {
    answer(question, work).then(
      (answer) => report({ id: question.id, answer }),
      (cause: unknown) => report({ id: question.id, failed: String(cause) })
    )
  })
  process.once("disconnect", () => {
    setTimeout(() => process.exit(1), grace).unref()
    stop()
  })
  report({ ready: port })
}
