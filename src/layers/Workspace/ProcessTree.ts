/** What processes of this machine and all that they began have together, read from `/proc`. Elsewhere than on Linux there is nothing to read. */
import { Effect } from "effect"
import { readdirSync, readFileSync, statSync } from "node:fs"
import { nextTurn } from "../../services/NextTurn.ts"

/** Bytes of a page of memory, as the kernel counts on all machines that Node runs on but a few; there the bound is wider. */
const page = 4096

/** Processes that are read in one turn of the event loop. */
const perTurn = 200

const read = (path: string): string => {
  try {
    return readFileSync(path, "utf8")
  } catch {
    // The process is gone, or this is no Linux.
    return ""
  }
}

const pidsOf = (): ReadonlyArray<string> => {
  try {
    return readdirSync("/proc").filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

interface Seen {
  readonly parent: number
  readonly threads: number
  readonly bytes: number
}

/** All processes as they are now. */
export const snapshot: Effect.Effect<ReadonlyMap<number, Seen>> = Effect.gen(function*() {
  const all = new Map<number, Seen>()
  for (const [i, pid] of pidsOf().entries()) {
    if (i % perTurn === perTurn - 1) yield* nextTurn
    // The name in parentheses may hold blanks and parentheses itself.
    const fields = read(`/proc/${pid}/stat`).split(")").at(-1)!.trim().split(" ")
    if (fields.length < 22) continue
    all.set(Number(pid), { parent: Number(fields[1]), threads: Number(fields[17]), bytes: Number(fields[21]) * page })
  }
  return all
})

/** Resident bytes and threads of each of these processes with its descendants. */
export const sumsOf = (
  all: ReadonlyMap<number, Seen>,
  roots: Iterable<number>
): ReadonlyMap<number, { readonly bytes: number; readonly threads: number }> => {
  const sums = new Map(Array.from(roots, (root) => [root, { bytes: 0, threads: 0 }]))
  /** The root above each process that was looked at; null where there is none. */
  const rootOf = new Map<number, number | null>([[0, null], [1, null]])
  const find = (pid: number): number | null => {
    const way: Array<number> = []
    let at = pid
    while (!sums.has(at) && rootOf.get(at) === undefined && all.has(at) && !way.includes(at)) {
      way.push(at)
      at = all.get(at)!.parent
      if (way.length > 64) break
    }
    const root = sums.has(at) ? at : rootOf.get(at) ?? null
    for (const passed of way) rootOf.set(passed, root)
    return root
  }
  for (const [pid, { bytes, threads }] of all) {
    const root = find(pid)
    if (root === null) continue
    const sum = sums.get(root)!
    sum.bytes += bytes
    sum.threads += threads
  }
  return sums
}

/** Threads of the server's own user, as a limit of processes counts them. */
export const threadsOfUser = (): number => {
  const user = process.getuid?.()
  let threads = 0
  for (const pid of pidsOf()) {
    try {
      if (statSync(`/proc/${pid}`).uid === user) threads += readdirSync(`/proc/${pid}/task`).length
    } catch {
      // It is gone.
    }
  }
  return threads
}

/** Ends all processes whose environment says so. They began in a group of ours, and have left it. */
export const killMarked = (mark: string): void => {
  for (const pid of pidsOf()) {
    if (Number(pid) === process.pid || !`\0${read(`/proc/${pid}/environ`)}`.includes(`\0${mark}`)) continue
    try {
      process.kill(Number(pid), "SIGKILL")
    } catch {
      // It has ended by itself.
    }
  }
}
