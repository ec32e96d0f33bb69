import { assert, describe, it } from "@effect/vitest"
import type { BlockId } from "../../src/domain/Ids.ts"
import type { Message } from "../../src/domain/Message.ts"
import { estimate } from "../../src/layers/Models/Context.ts"
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
