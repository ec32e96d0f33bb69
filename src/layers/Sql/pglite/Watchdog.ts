/**
 * Watches from a thread of its own whether this process still does anything. The
 * embedded database runs on the main thread: should it fall into an endless
 * loop, no signal, timer or request is served any more, and only another thread
 * can end the process. (The database on a thread of its own was measured too:
 * each statement cost 60 % more CPU.)
 *
 * The main thread counts beats in shared memory; the watcher compares. It counts
 * its own ticks instead of reading a clock, so that a process which was frozen
 * or a machine which slept is not taken for one that hangs.
 */
import { Effect } from "effect"
import type { Scope } from "effect"
import * as Inspector from "node:inspector"
import { Worker } from "node:worker_threads"
import { databaseEnded } from "../../../domain/ExitCode.ts"

export interface Limits {
  /** Seconds without a beat after which the process is ended. */
  readonly seconds: number
  /** The same while something runs that may take long: opening, a migration, a vacuum. */
  readonly longSeconds: number
}

export const limits: Limits = { seconds: 30, longSeconds: 900 }

export interface Watchdog {
  /** While something long runs, the longer limit holds. Pairs do not nest: one statement runs at a time. */
  readonly setLong: (isLong: boolean) => void
}

/** Beats, and looks at them, per second. */
const perSecond = 1

const beatCell = 0
const limitCell = 1

/**
 * Plain JavaScript, because it has to run as it is wherever this file was built.
 * `process.exit` of a thread ends the thread alone, so the main thread is made to
 * call it: an inspector's request is served between two steps of a loop, in
 * JavaScript and in WebAssembly. Where not even that is served, the kill is.
 */
const watcher = `
const { workerData: { buffer, exitCode, message, millis } } = require("node:worker_threads")
const cells = new Int32Array(buffer)
let beat = -1
let missed = 0
const watching = setInterval(() => {
  const now = Atomics.load(cells, ${beatCell})
  missed = now === beat ? missed + 1 : 0
  beat = now
  if (missed < Atomics.load(cells, ${limitCell})) return
  clearInterval(watching)
  require("node:fs").writeSync(2, message + "\\n")
  setTimeout(() => process.kill(process.pid, "SIGKILL"), 5000)
  const { Session } = require("node:inspector")
  const session = new Session()
  session.connectToMainThread()
  session.post("Runtime.evaluate", { expression: "process.exit(" + exitCode + ")" })
}, millis)
`

/** The watcher needs no more memory than this, in MB. */
const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 }

/**
 * Watches until the scope closes. `isAnswering` is asked at each beat: while it
 * says no, none is counted. It begins with the longer limit.
 */
export const make = (
  { longSeconds, seconds }: Limits,
  message: string,
  isAnswering: () => boolean
): Effect.Effect<Watchdog, never, Scope.Scope> =>
  // A debugger that stops the main thread is no hang.
  Inspector.url() !== undefined
    ? Effect.succeed({ setLong: () => {} })
    : Effect.map(
      Effect.acquireRelease(
        Effect.sync(() => {
          const cells = new Int32Array(new SharedArrayBuffer(8))
          const setLong = (isLong: boolean) => {
            // A beat first: what was missed while the longer limit held must not count against the shorter one.
            Atomics.add(cells, beatCell, 1)
            Atomics.store(cells, limitCell, (isLong ? longSeconds : seconds) * perSecond)
          }
          setLong(true)
          const millis = 1000 / perSecond
          // @effect-diagnostics-next-line globalTimersInEffect:off -- the beat of the event loop itself is what is watched
          const beating = setInterval(() => {
            if (isAnswering()) Atomics.add(cells, beatCell, 1)
          }, millis)
          beating.unref()
          const thread = new Worker(watcher, {
            eval: true,
            workerData: { buffer: cells.buffer, exitCode: databaseEnded, message, millis },
            resourceLimits,
            // The server's own flags (a profiler, a loader) are not for this thread.
            execArgv: []
          })
          thread.unref()
          return { beating, setLong, thread }
        }),
        ({ beating, thread }) =>
          Effect.promise(() => {
            clearInterval(beating)
            return thread.terminate()
          })
      ),
      ({ setLong }) => ({ setLong })
    )
