import { assert, describe, it } from "@effect/vitest"
import type { BlockId, ToolCallId } from "../../src/domain/Ids.ts"
import type { Message } from "../../src/domain/Message.ts"
import { cardOf } from "../../src/layers/Models/cards/Merge.ts"
import { estimate, maxContext, maxFiles, refusal } from "../../src/layers/Models/Context.ts"
import { messageOf } from "../support/fixtures.ts"

let blocks = 0
const say = (text: string, told?: { reads: number }): Message => {
  const block = { type: "text" as const, id: `block-${blocks++}` as BlockId, text }
  const counted = told === undefined ? block : Object.defineProperty({ ...block }, "text", {
    get: () => {
      told.reads++
      return text
    }
  })
  return { ...messageOf(""), content: [counted] }
}

describe("a conversation", () => {
  const file = (data: string): Message => ({
    ...messageOf(""),
    content: [{
      type: "tool_result",
      id: "c" as ToolCallId,
      name: "T",
      state: "success",
      output: [{ type: "data", id: "b" as BlockId, source: { type: "base64", data, media_type: "image/png" } }]
    }]
  })

  it("is sent up to a bound in bytes of text, and another one of files, whatever the model's card says", () => {
    const half = "x".repeat(maxContext / 2)
    assert.isUndefined(refusal(undefined, half, [say(half), file("x".repeat(maxFiles))]))
    assert.strictEqual(refusal(undefined, half, [file("x".repeat(maxFiles)), file("x")])?.type, "context_length")
    assert.strictEqual(refusal(undefined, `${half}x`, [say(half)])?.type, "context_length")
    const card = cardOf({ type: "chat_model", name: "m", context_size: 100_000_000 }, {})
    assert.isUndefined(refusal(card, "", [say("x".repeat(maxContext))]))
    assert.include(refusal(card, "", [say("x".repeat(maxContext)), say("x")])?.message, `at most ${maxContext}`)
  })
})

describe("the estimate of a conversation", () => {
  it("is its bytes divided by four, the system prompt included", () => {
    assert.strictEqual(estimate("", []), 0)
    assert.strictEqual(estimate("abcd", [say("efgh"), say("ijkl")]), 3)
    assert.strictEqual(estimate("", [say("日本語語")]), 3)
  })

  it("reads no message twice, however often a growing conversation is asked about", () => {
    const told = { reads: 0 }
    const messages: Array<Message> = []
    for (let n = 1; n <= 100; n++) {
      messages.push(say("four", told))
      assert.strictEqual(estimate("", [...messages, say("")]), n)
    }
    assert.strictEqual(told.reads, 100)
  })

  it("counts anew what has another beginning", () => {
    const [a, b, c, d] = [say("aaaa"), say("bbbb"), say("cccc"), say("dddd".repeat(10))]
    assert.strictEqual(estimate("", [a, b, c]), 3)
    assert.strictEqual(estimate("", [d, b, c]), 12)
    assert.strictEqual(estimate("", [b, c]), 2)
    assert.strictEqual(estimate("", [a, c]), 2)
  })
})
