/** What was measured, as a table for people and as JSON lines for programs. */
import * as Os from "node:os"
import type { Backend } from "./Door.ts"
import { cell, type Figure, type Limit, meets } from "./Figures.ts"

/** A row of the benchmark and what was measured of it so far. */
export interface Outcome {
  readonly id: string
  readonly what: string
  readonly reach: string
  readonly limits: (backend: Backend) => Readonly<Record<string, Limit>>
  readonly figures: Map<Backend, ReadonlyArray<Figure>>
  readonly failures: Map<Backend, string>
}

const stoas = ["memory", "pglite", "postgres"] as const

const heads = ["What", "Reach", "Raw", "Stoa memory", "Stoa PGlite", "Stoa PostgreSQL", "Verdict"]

const met = ({ figures, limits }: Outcome, backend: Backend): boolean | undefined =>
  meets(figures.get(backend) ?? [], limits(backend), figures.get("raw"))

const verdict = (outcome: Outcome): string => {
  const failed = [...outcome.failures.keys()]
  if (failed.length > 0) return `failed: ${failed.join(", ")}`
  const judged = stoas.map((backend) => [backend, met(outcome, backend)] as const)
  const missed = judged.filter(([, verdict]) => verdict === false).map(([backend]) => backend)
  if (missed.length > 0) return `missed: ${missed.join(", ")}`
  return judged.some(([, verdict]) => verdict === true) ? "reached" : "-"
}

const line = (cells: ReadonlyArray<string>) => `| ${cells.join(" | ")} |`

/** Of this machine: a figure without it says little. */
const machine = (): string =>
  `Node ${process.versions.node}, ${Os.cpus().length} × ${Os.cpus()[0]?.model.trim() ?? "CPU"}, ` +
  `load ${Os.loadavg().map((load) => load.toFixed(1)).join(" ")}`

export const table = (outcomes: ReadonlyArray<Outcome>): string => {
  const body = outcomes.map((outcome) => [
    outcome.what,
    outcome.reach,
    ...(["raw", ...stoas] as const).map((backend) => cell(outcome.figures.get(backend) ?? []) || "-"),
    verdict(outcome)
  ])
  const widths = heads.map((head, i) => Math.max(head.length, ...body.map((cells) => cells[i]!.length)))
  const pad = (cells: ReadonlyArray<string>) => line(cells.map((text, i) => text.padEnd(widths[i]!)))
  const rule = line(widths.map((width) => "-".repeat(width)))
  return [pad(heads), rule, ...body.map(pad), "", machine()].join("\n")
}

/** One line for each row and server. */
export const json = (outcome: Outcome, backend: Backend): string =>
  JSON.stringify({
    row: outcome.id,
    what: outcome.what,
    reach: outcome.reach,
    on: backend,
    figures: outcome.figures.get(backend) ?? [],
    ...(outcome.failures.has(backend) && { failed: outcome.failures.get(backend) }),
    ...(backend !== "raw" && { reached: met(outcome, backend) ?? null })
  })
