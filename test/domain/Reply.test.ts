import { assert, describe, it } from "@effect/vitest"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { BlockId } from "../../src/domain/Ids.ts"
import type { Message } from "../../src/domain/Message.ts"
import * as OpenCalls from "../../src/domain/OpenCalls.ts"
import * as Reply from "../../src/domain/Reply.ts"
import { messagesOf } from "../../src/domain/Transcript.ts"
import { anyEvents, cutReply, plausibleReply, replyId, replyStart, run, stamp } from "./arbitraries.ts"

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
    assert.deepStrictEqual(OpenCalls.unanswered(reply.message), [])
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
    assert.deepStrictEqual(OpenCalls.unanswered(reply.message), [])
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
      event.type === "MODEL_CALL_END"
        ? { ...event, finished_reason: "interrupted" as const, stop_reason: "error" }
        : event
    )
    assert.strictEqual(Reply.ofEvents(failed)!.rounds, 0)
  })
})

describe("A reply in the making", () => {
  it.prop("stays as it was for whoever holds it, however it went on", [anyEvents, plausibleReply], ([some, others]) => {
    const events = [replyStart, ...some, ...others.slice(1)]
    let asked = Reply.ofEvents([replyStart])!
    let unasked = asked
    const versions: Array<Reply.Reply> = []
    const expected: Array<string> = []
    for (const event of events) {
      asked = Reply.step(asked, event)
      unasked = Reply.step(unasked, event)
      expected.push(JSON.stringify(asked.message))
      versions.push(unasked)
    }
    // From the newest to the oldest, the oldest to the newest: whichever is asked for its message first.
    const shuffled = [...versions.keys()].map((i) => i % 2 === 0 ? i : versions.length - i - (versions.length % 2))
    for (const i of new Set(shuffled)) assert.strictEqual(JSON.stringify(versions[i]!.message), expected[i])
    for (const [i, version] of versions.entries()) {
      assert.strictEqual(JSON.stringify(version.message), expected[i])
      assert.strictEqual(version.id, version.message.id)
    }
  }, { fastCheck: { numRuns: 200 } })

  it.prop("can go on in two ways from one point", [plausibleReply, anyEvents], ([events, others]) => {
    const middle = Math.ceil(events.length / 2)
    const common = Reply.ofEvents(events.slice(0, middle))!
    const one = events.slice(middle).reduce(Reply.step, common)
    const two = others.reduce(Reply.step, common)
    assert.deepStrictEqual(one.message, Reply.ofEvents(events)!.message)
    assert.deepStrictEqual(two.message, Reply.ofEvents([...events.slice(0, middle), ...others])!.message)
  }, { fastCheck: { numRuns: 200 } })

  it("costs the same for each event, however many blocks there are", () => {
    const eventsOf = (blocks: number) => [
      replyStart,
      ...Array.from({ length: blocks }, (_, i) => {
        const block = { reply_id: replyId, block_id: `b${i}` as BlockId }
        return [
          { type: "TEXT_BLOCK_START", ...block } as const,
          { type: "TEXT_BLOCK_DELTA", ...block, delta: "x" } as const,
          { type: "TEXT_BLOCK_END", ...block } as const
        ].map(stamp)
      }).flat()
    ]
    const timeOf = (blocks: number) => {
      const events = eventsOf(blocks)
      const times = Array.from({ length: 5 }, () => {
        const began = performance.now()
        assert.strictEqual(Reply.ofEvents(events)!.message.content.length, blocks)
        assert.strictEqual(messagesOf(events)[0]!.content.length, blocks)
        return performance.now() - began
      })
      return Math.min(...times)
    }
    timeOf(1_000)
    // Eight times the blocks took 64 times as long when each event copied them all.
    assert.isBelow(timeOf(40_000) / timeOf(5_000), 32)
  })

  it("may hold so much and so many blocks, and cannot go on beyond", () => {
    const holding = (content: Message["content"]) => ({ ...Reply.ofEvents([replyStart])!.message, content })
    const text = (length: number, n = 0): Message["content"][number] => ({
      type: "text",
      id: `b${n}` as BlockId,
      text: "x".repeat(length)
    })
    const half = text(Reply.maxCharacters / 2)
    assert.isUndefined(Reply.excessOf(holding([half, half])))
    assert.strictEqual(Reply.roomIn(holding([half, half])), 0)
    assert.strictEqual(Reply.excessOf(holding([half, half, text(1)])), `${Reply.maxCharacters} characters`)
    const many = (n: number) => holding(Array.from({ length: n }, (_, i) => text(1, i)))
    assert.isUndefined(Reply.excessOf(many(Reply.maxBlocks)))
    assert.strictEqual(Reply.excessOf(many(Reply.maxBlocks + 1)), `${Reply.maxBlocks} blocks`)
  })
})
