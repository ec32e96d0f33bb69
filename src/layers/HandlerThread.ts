/**
 * Runs a module of the operator's in a thread of its own: what throws, hangs, floods or wants to end the process ends the
 * thread alone.
 */
import { type Duration, Effect } from "effect"
import { pathToFileURL } from "node:url"
import { Worker } from "node:worker_threads"

/** Memory of one thread, in megabytes, and characters of what it answers with. */
const maxMegabytes = 256
const maxAnswer = 256 * 1024

export interface Module {
  /** An absolute path. */
  readonly path: string
  /** Another one when the file has changed. */
  readonly stamp: string
}

/** `threw` and `none` are bugs of the module: it threw, or has no function. `ended`: no answer has come. */
export type Answer =
  | { readonly type: "done"; readonly text: string; readonly failed: boolean }
  | { readonly type: "threw" | "none" | "ended"; readonly text: string }

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
  if (call === undefined) return say("done", "")
  const value = await handle(call.args, call.context)
  const failed = typeof value === "object" && value !== null && typeof value.error === "string"
  say("done", failed ? value.error : value, failed)
}).catch((error) => say("threw", String(error instanceof Error ? error.message : error)))
`

const isAnswer = (message: unknown): message is Answer =>
  typeof message === "object" && message !== null && "type" in message && "text" in message

interface Call {
  readonly args: unknown
  readonly context: unknown
}

const threadOf = ({ path, stamp }: Module, call: Call | undefined): Worker => {
  const worker = new Worker(program, {
    eval: true,
    workerData: { url: `${pathToFileURL(path).href}?${encodeURIComponent(stamp)}`, call, most: maxAnswer },
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
    const ended = (text: string) => resume(Effect.succeed({ type: "ended", text }))
    worker.once("message", (message: unknown) =>
      isAnswer(message) ? resume(Effect.succeed(message)) : ended("it said something else"))
    worker.on("error", (error) =>
      ended(error.message))
    worker.once("exit", () => ended("its thread has ended"))
  })

/** Imports the module, and calls its function where there is a call. Interrupting it ends the thread. */
export const run = (module: Module, timeout: Duration.DurationInput, call?: Call): Effect.Effect<Answer> =>
  Effect.acquireUseRelease(
    Effect.sync(() => threadOf(module, call)),
    (worker) =>
      Effect.timeoutTo(answerOf(worker), {
        duration: timeout,
        onSuccess: (answer): Answer => answer,
        onTimeout: (): Answer => ({ type: "ended", text: "it has not ended in time" })
      }),
    // An answered thread may go on for ever.
    (worker) => Effect.promise(() => worker.terminate())
  )
