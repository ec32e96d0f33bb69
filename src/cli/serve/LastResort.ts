/**
 * Ends the process when its orderly end does not: a request to stop starts a
 * timer that asks nobody. Everything else of stopping goes through Effect's
 * finalizers, and one that hangs would keep the process alive for ever.
 */
import { Effect, type Scope } from "effect"
import { Worker } from "node:worker_threads"
import { exitCodes } from "../Failed.ts"

/** Seconds beyond the time to drain; the process is gone within ten. */
const grace = 9

/** Milliseconds that the timer may be late until the process is killed from outside its thread. */
const lateness = 500

const signals = ["SIGINT", "SIGTERM"] as const

/** Names the current step of stopping, until another one begins. */
export type Stage = <A, E, R>(name: string, work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** How many there are of each kind of thing that Node still holds: `2 TCPSocketWrap, 1 Timeout`. */
const stillOpen = (resources: ReadonlyArray<string>) => {
  const counts = new Map<string, number>()
  for (const name of resources) counts.set(name, (counts.get(name) ?? 0) + 1)
  return Array.from(counts, ([name, count]) => `${count} ${name}`).join(", ")
}

/** An endless loop blocks every timer of its thread, so this timer runs in another thread. */
const killer = `
const { workerData } = require("node:worker_threads")
setTimeout(() => process.kill(process.pid, "SIGKILL"), workerData)
`

const begin = (drainSeconds: number, stage: () => string) => {
  const left = (drainSeconds + grace) * 1000
  // @effect-diagnostics-next-line globalTimers:off -- Effect's own end is what it stands behind
  setTimeout(() => {
    process.stderr.write(
      `stoa: Stopping took too long, while ${stage()}. Still open: ${stillOpen(process.getActiveResourcesInfo())}.\n`
    )
    process.exit(exitCodes.failed)
  }, left).unref()
  new Worker(killer, { eval: true, workerData: left + lateness }).on("error", () => {}).unref()
}

/** From here on a signal to stop ends the process within `drainSeconds` and ten more. */
export const arm = (drainSeconds: number): Effect.Effect<Stage, never, Scope.Scope> =>
  Effect.gen(function*() {
    let current = "starting or serving"
    let isBegun = false
    const onSignal = () => {
      if (isBegun) return
      isBegun = true
      begin(drainSeconds, () => current)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        for (const signal of signals) process.on(signal, onSignal)
      }),
      () =>
        Effect.sync(() => {
          for (const signal of signals) process.off(signal, onSignal)
        })
    )
    return (name, work) =>
      Effect.suspend(() => {
        current = name
        return work
      })
  })
