/** What a row of the benchmark measures, and what it is to reach (`engine.md`, section 10). */
import type { Backend } from "./Door.ts"

export interface Figure {
  /** Empty when the row has only one. */
  readonly name: string
  readonly value: number
  readonly unit: "ms" | "µs" | "s" | "KB" | "MB" | "×"
}

export interface Limit {
  readonly most?: number
  /** At most so many times what the raw server takes. */
  readonly timesRaw?: number
}

/** How much is measured. */
export interface Plan {
  readonly rounds: number
  /** Runs of one worker in a round, and before the first round. */
  readonly runs: number
  readonly warmUp: number
  /** Numbers of idle subscribers. */
  readonly subscribers: ReadonlyArray<number>
  /** Sessions that are taken to turn 400. */
  readonly longSessions: number
  /** Runs before the memory is read again. */
  readonly memoryRuns: number
  readonly restarts: number
  /** Where a row is measured, as far as it can be. */
  readonly backends: (row: string) => ReadonlyArray<Backend>
}

export const whole: Plan = {
  rounds: 5,
  runs: 20,
  warmUp: 160,
  subscribers: [1_000, 10_000],
  longSessions: 6,
  memoryRuns: 10_000,
  restarts: 3,
  backends: () => ["raw", "memory", "pglite", "postgres"]
}

export const quick: Plan = {
  rounds: 3,
  runs: 10,
  warmUp: 80,
  subscribers: [1_000],
  longSessions: 2,
  memoryRuns: 1_000,
  restarts: 1,
  backends: (row) => {
    if (row === "run" || row === "fresh" || row === "starts") return ["raw", "memory", "pglite"]
    return row === "turn-400" || row === "replay-pages" || row === "memory" ? [] : ["raw", "memory"]
  }
}

/** The `part`th part of the values, sorted: 0.5 is the median. */
export const quantile = (values: ReadonlyArray<number>, part: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!
}

export const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)

const text = ({ name, unit, value }: Figure): string => {
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${name === "" ? "" : `${name} `}${value.toFixed(digits)} ${unit}`
}

export const cell = (figures: ReadonlyArray<Figure>): string => figures.map(text).join(", ")

/** Whether every figure with a limit keeps to it; undefined when none could be judged. */
export const meets = (
  figures: ReadonlyArray<Figure>,
  limits: Readonly<Record<string, Limit>>,
  raw: ReadonlyArray<Figure> | undefined
): boolean | undefined => {
  const verdicts = figures.flatMap(({ name, value }) => {
    const { most, timesRaw } = limits[name] ?? {}
    const reference = raw?.find((figure) => figure.name === name)?.value
    return [
      ...(most === undefined ? [] : [value <= most]),
      ...(timesRaw === undefined || reference === undefined ? [] : [value <= timesRaw * reference])
    ]
  })
  return verdicts.length === 0 ? undefined : verdicts.every(Boolean)
}
