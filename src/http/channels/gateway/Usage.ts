/** What executions have used: sums of the ledger's entries, and nothing that was counted elsewhere. */
import { Clock, Effect } from "effect"
import type { Run } from "../../../domain/Run.ts"
import { Ledger } from "../../../services/Ledger.ts"
import type { Usage } from "./Shapes.ts"

/** Most calls of one run that are summed; more than an agent's rounds with all their fallbacks. */
const maxCalls = 10_000

const microdollars = (dollars: number) => Math.round(dollars * 1e6) / 1e6

export const noUsage: Usage = {
  input_tokens: 0,
  output_tokens: 0,
  cost_usd: 0,
  unpriced_calls: 0,
  llm_calls: 0,
  tool_calls: 0,
  models_used: [],
  duration_ms: 0
}

/** Of executions that go side by side or one after the other; how long they took is the sum as well. */
export const add = (a: Usage, b: Usage): Usage => ({
  input_tokens: a.input_tokens + b.input_tokens,
  output_tokens: a.output_tokens + b.output_tokens,
  cost_usd: microdollars(a.cost_usd + b.cost_usd),
  unpriced_calls: a.unpriced_calls + b.unpriced_calls,
  llm_calls: a.llm_calls + b.llm_calls,
  tool_calls: a.tool_calls === null || b.tool_calls === null ? null : a.tool_calls + b.tool_calls,
  models_used: [...new Set([...a.models_used, ...b.models_used])],
  duration_ms: a.duration_ms + b.duration_ms
})

export const make = Effect.map(Ledger, ({ calls }) =>
  Effect.fnUntraced(function*(run: Run, tool_calls: number | null) {
    const entries = yield* calls(run.user_id, run.id, maxCalls)
    const now = yield* Clock.currentTimeMillis
    let dollars = 0
    let unpriced_calls = 0
    let input_tokens = 0
    let output_tokens = 0
    const models = new Set<string>()
    for (const entry of entries) {
      input_tokens += entry.input_tokens
      output_tokens += entry.output_tokens
      models.add(entry.model)
      if (entry.cost === null) unpriced_calls++
      else dollars += entry.cost
    }
    const began = run.started_at === null ? undefined : Date.parse(run.started_at)
    const ended = run.ended_at === null ? now : Date.parse(run.ended_at)
    const usage: Usage = {
      input_tokens,
      output_tokens,
      cost_usd: microdollars(dollars),
      unpriced_calls,
      llm_calls: entries.length,
      tool_calls,
      models_used: [...models].toSorted(),
      duration_ms: began === undefined ? 0 : Math.max(0, ended - began)
    }
    return usage
  }))
