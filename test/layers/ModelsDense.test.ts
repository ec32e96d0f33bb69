/** Answers whose reading would take long: everybody else has their turn, whatever a provider's server sends. */
import { assert, layer } from "@effect/vitest"
import { Effect, Exit } from "effect"
import { patience } from "../support/Patience.ts"
import { longestStretch } from "../support/Stretch.ts"
import * as Answered from "../support/wires/Answered.ts"
import { frame } from "../support/wires/AwsEventStream.ts"
import type * as FakeProvider from "../support/wires/FakeProvider.ts"
import { textIn } from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import * as Talk from "../support/wires/Talk.ts"

const { subjects } = Answered

/** Milliseconds: far less than any of these takes where it is read as it comes, and far more than a turn. */
const longest = 250

const end = `data: {"choices":[{"index":0,"delta":{"content":"end"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n`

const events = (text: string): FakeProvider.Answer => ({
  content_type: "text/event-stream",
  chunks: [Buffer.from(text)]
})

const whole = (body: string, status = 200): FakeProvider.Answer => ({
  status,
  headers: { "content-type": "application/json" },
  body
})

const brackets = (n: number) => `{"choices":${"[".repeat(n)}${"]".repeat(n)}}`
const objects = (n: number) => `{"choices":[${"{},".repeat(n)}{}]}`

/** What is left out, before an answer that is read. */
const leftOut: Readonly<Record<string, string>> = {
  "lists in each other": `data: ${brackets(2_000_000)}\n\n`,
  "a list of many objects": `data: ${objects(1_000_000)}\n\n`,
  "a list that never ends": `data: {"choices":${"[".repeat(6_000_000)}\n\n`,
  "many small events in one": `${"data: {\n".repeat(9_000)}\n`
}

/** What no answer can be made of. */
const refused: Readonly<Record<string, FakeProvider.Answer>> = {
  "an answer in one piece of lists in each other": whole(brackets(2_000_000)),
  "an answer in one piece of many objects": whole(objects(1_000_000)),
  "an event of more lines than any has": events(`${"data: {\n".repeat(200_000)}\n${end}`),
  "an error of many megabytes": whole(JSON.stringify({ error: { message: "exceed ".repeat(1_300_000) } }), 400),
  "an error of many megabytes in an event": events(`data: {"error":{"message":"${"exceed ".repeat(1_000_000)}"}}\n\n`)
}

layer(Talk.base, { excludeTestServices: true })("A provider's server that sends", (it) => {
  const opened = Effect.fnUntraced(function*() {
    const talk = yield* Talk.open(subjects.compatible)
    talk.server.answer(events(end))
    // The package is loaded once.
    yield* talk.ask()
    return talk
  })

  for (const [what, frame] of Object.entries(leftOut)) {
    it.scoped(`${what} keeps nobody waiting, and the rest of its answer is read`, () =>
      Effect.gen(function*() {
        const { ask, server } = yield* opened()
        server.answer(events(frame + end))
        const { longest: stretch, value } = yield* longestStretch(ask())
        assert.strictEqual(textIn(value), "end")
        assert.isBelow(stretch, patience(longest))
      }), patience(60_000))
  }

  for (const [what, answer] of Object.entries(refused)) {
    it.scoped(`${what} keeps nobody waiting, and fails`, () =>
      Effect.gen(function*() {
        const { ask, server } = yield* opened()
        server.answer(answer)
        const { longest: stretch, value } = yield* longestStretch(Effect.exit(ask()))
        assert.isTrue(Exit.isFailure(value))
        assert.isBelow(stretch, patience(longest))
      }), patience(60_000))
  }

  it.scoped("a line that is longer than any answer may be is not kept to its end", () =>
    Effect.gen(function*() {
      const { fail, server } = yield* opened()
      const mebibyte = Buffer.alloc(1024 * 1024, "a")
      const chunks = [
        Buffer.from("data: {\"choices\":[{\"delta\":{\"content\":\""),
        ...Array.from({ length: 10 }, () => mebibyte)
      ]
      // It hangs: only the length can end it.
      server.answer({ content_type: "text/event-stream", chunks, ending: "hang" })
      const failed = yield* fail()
      assert.deepInclude(failed, { type: "upstream", retryable: false })
      assert.include(failed.message, "too large")
    }), patience(60_000))

  it.scoped("a frame of lists in each other keeps nobody waiting, and fails", () =>
    Effect.gen(function*() {
      const { ask, fail, server } = yield* Talk.open(subjects.bedrock)
      server.answer(subjects.bedrock.wire.say(Say.say(Say.text("ok"))))
      yield* ask()
      let deep: Array<unknown> = []
      for (let depth = 0; depth < 2_000; depth++) deep = [deep]
      const payload = { contentBlockIndex: 0, delta: { text: "x" }, odd: Array.from({ length: 500 }, () => deep) }
      const headers = {
        ":event-type": "contentBlockDelta",
        ":content-type": "application/json",
        ":message-type": "event"
      }
      server.answer({ content_type: "application/vnd.amazon.eventstream", chunks: [frame(headers, payload)] })
      const { longest: stretch, value } = yield* longestStretch(fail())
      assert.strictEqual(value.type, "upstream")
      assert.include(value.message, "could not be understood")
      assert.isBelow(stretch, patience(longest))
    }), patience(60_000))

  it.scoped(
    "a list of far more models than anybody has is not understood, and one of many is",
    () =>
      Effect.gen(function*() {
        const { check, failing, server } = yield* opened()
        const models = (length: number) => ({
          data: Array.from({ length }, (_, n) => ({ id: `m${n}`, object: "model" }))
        })
        server.answer(whole(JSON.stringify(models(100_000))))
        assert.include((yield* failing(check)).message, "could not be understood")
        server.answer(whole(JSON.stringify(models(20_000))))
        assert.include(yield* check, "m0")
      }),
    patience(60_000)
  )

  it.scoped("a list of its models that takes long to read keeps nobody waiting", () =>
    Effect.gen(function*() {
      const { check, server } = yield* opened()
      server.answer(whole(`{"data":${"[".repeat(4_000_000)}${"]".repeat(4_000_000)}}`))
      const { longest: stretch, value } = yield* longestStretch(Effect.exit(check))
      assert.isTrue(Exit.isFailure(value))
      assert.isBelow(stretch, patience(longest))
    }), patience(60_000))
})
