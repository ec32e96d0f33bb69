/** What the model layer adds to the package of a provider: the same answer read by it alone, and through `Models`. */
import { type Child, start } from "./Child.ts"
import { type Figure, median, type Plan } from "./Figures.ts"
import { deltasPerCall } from "./Probe.ts"

export const row = {
  id: "model-layer",
  what: "CPU of a delta from a provider: its package alone, and through Models",
  reach: "≤ 1.5 × alone",
  limits: { "": { timesRaw: 1.5 } }
} as const

/** Calls before those that count: the first few hundred thousand deltas cost more. */
const warmUp = 40

const costOf = async (child: Child, way: "bare" | "models"): Promise<number> => {
  const before = await child.ask("cpu")
  await child.ask(way)
  return (await child.ask("cpu") - before) / deltasPerCall
}

export const measure = async (plan: Plan): Promise<{ readonly [Way in "bare" | "models"]: ReadonlyArray<Figure> }> => {
  const provider = await start("models.ts", ["provider"])
  const calls = await start("models.ts", ["calls", String(provider.port)])
  try {
    const costs = { bare: [] as Array<number>, models: [] as Array<number> }
    for (let i = -Math.min(warmUp, plan.warmUp); i < plan.rounds * 4; i++) {
      // In turns, so that whatever else the machine does falls on both.
      for (const way of ["bare", "models"] as const) {
        const cost = await costOf(calls, way)
        if (i >= 0) costs[way].push(cost)
      }
    }
    const figure = (values: ReadonlyArray<number>): ReadonlyArray<Figure> => [
      { name: "", value: median(values), unit: "µs" }
    ]
    return { bare: figure(costs.bare), models: figure(costs.models) }
  } finally {
    await calls.stop()
    await provider.stop()
  }
}
