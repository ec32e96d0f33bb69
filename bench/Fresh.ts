/** What runs cost on sessions that were made a moment ago, one run each: how most conversations begin. */
import { setTimeout as sleep } from "node:timers/promises"
import type { Door } from "./Door.ts"
import { type Figure, median } from "./Figures.ts"
import { cpuOf, fifty, openMany, type Row, workers } from "./Work.ts"

/** Runs before any is counted. */
const warmUpRuns = 50

/** Runs of a process whose code is still cold. */
const firstRuns = 600

/** Sessions that are made together, outside of what is measured. */
const batch = 200

/** So many runs, each on a session of its own, 16 at once. Answers the server's CPU time in µs, without making the sessions. */
const runFresh = async (door: Door, count: number): Promise<number> => {
  let cpu = 0
  for (let done = 0; done < count; done += batch) {
    const sessions = [...await openMany(door, Math.min(batch, count - done), 0)]
    const worker = async () => {
      for (let next = sessions.pop(); next !== undefined; next = sessions.pop()) await next.run(fifty)
    }
    cpu += await cpuOf(door, () => Promise.all(Array.from({ length: workers }, worker)))
  }
  return cpu
}

export const freshRun: Row = {
  id: "fresh",
  what: "the same, a fresh session for each run: the first 600 of a process; later ones",
  reach: "first ≤ 3.5 ms; later ≤ 2 ms, ≤ 8 × raw",
  on: ["raw", "memory", "pglite", "postgres"],
  limits: () => ({ first: { most: 3.5 }, later: { most: 2, timesRaw: 8 } }),
  fresh: true,
  measure: async (door, plan) => {
    await runFresh(door, warmUpRuns)
    const first = await runFresh(door, firstRuns) / firstRuns
    const perRound = workers * plan.runs
    const costs: Array<number> = []
    for (let round = 0; round < plan.rounds; round++) costs.push(await runFresh(door, perRound) / perRound)
    return [
      { name: "first", value: first / 1000, unit: "ms" },
      { name: "later", value: median(costs) / 1000, unit: "ms" }
    ]
  }
}

/** How long a server is left alone before its memory is read, in milliseconds. */
const quiet = 120_000

/** Takes minutes, so a quick look leaves it out. */
export const residentMemory: Row = {
  id: "memory",
  what: "resident memory after 10,000 runs on fresh sessions and two idle minutes, over the start",
  reach: "≤ 150 MB",
  on: ["memory", "pglite", "postgres"],
  limits: () => ({ rss: { most: 150 } }),
  fresh: true,
  measure: async (door, plan) => {
    await runFresh(door, warmUpRuns)
    const before = await door.child.ask("memory")
    await runFresh(door, plan.memoryRuns)
    await sleep(quiet)
    const after = await door.child.ask("memory")
    const figure = (name: string, bytes: number): Figure => ({ name, value: bytes / 1024 / 1024, unit: "MB" })
    return [figure("rss", after.rss - before.rss), figure("heap", after.heap - before.heap)]
  }
}
