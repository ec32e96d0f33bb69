import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { EventDraft } from "../../src/domain/Event.ts"
import type { CredentialId, MessageId, RunId, SessionId } from "../../src/domain/Ids.ts"
import type { CallProgress } from "../../src/domain/Ledger.ts"
import * as Reply from "../../src/domain/Reply.ts"
import * as Meter from "../../src/layers/AgentRunner/Meter.ts"
import type { Out } from "../../src/services/AgentRunner.ts"
import { time } from "../support/fixtures.ts"

const reply_id = "reply-1" as MessageId
const name = (model: string) => ({ type: "demo_credential", model, credential_id: `c-${model}` as CredentialId })
const priceOf = (model: string) => ({ input: model.length, output: 1 })

/** A meter, what it emitted, and the calls that it noted; a minute passes whenever the time is asked for. */
const metering = Effect.gen(function*() {
  const drafts: Array<EventDraft> = []
  const calls: Array<CallProgress> = []
  const reply = Reply.start({
    id: "e1",
    created_at: time,
    type: "REPLY_START",
    session_id: "s" as SessionId,
    run_id: "r" as RunId,
    reply_id,
    name: "A",
    role: "assistant"
  })
  const out: Out = {
    emit: (draft) => void drafts.push(draft),
    calling: (call) => void calls.push(call),
    reply: () => reply,
    durable: Effect.void,
    behind: () => undefined,
    takeSteering: () => [],
    wasWoken: () => false,
    keepTask: () => {},
    compact: () => {
      throw new Error("Nothing is compacted here")
    }
  }
  let now = 0n
  const clock = { ...yield* Effect.clock, unsafeCurrentTimeNanos: () => now += 60_000_000_000n }
  return { meter: Meter.make({ out, reply_id, clock }), drafts, calls }
})

describe("The meter of a model call", () => {
  it.effect("notes attempts, the time to the first part, and how it ended", () =>
    Effect.gen(function*() {
      const { calls, drafts, meter } = yield* metering
      meter.begin(name("a"))
      assert.deepStrictEqual(calls, [{
        attempts: 1,
        first_token_ms: null,
        outcome: "interrupted",
        prices: undefined
      }])
      meter.retry()
      meter.come()
      meter.come()
      meter.finish({
        type: "finish",
        reason: "stop",
        usage: { input_tokens: 3, output_tokens: 4 },
        prices: priceOf("a")
      })
      assert.deepStrictEqual(calls, [{
        attempts: 2,
        first_token_ms: 60_000,
        outcome: "completed",
        prices: priceOf("a")
      }])
      assert.deepInclude(drafts.at(-1), {
        type: "MODEL_CALL_END",
        finished_reason: "completed",
        stop_reason: "end_turn",
        input_tokens: 3
      })
    }))

  it.effect("ends the call of a model that is passed over, and prices only the one that answers", () =>
    Effect.gen(function*() {
      const { calls, drafts, meter } = yield* metering
      meter.begin(name("a"))
      meter.switch({
        type: "switch",
        from: name("a"),
        to: name("ccc"),
        error: { type: "context_length", message: "Too long." }
      })
      meter.finish({
        type: "finish",
        reason: "stop",
        usage: { input_tokens: 1, output_tokens: 1 },
        prices: priceOf("ccc")
      })
      assert.deepStrictEqual(calls.map(({ outcome, prices }) => [outcome, prices]), [
        ["context_length", undefined],
        ["completed", priceOf("ccc")]
      ])
      assert.deepStrictEqual(drafts.map(({ type }) => type), [
        "MODEL_CALL_START",
        "MODEL_CALL_END",
        "CUSTOM",
        "MODEL_CALL_START",
        "MODEL_CALL_END"
      ])
    }))
})
