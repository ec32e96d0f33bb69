/** Answers that come as fast as a network can bring them: everybody else has their turn meanwhile. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Body from "../../src/layers/Models/incoming/Body.ts"
import { patience } from "../support/Patience.ts"
import { longestStretch } from "../support/Stretch.ts"
import * as Answered from "../support/wires/Answered.ts"
import { finishOf, textIn } from "../support/wires/Messages.ts"
import * as Talk from "../support/wires/Talk.ts"

const { subjects } = Answered

const chunk = (delta: object, finish_reason: string | null = null) =>
  `data: ${JSON.stringify({ choices: [{ index: 0, delta, finish_reason }], object: "chat.completion.chunk" })}\n\n`

const end = `${chunk({ content: "end" })}${chunk({}, "stop")}data: [DONE]\n\n`

const argument = (text: string) => chunk({ tool_calls: [{ index: 0, function: { arguments: text } }] })

const begin = chunk({ tool_calls: [{ index: 0, id: "c", type: "function", function: { name: "f", arguments: "\"" } }] })

/** Floods that are an answer, each of some megabytes at most. */
const floods: Readonly<Record<string, string>> = {
  "small deltas": chunk({ content: "a" }).repeat(15_000) + end,
  "deltas that all differ": Array.from({ length: 8_000 }, (_, n) => chunk({ content: "a", n })).join("") + end,
  "deltas without text": chunk({ content: "" }).repeat(10_000) + end,
  "pieces of arguments": begin + argument("abcd").repeat(8_000) + argument("\"") + end,
  comments: `${": alive\n".repeat(400_000)}\n${end}`,
  "events without data": "data:\n\nevent: x\n\nid: 1\n\n".repeat(100_000) + end,
  "large events": chunk({ content: null, odd: "x".repeat(900_000) }).repeat(12) + end
}

/** Milliseconds: many times a turn's own ten, because the server of the test, the garbage collector and others have their part. */
const longest = 500

layer(Talk.base, { excludeTestServices: true })("A flood of", (it) => {
  for (const [what, flood] of Object.entries(floods)) {
    it.scoped(`${what} is read to its end, and lets others have their turn`, () =>
      Effect.gen(function*() {
        const { ask, server } = yield* Talk.open(subjects.compatible)
        server.answer(Answered.chunks({ delta: { content: "x" } }, { delta: {}, finish_reason: "stop" }))
        // The package is loaded once.
        yield* ask()
        server.answer({ content_type: "text/event-stream", chunks: [Buffer.from(flood)] })
        const { longest: stretch, value } = yield* longestStretch(ask())
        assert.isTrue(textIn(value).endsWith("end"))
        assert.strictEqual(finishOf(value).reason, what.includes("arguments") ? "tool_calls" : "stop")
        assert.isBelow(stretch, patience(longest))
      }), patience(60_000))
  }

  it.effect("bytes that are always there is handed over in turns", () =>
    Effect.gen(function*() {
      const bytes = Buffer.from(chunk({ content: "a" }).repeat(15_000))
      let left = 30
      const body = new ReadableStream<Uint8Array>({
        pull: (controller) => left-- > 0 ? controller.enqueue(bytes) : controller.close()
      })
      const given = new Response(body, { headers: { "content-type": "text/event-stream" } })
      const signs = { alive: () => undefined, charged: () => undefined, skipped: () => undefined }
      const read = Effect.promise(async () => {
        const answer = await Body.streamed(given, signs)
        return (await answer.arrayBuffer()).byteLength
      })
      const { turns, value } = yield* longestStretch(read)
      assert.strictEqual(value, 30 * bytes.byteLength)
      // Nothing here waits for a socket: without turns of its own it would be read in one.
      assert.isAbove(turns, 5)
    }), patience(60_000))

  it.scoped("what cannot be read ends the answer as not understood", () =>
    Effect.gen(function*() {
      const { fail, server } = yield* Talk.open(subjects.compatible)
      const odd = "data: {odd\n\n".repeat(20_000)
      const chunks = [Buffer.from(chunk({ content: "a" }) + odd + end)]
      server.answer({ content_type: "text/event-stream", chunks })
      assert.deepInclude(yield* fail(), { type: "upstream", retryable: true })
    }), patience(60_000))

  it.scoped(
    "more bytes than any answer has ends it as too large, and it is not asked for again",
    () =>
      Effect.gen(function*() {
        const { fail, server } = yield* Talk.open(subjects.compatible)
        const mebibyte = Buffer.alloc(1024 * 1024, ": alive\n")
        server.answer({ content_type: "text/event-stream", chunks: Array.from({ length: 80 }, () => mebibyte) })
        const failed = yield* fail()
        assert.deepInclude(failed, { type: "upstream", retryable: false })
        assert.include(failed.message, "too large")
      }),
    patience(60_000)
  )
})
