/** A hook: what tools are asked is looked at, and what runs have cost is kept. */
import * as Hook from "../../src/http/channels/Hook.ts"

export interface Kept {
  readonly run_id: string
  readonly finished_reason: string | null
  readonly tokens: number
}

/** The newest runs, where another program would write to a place of its own. */
export const kept: Array<Kept> = []

const keep = async (run: Kept) => {
  kept.push(run)
  if (kept.length > 1_000) kept.shift()
}

export const audit = Hook.make({
  name: "audit",
  "tool.before": ({ input, tool }) =>
    tool === "Calculate" && JSON.stringify(input).includes("/ 0")
      ? { decision: "deny", why: "Nothing is divided by zero here." }
      : undefined,
  "run.after": async ({ finished_reason, run_id, usage }) => {
    await keep({ run_id, finished_reason, tokens: (usage?.input_tokens ?? 0) + (usage?.output_tokens ?? 0) })
  }
})
