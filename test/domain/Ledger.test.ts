import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { CredentialId, MessageId, Timestamp } from "../../src/domain/Ids.ts"
import { costOf, entryOf, tokensOf } from "../../src/domain/Ledger.ts"
import { agentOf, freshOwner, runOf, sessionOf } from "../support/fixtures.ts"

const start: Extract<AgentEvent, { type: "MODEL_CALL_START" }> = {
  id: "e7",
  created_at: "2026-01-31T09:30:00.000Z" as Timestamp,
  type: "MODEL_CALL_START",
  reply_id: "r" as MessageId,
  model_name: "gpt",
  provider: "openai_credential",
  credential_id: "c1" as CredentialId
}

const end: Extract<AgentEvent, { type: "MODEL_CALL_END" }> = {
  id: "e9",
  created_at: "2026-01-31T09:30:01.500Z" as Timestamp,
  type: "MODEL_CALL_END",
  reply_id: "r" as MessageId,
  input_tokens: 1_000_000,
  output_tokens: 500_000,
  cache_input_tokens: 400_000,
  cache_creation_input_tokens: 100_000
}

const run = runOf(sessionOf(agentOf(freshOwner())))

describe("An entry of the ledger", () => {
  it("says what a call took, and what it cost by its prices", () => {
    const progress = {
      attempts: 2,
      first_token_ms: 300,
      outcome: "completed",
      prices: { input: 2, output: 10, cached_input: 0.5, cache_write: 4 }
    }
    assert.deepInclude(entryOf(run, start, end, progress), {
      id: `${run.id}/e7`,
      user_id: run.user_id,
      run_id: run.id,
      model: "gpt",
      provider: "openai_credential",
      credential_id: start.credential_id!,
      cost: 0.5 * 2 + 0.4 * 0.5 + 0.1 * 4 + 0.5 * 10,
      first_token_ms: 300,
      duration_ms: 1500,
      outcome: "completed",
      attempts: 2,
      created_at: start.created_at
    })
  })

  it("of a call whose process is gone says that it was lost, and costs what nobody knows", () => {
    assert.deepInclude(entryOf(run, start, end, undefined), {
      outcome: "lost",
      cost: null,
      first_token_ms: null,
      duration_ms: null
    })
  })

  it("of a call that failed before anything came costs nothing; of one that was cut off, what nobody knows", () => {
    const costs = ([["upstream", null], ["upstream", 300], ["interrupted", null], ["completed", 300]] as const)
      .map(([outcome, first_token_ms]) =>
        entryOf(run, start, end, { attempts: 1, first_token_ms, outcome, prices: undefined }).cost
      )
    assert.deepStrictEqual(costs, [0, null, null, null])
  })

  it("takes no count that cannot be", () => {
    FastCheck.assert(
      FastCheck.property(FastCheck.double(), FastCheck.double(), (input_tokens, output_tokens) => {
        for (const tokens of Object.values(tokensOf({ input_tokens, output_tokens }))) {
          assert.isTrue(Number.isSafeInteger(tokens) && tokens >= 0)
        }
      })
    )
  })

  it("never costs less than nothing, nor more than its tokens at the highest price", () => {
    const price = FastCheck.double({ min: 0, max: 1000, noNaN: true })
    const count = FastCheck.nat(10_000_000)
    FastCheck.assert(
      FastCheck.property(
        FastCheck.record({ input: price, output: price }),
        FastCheck.record({
          input_tokens: count,
          output_tokens: count,
          cache_input_tokens: count,
          cache_creation_input_tokens: count
        }),
        (prices, usage) => {
          const tokens = tokensOf(usage)
          const cost = costOf(tokens, prices)
          assert.isAtLeast(cost, 0)
          const whole = (tokens.input_tokens * prices.input + tokens.output_tokens * prices.output) / 1e6
          assert.approximately(cost, whole, 1e-6)
        }
      )
    )
  })
})
