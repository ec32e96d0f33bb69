/** Why models stopped. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { AgentEvent } from "../../src/domain/Event.ts"
import * as Reply from "../../src/domain/Reply.ts"
import { finishedReasonOf, stopOf } from "../../src/domain/Stop.ts"

const at = "2026-01-31T09:30:00.000Z"
const head = { created_at: at, reply_id: "r" }

const decode = (events: ReadonlyArray<object>) =>
  events.map((event, n) => Schema.decodeUnknownSync(AgentEvent)({ id: `${n}`, ...head, ...event }))

const start = { type: "REPLY_START", session_id: "s", run_id: "u", name: "Friday", role: "assistant" }
const call = { type: "MODEL_CALL_START", model_name: "m" }
const used = { type: "MODEL_CALL_END", input_tokens: 1, output_tokens: 1 }
const tool = (input: string) => [
  { type: "TOOL_CALL_START", tool_call_id: "c", tool_call_name: "t" },
  { type: "TOOL_CALL_DELTA", tool_call_id: "c", delta: input },
  { type: "TOOL_CALL_END", tool_call_id: "c" }
]

const replyOf = (...events: ReadonlyArray<object>) => Reply.ofEvents(decode([start, call, ...events]))!

describe("A log", () => {
  it("says why a model stopped in a field of its own, and a failed call is no round", () => {
    const stop_details = { category: "violence" }
    const reply = replyOf({ ...used, finished_reason: "completed", stop_reason: "content_filter", stop_details })
    assert.deepStrictEqual(reply.stop, { reason: "content_filter", details: stop_details })
    assert.strictEqual(reply.rounds, 1)
    assert.strictEqual(replyOf({ ...used, finished_reason: "interrupted", stop_reason: "error" }).rounds, 0)
    assert.strictEqual(replyOf({ ...used, finished_reason: "interrupted" }).rounds, 1)
    assert.isUndefined(stopOf({}))
  })
})

describe("The reason of a reply's end", () => {
  it("is one that every client knows, whatever its model stopped for", () => {
    for (const reason of ["end_turn", "max_tokens", "content_filter", "refusal", "unknown"]) {
      assert.strictEqual(finishedReasonOf(reason), "completed")
    }
    assert.strictEqual(finishedReasonOf("error"), "error")
  })
})

describe("A crash between the events that refuse a call", () => {
  it("makes nothing be said twice", () => {
    const events = [...tool("{\"a\":"), { ...used, finished_reason: "completed", stop_reason: "max_tokens" }]
    const drafts = Reply.refuseCalls(replyOf(...events))
    assert.deepStrictEqual(drafts.map(({ type }) => type), [
      "TOOL_RESULT_START",
      "TOOL_RESULT_TEXT_DELTA",
      "TOOL_RESULT_END"
    ])
    for (const kept of [1, 2, 3]) {
      const rest = Reply.refuseCalls(replyOf(...events, ...drafts.slice(0, kept)))
      assert.deepStrictEqual(rest, drafts.slice(kept))
    }
  })
})
