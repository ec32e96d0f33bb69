import { assert, describe, it } from "@effect/vitest"
import type { AgentEvent } from "../../src/domain/Event.ts"
import * as Reply from "../../src/domain/Reply.ts"
import { anyEvents, cutReply, plausibleReply, replyStart, run, stamp } from "./arbitraries.ts"

const how: Reply.Ending = { finished_reason: "interrupted", error: null }

/** The log with what an interrupt or a recovery adds to it. */
const finished = (events: ReadonlyArray<AgentEvent>) => {
  const reply = Reply.ofEvents(events)!
  return [...events, ...Reply.ending(reply, run, how).map(stamp)]
}

const count = (events: ReadonlyArray<AgentEvent>, type: AgentEvent["type"]) =>
  events.filter((event) => event.type === type && (!("reply_id" in event) || event.reply_id === "reply-1")).length

describe("Ending a reply", () => {
  it.prop("leaves nothing open and every call answered, wherever the reply was cut", [cutReply], ([events]) => {
    const all = finished(events)
    const reply = Reply.ofEvents(all)!
    assert.strictEqual(reply.open.size, 0)
    assert.isUndefined(reply.call)
    assert.isTrue(reply.ended)
    assert.deepStrictEqual(Reply.unanswered(reply.message), [])
    assert.strictEqual(count(all, "REPLY_END"), 1)
    assert.strictEqual(all.at(-1)?.type, "REPLY_END")
    for (
      const kind of ["TEXT_BLOCK", "THINKING_BLOCK", "DATA_BLOCK", "TOOL_CALL", "TOOL_RESULT", "MODEL_CALL"] as const
    ) {
      const ends = count(all, `${kind}_END`)
      assert.strictEqual(ends, count(all, `${kind}_START`), kind)
    }
    for (const block of reply.message.content) {
      if (block.type === "tool_call") assert.strictEqual(block.state, "finished")
      if (block.type === "tool_result") assert.notStrictEqual(block.state, "running")
    }
  }, { fastCheck: { numRuns: 500 } })

  it.prop("does so after any events at all", [anyEvents], ([events]) => {
    const log = [replyStart, ...events.filter(({ type }) => type !== "REPLY_END")]
    const reply = Reply.ofEvents(finished(log))!
    assert.isTrue(reply.ended)
    assert.strictEqual(reply.open.size, 0)
    assert.isUndefined(reply.call)
    assert.deepStrictEqual(Reply.unanswered(reply.message), [])
  }, { fastCheck: { numRuns: 500 } })

  it.prop("adds nothing to a reply that has ended", [plausibleReply], ([events]) => {
    assert.deepStrictEqual(Reply.ending(Reply.ofEvents(events)!, run, how), [])
    assert.deepStrictEqual(finished(finished(events)), finished(events))
  })

  it.prop("keeps what was said", [cutReply], ([events]) => {
    const before = Reply.ofEvents(events)!.message
    const after = Reply.ofEvents(finished(events))!.message
    for (const block of before.content) {
      if (block.type === "text" || block.type === "thinking" || block.type === "data") {
        assert.deepInclude(after.content, block)
      }
    }
    assert.deepStrictEqual(
      after.usage ?? { input_tokens: 0, output_tokens: 0 },
      before.usage ?? { input_tokens: 0, output_tokens: 0 }
    )
  })

  it.prop("counts the rounds whose model call has ended", [plausibleReply], ([events]) => {
    assert.strictEqual(Reply.ofEvents(events)!.rounds, count(events, "MODEL_CALL_END"))
  })

  it.prop("counts no round whose model gave way to another", [plausibleReply], ([events]) => {
    const failed = events.map((event) =>
      event.type === "MODEL_CALL_END" ? { ...event, finished_reason: "error" } : event
    )
    assert.strictEqual(Reply.ofEvents(failed)!.rounds, 0)
  })
})
