/** What a run has used: the sum of the ledger's entries for it, and nothing that was counted elsewhere. */
import { Effect } from "effect"
import type { RunId, UserId } from "../../../domain/Ids.ts"
import { Ledger } from "../../../services/Ledger.ts"

export interface Cost {
  readonly input_tokens: number
  readonly output_tokens: number
  readonly microdollars: number
  /** Calls whose price is not known; they count as nothing in the microdollars. */
  readonly unpriced_calls: number
}

/** Most calls of one run that are summed; more than an agent's rounds with all their fallbacks. */
const maxCalls = 10_000

/**
 * Of the calls that had begun by then, in milliseconds: whoever asks again what a run had cost when it halted, hears the
 * same, although it has gone on since.
 */
export const make = Effect.map(
  Ledger,
  ({ calls }) => (owner: UserId, run: RunId, until: number): Effect.Effect<Cost> =>
    Effect.map(calls(owner, run, maxCalls), (entries) => {
      let dollars = 0
      const sum = { input_tokens: 0, output_tokens: 0, unpriced_calls: 0 }
      for (const { cost, created_at, input_tokens, output_tokens } of entries) {
        if (Date.parse(created_at) > until) continue
        sum.input_tokens += input_tokens
        sum.output_tokens += output_tokens
        if (cost === null) sum.unpriced_calls++
        else dollars += cost
      }
      return { ...sum, microdollars: Math.round(dollars * 1e6) }
    })
)

/** Both names that clients have for the same counts. */
export const metricsOf = ({ input_tokens, output_tokens }: Cost) => ({
  input_tokens,
  output_tokens,
  total_tokens: input_tokens + output_tokens,
  prompt_tokens: input_tokens,
  completion_tokens: output_tokens
})
