/**
 * Runs a module of the operator's in a thread of its own: what throws, hangs, floods or wants to end the process ends the
 * thread alone. How many there are at once is bounded, in all, for one tool and for one tenant.
 */
import { Deferred, Duration, Effect } from "effect"
import { env as environment } from "node:process"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"
import type { UserId } from "../domain/Ids.ts"
import * as Places from "./Places.ts"

/** Memory of one thread, in megabytes, and characters of what it answers with. */
const maxMegabytes = 256
const maxAnswer = 256 * 1024

/** How many calls wait for a place, in all and of one tenant, and how long each waits at most. */
const maxWaiting = 1_024
const maxWaitingOfOwner = 128
const maxWait = Duration.seconds(30)

/** How long the end of a thread is waited for. One that runs a program in its foreground ends only after that. */
const patience = Duration.seconds(1)

/** What every module sees of the environment. The server's own variables hold its secrets. */
const usual = ["PATH", "HOME", "LANG", "TZ", "NODE_ENV"]

export interface Module {
  /** An absolute path. */
  readonly path: string
  /** Another one when the file has changed. */
  readonly stamp: string
  /** The variables that it asks for, beside the usual ones. */
  readonly env: ReadonlyArray<string>
}

/** `threw` and `none` are bugs of the module: it threw, or has no function. `ended`: no answer has come. `busy`: it was not begun. */
interface Answer {
  readonly type: "done" | "threw" | "none" | "ended" | "busy"
  readonly text: string
  readonly failed: boolean
}

interface Call {
  readonly args: unknown
  readonly context: unknown
}

interface Work {
  readonly owner: UserId
  readonly module: Module
  /** How long it may run. */
  readonly timeout: Duration.DurationInput
  readonly call: Call
}

export interface HandlerThreads {
  /** Imports the module and calls its function. Interrupting it ends the thread. */
  readonly run: (work: Work) => Effect.Effect<Answer>
}

const answer = (type: Answer["type"], text: string): Answer => ({ type, text, failed: false })
const busy = answer("busy", "too many handlers run at once")

/** What the thread does. As a text it needs no file of its own in any build. */
const program = `
const { parentPort, workerData: { url, call, most } } = require("node:worker_threads")
const say = (type, value, failed = false) => {
  const text = typeof value === "string" ? value : JSON.stringify(value) ?? ""
  parentPort.postMessage({ type, text: text.slice(0, most), failed })
}
import(url).then(async (module) => {
  const handle = typeof module.default === "function" ? module.default : module.handler
  if (typeof handle !== "function") return say("none", "")
  const value = await handle(call.args, call.context)
  const failed = typeof value === "object" && value !== null && typeof value.error === "string"
  say("done", failed ? value.error : value, failed)
}).catch((error) => say("threw", String(error instanceof Error ? error.message : error)))
`

/** What the thread has said; a handler can say anything in its place. */
const answerIn = (message: unknown): Answer => {
  if (typeof message === "object" && message !== null && "type" in message && "text" in message) {
    const { text, type } = message
    if ((type === "done" || type === "threw" || type === "none") && typeof text === "string") {
      return { type, text: text.slice(0, maxAnswer), failed: "failed" in message && message.failed === true }
    }
  }
  return answer("ended", "it said something else")
}

const environmentFor = ({ env }: Module): Record<string, string> =>
  Object.fromEntries([...usual, ...env].flatMap((name) => {
    const value = environment[name]
    return value === undefined ? [] : [[name, value]]
  }))

const threadOf = (module: Module, call: Call): Worker => {
  const worker = new Worker(program, {
    eval: true,
    workerData: {
      url: `${pathToFileURL(module.path).href}?${encodeURIComponent(module.stamp)}`,
      call,
      most: maxAnswer
    },
    env: environmentFor(module),
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: maxMegabytes, maxYoungGenerationSizeMb: maxMegabytes / 4 }
  })
  // What it prints is nobody's, and must not gather.
  worker.stdout.resume()
  worker.stderr.resume()
  return worker
}

const answerOf = (worker: Worker): Effect.Effect<Answer> =>
  Effect.async<Answer>((resume) => {
    const ended = (text: string) => resume(Effect.succeed(answer("ended", text)))
    worker.once("message", (message: unknown) => resume(Effect.succeed(answerIn(message))))
    // It may say more than once that it has failed: each has to be heard.
    worker.on("error", (error) => ended(error.message))
    worker.once("exit", () => ended("its thread has ended"))
  })

/** The thread has its end before it, and keeps its place until it has come. */
const end = (worker: Worker, { path }: Module): Effect.Effect<void> =>
  Effect.interruptible(Effect.promise(() => worker.terminate())).pipe(
    Effect.timeoutOption(patience),
    Effect.flatMap((code) =>
      code._tag === "Some"
        ? Effect.void
        : Effect.annotateLogs(Effect.logWarning("A handler does not end, and keeps its place until it does"), { path })
    )
  )

/** `most` at once; half of them for one tool, and a quarter for one tenant. */
export const make = (most: number): HandlerThreads => {
  const places = Places.make({
    all: most,
    ofKind: Math.ceil(most / 2),
    ofOwner: Math.ceil(most / 4),
    waiting: maxWaiting,
    waitingOfOwner: maxWaitingOfOwner
  })

  return {
    run: ({ call, module, owner, timeout }) => {
      /** Its end gives the place back, and not the end of the call: it may come later. */
      let worker: Worker | undefined
      return Effect.acquireUseRelease(
        Effect.map(Deferred.make<void>(), (entered) => ({
          entered,
          place: places.ask({ owner, kind: module.path }, () => Deferred.unsafeDone(entered, Effect.void))
        })),
        ({ entered, place }) =>
          place === undefined ? Effect.succeed(busy) : Deferred.await(entered).pipe(
            Effect.timeoutTo({ duration: maxWait, onSuccess: () => true, onTimeout: () => false }),
            Effect.flatMap((hasEntered) => {
              if (!hasEntered) return Effect.succeed(busy)
              worker = threadOf(module, call)
              worker.once("exit", place.leave)
              return Effect.timeoutTo(answerOf(worker), {
                duration: timeout,
                onSuccess: (said): Answer => said,
                onTimeout: () => answer("ended", "it has not ended in time")
              })
            })
          ),
        // An answered thread may go on for ever.
        ({ place }) => worker === undefined ? Effect.sync(() => place?.leave()) : end(worker, module)
      )
    }
  }
}
