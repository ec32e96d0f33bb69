/** The life and the end of a stream: what counts as a sign of life, what as the end, and what is passed over. */
import { assert } from "@effect/vitest"
import { Duration, Effect } from "effect"
import type { ModelPart } from "../../../src/services/Models.ts"
import { patience } from "../../support/Patience.ts"
import type * as FakeProvider from "../../support/wires/FakeProvider.ts"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import * as Talk from "../../support/wires/Talk.ts"
import { sse } from "../../support/wires/Wire.ts"
import { rich, tools } from "./Answers.ts"
import type { Case } from "./Case.ts"

const { callsIn, finishOf, textIn } = Messages

const short = Say.say(Say.text("Half ", "of ", "it."))

/** Longer than the grace after the end that an answer has named. */
const idle = patience(8_000)

/** How long a provider may be silent where it says something all the time, and how often it does. */
const quiet = patience(1_000)
const beat = quiet / 4

const page = (content_type: string): FakeProvider.Answer => ({
  status: 200,
  headers: { "content-type": content_type },
  body: `<!DOCTYPE html>\n<html><body>${Talk.theirWords}</body></html>`
})

/** One byte after the other, as far as `length` goes; then the rest. */
const dribbled = (bytes: Buffer, length: number): ReadonlyArray<Buffer> => [
  ...Array.from({ length }, (_, n) => bytes.subarray(n, n + 1)),
  bytes.subarray(length)
]

export const streams: ReadonlyArray<Case> = [
  {
    title: "the end is the end, although the connection stays open",
    bounds: { idle: Duration.millis(idle) },
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        for (const say of [short, rich]) {
          const { chunks, content_type } = wire.say(say)
          server.answer({ content_type, chunks })
          const complete = yield* ask({ tools })
          server.answer({ content_type, chunks, ending: "hang" })
          const parts = yield* ask({ tools })
          assert.deepStrictEqual(finishOf(parts), finishOf(complete))
          assert.strictEqual(textIn(parts), textIn(complete))
          assert.deepStrictEqual(callsIn(parts).map(({ args }) => args), callsIn(complete).map(({ args }) => args))
          yield* Effect.promise(server.left)
        }
      })
  },
  {
    title:
      "an answer that has said why it ends is complete without its end mark, although the connection stays open or breaks",
    bounds: { idle: Duration.millis(idle) },
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type, whole } = wire.say(short)
        for (const ending of ["hang", "cut", "reset"] as const) {
          server.answer({ content_type, chunks: chunks.slice(0, whole), ending })
          const parts = yield* ask()
          assert.strictEqual(textIn(parts), "Half of it.")
          assert.strictEqual(finishOf(parts).reason, "stop")
          yield* Effect.promise(server.left)
        }
      })
  },
  {
    title: "any byte is a sign of life, also one that shows nothing yet",
    bounds: { firstPart: Duration.millis(quiet), idle: Duration.millis(quiet) },
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type } = wire.say(short)
        server.answer({ content_type, chunks: dribbled(Buffer.concat(chunks), 8), pause: beat })
        assert.strictEqual(textIn(yield* ask()), "Half of it.")
      })
  },
  {
    title: "comments are a sign of life, before an answer and within it",
    needs: "server-sent events",
    bounds: { firstPart: Duration.millis(quiet), idle: Duration.millis(quiet) },
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type, whole } = wire.say(short)
        const pings = Array.from({ length: 6 }, (_, n) => Buffer.from(n % 2 === 0 ? ": keep-alive\n\n" : "\n"))
        for (const at of [0, whole - 1]) {
          server.answer({
            content_type,
            chunks: [Buffer.concat(chunks.slice(0, at)), ...pings, Buffer.concat(chunks.slice(at))],
            pause: beat
          })
          assert.strictEqual(textIn(yield* ask()), "Half of it.")
        }
      })
  },
  {
    title: "events that are not understood are passed over",
    needs: "server-sent events",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type } = wire.say(short)
        const odd = [
          sse({ type: "nobody.knows", about: Talk.theirWords }),
          sse({ object: "nobody.knows", id: "1" }),
          sse("{ this is no JSON"),
          sse("[]"),
          sse("null"),
          sse("7")
        ]
        for (const at of [1, 2, chunks.length - 2]) {
          for (const one of odd) {
            server.answer({ content_type, chunks: [...chunks.slice(0, at), one, ...chunks.slice(at)] })
            const parts = yield* ask()
            assert.strictEqual(textIn(parts), "Half of it.", `${one} after ${at}`)
            assert.strictEqual(finishOf(parts).reason, "stop")
          }
        }
      })
  },
  {
    title: "a web page in the place of an answer says so, at the first attempt",
    bounds: { attempts: 3 },
    run: ({ fail, failing, check, server }, { wire, lacks }) =>
      Effect.gen(function*() {
        const { content_type } = wire.say(short)
        for (const type of ["text/html; charset=utf-8", "text/plain", content_type]) {
          server.answer(page(type))
          const failed = yield* fail()
          assert.include(failed.message, "web page")
          assert.include(failed.message, "base_url")
          assert.isFalse(failed.retryable)
          assert.lengthOf(server.received, 1)
        }
        if (lacks["list of models"] !== undefined) return
        server.answer(page("text/html"))
        assert.include((yield* failing(check)).message, "web page")
      })
  },
  {
    title: "a connection that is reset is told as one",
    run: ({ fail, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type, whole } = wire.say(short)
        server.answer({ content_type, chunks: chunks.slice(0, whole - 1), ending: "reset" })
        const parts: Array<ModelPart> = []
        const failed = yield* fail({}, parts)
        assert.deepInclude(failed, { type: "connection", retryable: true })
        assert.match(failed.message, /connection .*was (reset|closed)/)
        assert.include(textIn(parts), "Half")
      })
  },
  {
    title: "an address is put right alike by the check and by the call",
    run: ({ ask, check, request, server }, subject) =>
      Effect.gen(function*() {
        const { chunks, content_type } = subject.wire.say(short)
        const answer = { content_type, chunks }
        const models = subject.wire.models([subject.model])
        server.answer(answer)
        yield* ask()
        const asked = request().path
        server.answer(models)
        const listed = subject.lacks["list of models"] === undefined
        if (listed) yield* check
        const checked = listed ? request().path : ""
        const field = "host" in subject.credential("", "") ? "host" : "base_url"
        for (const end of ["/", "//", "/chat/completions", "/chat/completions/", "/responses", "/messages", "  "]) {
          const credential = (origin: string, secret: string) => {
            const own = subject.credential(origin, secret)
            return { ...own, [field]: `${String(own[field])}${end}`.replace(/(?<=:\d+)\//, "//") }
          }
          yield* Effect.scoped(Effect.gen(function*() {
            const other = yield* Talk.open({ ...subject, credential }, Talk.impatient({}), server.origin)
            server.answer(answer)
            assert.strictEqual(textIn(yield* other.ask()), "Half of it.", end)
            assert.strictEqual(request().path, asked, end)
            if (!listed) return
            server.answer(models)
            yield* other.check
            assert.strictEqual(request().path, checked, end)
          }))
        }
      })
  }
]
