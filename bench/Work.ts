/** What rows have in common: sessions, runs and the CPU time that they cost. */
import type { Door, Session } from "./Door.ts"
import type { Figure, Limit, Plan } from "./Figures.ts"

export interface Row {
  /** For `--only`. */
  readonly id: string
  readonly what: string
  readonly reach: string
  readonly on: ReadonlyArray<Door["backend"]>
  readonly limits: (backend: Door["backend"]) => Readonly<Record<string, Limit>>
  /** It needs a server that did nothing else before. */
  readonly fresh?: boolean
  readonly measure: (door: Door, plan: Plan) => Promise<ReadonlyArray<Figure>>
}

/** The script of a run with so many deltas. */
export const fifty = "repeat 50 word "

/** Microseconds of the server's CPU time for the work. */
export const cpuOf = async (door: Door, work: () => Promise<unknown>): Promise<number> => {
  const before = await door.child.ask("cpu")
  await work()
  return await door.child.ask("cpu") - before
}

export const openMany = (door: Door, count: number, delay: number): Promise<ReadonlyArray<Session>> =>
  Promise.all(Array.from({ length: count }, () => door.open(delay)))

/** Every session runs the script so many times, one run after the other. */
export const runAll = (sessions: ReadonlyArray<Session>, script: string, times: number): Promise<unknown> =>
  Promise.all(sessions.map(async (session) => {
    for (let i = 0; i < times; i++) await session.run(script)
  }))

/** Runs at once. */
export const workers = 16
