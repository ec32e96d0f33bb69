import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import type { AgentEvent } from "../../src/domain/Event.ts"
import type { BlockId, MessageId, ToolCallId } from "../../src/domain/Ids.ts"
import type { Message } from "../../src/domain/Message.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import * as Reply from "../../src/domain/Reply.ts"
import { appendEvent, messagesOf, openReply } from "../../src/domain/Transcript.ts"
import { isNamed } from "../support/events.ts"
import { anyEvents, plausibleReply, replyId, replyStart, run, stamp } from "./arbitraries.ts"

/** A log told in two parts: the later part goes on where the earlier ended. */
const resumed = (before: ReadonlyArray<Message>, events: ReadonlyArray<AgentEvent>) => {
  let messages = before
  for (const event of events) {
    const known = isNamed(event, "user_message")
      ? event.value.message.id
      : event.type === "REPLY_START"
      ? event.reply_id
      : undefined
    messages = known !== undefined && !messages.some(({ id }) => id === known)
      ? [...messages, ...messagesOf([event])]
      : messages.map((message) => appendEvent(message, event))
  }
  return messages
}

const start = replyStart as Extract<AgentEvent, { type: "REPLY_START" }>

const foldOf = (events: ReadonlyArray<AgentEvent>) => events.reduce(appendEvent, openReply(start))

const anyLog = anyEvents.chain((events) => FastCheck.nat(events.length).map((cut) => [events, cut] as const))

describe("The fold from events to messages", () => {
  it.prop("takes any events, foreign, repeated, in any order, without failing", [anyEvents], ([events]) => {
    messagesOf(events)
    foldOf(events)
  }, { fastCheck: { numRuns: 300 } })

  it.prop("leaves a message alone that an event is not about", [anyEvents], ([events]) => {
    const message = openReply({ ...start, reply_id: "nobody" as MessageId })
    assert.isTrue(events.every((event) => appendEvent(message, event) === message))
  })

  it.prop(
    "never throws on events that it does not know",
    [FastCheck.jsonValue(), plausibleReply],
    ([value, events]) => {
      const before = foldOf(events)
      for (const extra of [{}, { reply_id: replyId }, { reply_id: replyId, block_id: "block-1" }]) {
        const event = { id: "x", created_at: "x", type: "NEWS_FROM_TOMORROW", value, ...extra } as unknown as AgentEvent
        assert.strictEqual(appendEvent(before, event), before)
        assert.strictEqual(Reply.ofEvents([start, event])?.message.content.length, 0)
      }
    }
  )

  it.prop("gives one event at a time what it gives at once", [anyLog], ([[events, cut]]) => {
    const log = [start, ...events]
    assert.deepStrictEqual(resumed(messagesOf(log.slice(0, cut + 1)), log.slice(cut + 1)), messagesOf(log))
    assert.deepStrictEqual(resumed([], log), messagesOf(log))
  }, { fastCheck: { numRuns: 300 } })

  it.prop("agrees with the reply in the making", [anyEvents], ([events]) => {
    const log = [start, ...events]
    const message = messagesOf(log).find(({ id }) => id === replyId)
    assert.deepStrictEqual(Reply.ofEvents(log)?.message, message)
    assert.deepStrictEqual(events.reduce(Reply.step, Reply.start(start)), Reply.ofEvents(log))
    assert.deepStrictEqual(foldOf(events), message)
  }, { fastCheck: { numRuns: 300 } })

  it.prop("changes nothing in place", [anyEvents], ([events]) => {
    let message = openReply(start)
    for (const event of events) {
      const before = JSON.stringify(message)
      const next = appendEvent(message, event)
      assert.strictEqual(JSON.stringify(message), before)
      message = next
    }
  })

  it.prop("says the text, the thinking and the arguments that the deltas said", [plausibleReply], ([events]) => {
    const said = (type: AgentEvent["type"], of: string, id: string) =>
      events.flatMap((event) =>
        event.type === type && (event as unknown as Record<string, unknown>)[of] === id
          ? [(event as { delta: string }).delta]
          : []
      )
        .join("")
    const [message] = messagesOf(events)
    for (const block of message!.content) {
      if (block.type === "text") assert.strictEqual(block.text, said("TEXT_BLOCK_DELTA", "block_id", block.id))
      if (block.type === "thinking") {
        assert.strictEqual(block.thinking, said("THINKING_BLOCK_DELTA", "block_id", block.id))
      }
      if (block.type === "tool_call") assert.strictEqual(block.state, "finished")
      if (block.type === "tool_result" && typeof block.output !== "string") {
        assert.strictEqual(textOf(block.output), said("TOOL_RESULT_TEXT_DELTA", "tool_call_id", block.id))
      }
    }
    const calls = message!.content.flatMap((block) => block.type === "tool_call" ? [block.id as string] : [])
    const results = message!.content.flatMap((block) => block.type === "tool_result" ? [block.id as string] : [])
    assert.deepStrictEqual(results.toSorted(), calls.toSorted())
  })

  it.prop("sums the usage of all model calls", [plausibleReply], ([events]) => {
    const ends = events.filter((event) => event.type === "MODEL_CALL_END")
    assert.deepStrictEqual(messagesOf(events)[0]?.usage, {
      input_tokens: ends.reduce((sum, end) => sum + end.input_tokens, 0),
      output_tokens: ends.reduce((sum, end) => sum + end.output_tokens, 0)
    })
  })

  it("takes a person's yes back when a hook has changed the arguments", () => {
    const call = { reply_id: replyId, tool_call_id: "call" as ToolCallId }
    const id = call.tool_call_id
    const block = { type: "tool_call" as const, id, name: "t", input: "{}", suggested_rules: [] }
    const allowed = [
      stamp({ type: "TOOL_CALL_START", ...call, tool_call_name: "t" }),
      stamp({ type: "TOOL_CALL_DELTA", ...call, delta: "{}" }),
      stamp({ type: "REQUIRE_USER_CONFIRM", reply_id: replyId, tool_calls: [{ ...block, state: "asking" }] }),
      stamp({
        type: "USER_CONFIRM_RESULT",
        reply_id: replyId,
        confirm_results: [{ confirmed: true, tool_call: { ...block, state: "allowed" }, rules: null }]
      })
    ]
    assert.deepInclude(foldOf(allowed).content[0], { input: "{}", state: "allowed" })
    const changed = stamp({ type: "CUSTOM", name: "tool_call_changed", value: { ...call, input: "[]" } })
    assert.deepInclude(foldOf([...allowed, changed]).content[0], { input: "[]", state: "pending" })
  })

  it("tells blocks of one id and different kinds apart", () => {
    const id = "same"
    const block = { reply_id: replyId, block_id: id as BlockId }
    const call = { reply_id: replyId, tool_call_id: id as ToolCallId }
    const message = foldOf([
      stamp({ type: "THINKING_BLOCK_START", ...block }),
      stamp({ type: "TEXT_BLOCK_START", ...block }),
      stamp({ type: "TOOL_CALL_START", ...call, tool_call_name: "t" }),
      stamp({ type: "TOOL_RESULT_START", ...call, tool_call_name: "t" }),
      stamp({ type: "THINKING_BLOCK_DELTA", ...block, delta: "hm" }),
      stamp({ type: "TEXT_BLOCK_DELTA", ...block, delta: "oh" }),
      stamp({ type: "TOOL_CALL_DELTA", ...call, delta: "{}" }),
      stamp({ type: "TOOL_RESULT_TEXT_DELTA", ...call, delta: "ok" })
    ])
    assert.deepStrictEqual(
      message.content.map((b) =>
        b.type === "thinking"
          ? b.thinking
          : b.type === "tool_call"
          ? b.input
          : b.type === "tool_result"
          ? textOf(b.output)
          : textOf([b])
      ),
      ["hm", "oh", "{}", "ok"]
    )
  })

  it("joins pieces of tool data by their block, beside text", () => {
    const call = { reply_id: replyId, tool_call_id: "c" as ToolCallId }
    const piece = (block_id: string, data: string) =>
      stamp({ type: "TOOL_RESULT_DATA_DELTA", ...call, block_id: block_id as BlockId, media_type: "image/png", data })
    const message = foldOf([
      stamp({ type: "TOOL_RESULT_START", ...call, tool_call_name: "t" }),
      stamp({ type: "TOOL_RESULT_TEXT_DELTA", ...call, delta: "see: " }),
      piece("a", "AA"),
      piece("b", "BB"),
      piece("a", "CC"),
      stamp({ type: "TOOL_RESULT_TEXT_DELTA", ...call, delta: "done" }),
      stamp({
        type: "TOOL_RESULT_DATA_DELTA",
        ...call,
        block_id: "u" as BlockId,
        media_type: "image/png",
        url: "https://x.example/i.png"
      })
    ])
    const result = message.content.find((block) => block.type === "tool_result")
    assert.deepStrictEqual(
      typeof result?.output === "string" ?
        [] :
        result?.output.map((block) =>
          block.type === "text" ? block.text : block.source.type === "url" ? block.source.url : block.source.data
        ),
      ["see: ", "AACC", "BB", "done", "https://x.example/i.png"]
    )
  })

  it("keeps the answer of a client's tool, once", () => {
    const id = "c" as ToolCallId
    const result = (output: string) => ({ type: "tool_result", id, name: "t", output, state: "success" }) as const
    const message = foldOf([
      stamp({ type: "TOOL_CALL_START", reply_id: replyId, tool_call_id: id, tool_call_name: "t" }),
      stamp({ type: "EXTERNAL_EXECUTION_RESULT", reply_id: replyId, execution_results: [result("first")] }),
      stamp({ type: "EXTERNAL_EXECUTION_RESULT", reply_id: replyId, execution_results: [result("second")] })
    ])
    assert.deepStrictEqual(message.content.filter((block) => block.type === "tool_result"), [result("first")])
  })

  it("takes a person's changes to a call only while it asks", () => {
    const id = "c" as ToolCallId
    const call = { type: "tool_call", id, name: "t", input: "{}", state: "pending", suggested_rules: [] } as const
    const confirm = (input: string) =>
      stamp({
        type: "USER_CONFIRM_RESULT",
        reply_id: replyId,
        confirm_results: [{ confirmed: true, tool_call: { ...call, input } }]
      })
    const message = foldOf([
      stamp({ type: "TOOL_CALL_START", reply_id: replyId, tool_call_id: id, tool_call_name: "t" }),
      confirm("early"),
      stamp({ type: "REQUIRE_USER_CONFIRM", reply_id: replyId, tool_calls: [call] }),
      confirm("wanted"),
      confirm("late")
    ])
    assert.deepStrictEqual(message.content, [{ ...call, input: "wanted", state: "allowed" }])
  })

  it("ends a message with its reason", () => {
    const end = stamp({
      type: "REPLY_END",
      ...run,
      reply_id: replyId,
      finished_reason: "interrupted",
      error: null,
      usage: { input_tokens: 0, output_tokens: 0 }
    })
    const message = foldOf([end])
    assert.deepStrictEqual([message.finished_at, message.finished_reason], [end.created_at, "interrupted"])
  })
})
