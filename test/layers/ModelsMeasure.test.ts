import { assert, describe, it } from "@effect/vitest"
import type { Message } from "../../src/domain/Message.ts"
import * as Context from "../../src/layers/Models/Context.ts"
import { measure } from "../../src/layers/Models/Measure.ts"
import { messageOf } from "../support/fixtures.ts"

/** A message that counts how often somebody looks at what it says. */
const watched = (text: string, looks: { count: number }): Message => {
  const message = messageOf(text)
  return Object.defineProperty({ ...message }, "content", {
    get: () => {
      looks.count++
      return message.content
    }
  })
}

const conversation = (length: number, looks: { count: number }) =>
  Array.from({ length }, (_, i) => watched(`message ${i}`, looks))

const sums = {
  "the words of a conversation": (messages: ReadonlyArray<Message>) => measure(messages).words,
  "the tokens of a conversation": (messages: ReadonlyArray<Message>) => Context.estimate("", messages)
}

describe("How much a conversation holds", () => {
  for (const [what, sum] of Object.entries(sums)) {
    it(`${what}: a turn looks at new messages only, though each turn brings a new array`, () => {
      const looks = { count: 0 }
      const messages = conversation(100, looks)
      sum(messages)
      looks.count = 0
      const more = [...messages, watched("a new one", looks)]
      sum(more)
      assert.isAtMost(looks.count, 3)
      assert.strictEqual(sum(more), sum([...more]))
    })

    it(`${what}: messages are not looked at again when older ones are left out`, () => {
      const looks = { count: 0 }
      const messages = conversation(100, looks)
      sum(messages)
      looks.count = 0
      const fewer = sum(messages.slice(40))
      assert.strictEqual(looks.count, 0)
      assert.strictEqual(fewer, sum(conversation(100, looks).slice(40)))
    })
  }

  it("counts messages, characters and words, and empty messages not at all", () => {
    const looks = { count: 0 }
    const empty: Message = { ...messageOf(""), content: [] }
    assert.deepStrictEqual(
      measure([watched("two words", looks), empty, watched("one", looks)]),
      { messages: 2, chars: 12, words: 3 }
    )
    assert.deepStrictEqual(measure([]), { messages: 0, chars: 0, words: 0 })
  })

  it("counts a message whose place is taken by another as that other", () => {
    const looks = { count: 0 }
    const messages = conversation(3, looks)
    measure(messages)
    assert.strictEqual(measure([messages[0]!, watched("three more words", looks), messages[2]!]).words, 7)
  })
})
