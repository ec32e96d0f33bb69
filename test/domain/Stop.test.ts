/** Why models stopped, in logs of this version and of those before. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { AgentEvent } from "../../src/domain/Event.ts"
import { Message } from "../../src/domain/Message.ts"
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
  it("of an older version says why a model stopped by the words of that version", () => {
    for (
      const [before, now] of [
        ["stop", "end_turn"],
        ["length", "max_tokens"],
        ["content_filter", "content_filter"],
        ["tool_calls", "tool_calls"],
        ["other", "unknown"]
      ]
    ) {
      assert.strictEqual(replyOf({ ...used, finished_reason: before }).stop?.reason, now)
    }
    assert.isUndefined(replyOf(used).stop)
    assert.isUndefined(replyOf({ ...used, finished_reason: "completed" }).stop)
    assert.strictEqual(replyOf({ ...used, finished_reason: "error" }).rounds, 0)
  })

  it("of an older version tells which calls were cut", () => {
    const reply = replyOf(...tool("{\"a\":"), { ...used, finished_reason: "length" })
    assert.lengthOf(Reply.cutCalls(reply), 1)
    assert.strictEqual(reply.cuts, 1)
    assert.lengthOf(Reply.cutCalls(replyOf(...tool("{\"a\":1}"), { ...used, finished_reason: "length" })), 0)
    assert.lengthOf(Reply.cutCalls(replyOf(...tool("{\"a\":"), { ...used, finished_reason: "tool_calls" })), 0)
  })

  it("of this version says it in a field of its own, and a failed call is no round", () => {
    const stop_details = { category: "violence" }
    const reply = replyOf({ ...used, finished_reason: "completed", stop_reason: "content_filter", stop_details })
    assert.deepStrictEqual(reply.stop, { reason: "content_filter", details: stop_details })
    assert.strictEqual(reply.rounds, 1)
    assert.strictEqual(replyOf({ ...used, finished_reason: "interrupted", stop_reason: "error" }).rounds, 0)
    assert.strictEqual(replyOf({ ...used, finished_reason: "interrupted" }).rounds, 1)
    assert.isUndefined(stopOf({ finished_reason: "interrupted" }))
  })

  it("whose messages have no reason and no sources is read as it was", () => {
    const message = {
      id: "m",
      name: "Friday",
      role: "assistant",
      content: [{ type: "text", id: "b", text: "x" }],
      metadata: {},
      created_at: at,
      finished_at: at,
      usage: null,
      finished_reason: "max_tokens"
    }
    assert.deepStrictEqual<unknown>(Schema.encodeSync(Message)(Schema.decodeUnknownSync(Message)(message)), message)
  })
})

describe("The reason of a reply's end", () => {
  it("follows from why its model stopped", () => {
    assert.strictEqual(finishedReasonOf("end_turn"), "completed")
    assert.strictEqual(finishedReasonOf("max_tokens"), "max_tokens")
    assert.strictEqual(finishedReasonOf("content_filter"), "content_filter")
    assert.strictEqual(finishedReasonOf("refusal"), "content_filter")
    assert.strictEqual(finishedReasonOf("unknown"), "completed")
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
