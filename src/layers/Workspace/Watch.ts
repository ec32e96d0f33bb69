/**
 * Looks at the programs of workspaces while they run, and ends those that have too much memory
 * or too many processes together: limits of single processes do not see that.
 */
import { Duration, Effect, type Fiber } from "effect"
import type { WorkspaceLimits } from "../../domain/Workspace.ts"
import type { Ended } from "../../services/Workspace.ts"
import { snapshot, sumsOf } from "./ProcessTree.ts"

const every = Duration.millis(250)

interface Watched {
  readonly limits: WorkspaceLimits
  readonly end: (why: Ended) => Effect.Effect<void>
}

/** Those that run now, by their first process. */
const running = new Map<number, Watched>()

let watcher: Fiber.RuntimeFiber<void> | undefined

/** Goes on while something runs: one look serves all of them. */
const watching: Effect.Effect<void> = Effect.gen(function*() {
  for (;;) {
    // Nothing waits in between: who comes next begins a watcher of its own.
    if (running.size === 0) {
      watcher = undefined
      return
    }
    yield* Effect.sleep(every)
    const sums = sumsOf(yield* snapshot, running.keys())
    for (const [pid, { bytes, threads }] of sums) {
      const watched = running.get(pid)
      if (watched === undefined) continue
      // The sandbox itself has a few threads more.
      const why = threads > watched.limits.processes + 8
        ? "processes"
        : bytes > watched.limits.memory
        ? "memory"
        : undefined
      if (why !== undefined) yield* Effect.forkDaemon(watched.end(why))
    }
  }
})

/** Watches a process until the scope closes. */
export const watch = (pid: number, watched: Watched) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      running.set(pid, watched)
      watcher ??= Effect.runFork(watching)
    }),
    () => Effect.sync(() => void running.delete(pid))
  )
