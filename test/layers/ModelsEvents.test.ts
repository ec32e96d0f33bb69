/** The events of an answer pass as they are, however their bytes come. */
import { assert, describe, it, vi } from "@effect/vitest"
import { FastCheck } from "effect"
import * as Events from "../../src/layers/Models/incoming/Events.ts"
import { nothingSeen } from "../../src/layers/Models/incoming/Seen.ts"
import { sse } from "../support/wires/Wire.ts"

const chat = (content: string) => ({
  choices: [{ index: 0, delta: { content }, finish_reason: null }],
  object: "chat.completion.chunk"
})
const message = (text: string) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } })
const begun = { type: "message_start", message: { usage: { input_tokens: 1 } } }

const dataIn = (bytes: Uint8Array) =>
  Buffer.from(bytes).toString().split("\n").filter((line) => line.startsWith("data: ")).map((line) =>
    JSON.parse(line.slice(6))
  )

const passed = (bytes: Buffer, cuts: ReadonlyArray<number>) => {
  const filter = Events.make(nothingSeen())
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  let from = 0
  const out = ends.map((end) => {
    const given = filter.take(bytes.subarray(from, end))
    from = end
    return given ?? Buffer.alloc(0)
  })
  return dataIn(Buffer.concat([...out, filter.end() ?? Buffer.alloc(0)]))
}

const texts = FastCheck.array(
  FastCheck.oneof(
    FastCheck.constantFrom("word ", "\"", "\\", "\n", "🏛️", "", "\"}}]", "data: ", "\\\"", "\u2028", "é"),
    FastCheck.fullUnicodeString({ maxLength: 6 })
  ),
  { minLength: 1, maxLength: 12 }
)

describe("Events that are deltas of text", () => {
  const ways = [
    ["Chat Completions", chat("x"), chat, ""],
    ["Messages", begun, message, "event: content_block_delta\n"],
    ["a server with comments", chat("x"), chat, ": alive\n\n"]
  ] as const
  for (const [of, first, delta, before] of ways) {
    it(`of ${of} pass whole, in their order, wherever their bytes are cut`, () => {
      FastCheck.assert(
        FastCheck.property(texts, FastCheck.array(FastCheck.nat(), { maxLength: 12 }), (texts, cuts) => {
          const events = [first, ...texts.map((text) => delta(text))]
          assert.deepStrictEqual(
            passed(Buffer.concat(events.flatMap((event) => [Buffer.from(before), sse(event)])), cuts),
            events
          )
        }),
        { numRuns: 500 }
      )
    })
  }

  it("are looked at again when one is not like those before it", () => {
    const right = [chat("a"), chat("b")]
    const wrong = { choices: [{ index: 0, delta: { role: "model", content: "c" } }] }
    const given = passed(Buffer.concat([...right, wrong, chat("d")].map((event) => sse(event))), [])
    assert.deepStrictEqual(given.map(({ choices }) => choices[0].delta), [
      { content: "a" },
      { content: "b" },
      { content: "c" },
      { content: "d" }
    ])
  })

  it("are not read as JSON, even where the connection cuts them into two", (context) => {
    const parse = vi.spyOn(JSON, "parse")
    context.onTestFinished(() => parse.mockRestore())
    const bytes = Buffer.concat(Array.from({ length: 1_000 }, () => sse(chat("word "))))
    const filter = Events.make(nothingSeen())
    const half = bytes.length / 2 + 3
    const given = [bytes.subarray(0, half), bytes.subarray(half)].map((piece) => filter.take(piece)!)
    assert.isBelow(parse.mock.calls.length, 5)
    assert.isTrue(Buffer.concat(given).equals(bytes))
  })

  it("are looked at as long as the answer says something else between them", () => {
    const seen = nothingSeen()
    const filter = Events.make(seen)
    const usage = { ...chat(""), usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } }
    const end = { choices: [{ index: 0, delta: {}, finish_reason: "stop" }], object: "chat.completion.chunk" }
    filter.take(Buffer.concat([chat("a"), chat("b"), usage, chat("c"), chat("d"), end].map((event) => sse(event))))
    assert.strictEqual(seen.usage?.output_tokens, 3)
    assert.isTrue(seen.finished)
    assert.strictEqual(seen.events, 6)
  })
})
