/** How calls fail: in our words, typed, and without anything of the credential or the provider's body. */
import { assert } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber } from "effect"
import type { ModelErrorType, ModelPart } from "../../../src/services/Models.ts"
import type { Answer } from "../../support/wires/FakeProvider.ts"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import { planted, theirWords } from "../../support/wires/Talk.ts"
import type { Refusal } from "../../support/wires/Wire.ts"
import type { Case } from "./Case.ts"

const { textIn } = Messages

/** What a provider might say that must not be passed on. */
const words = `${theirWords} ${planted}`

const types: Readonly<Record<Refusal, readonly [ModelErrorType | ReadonlyArray<ModelErrorType>, boolean]>> = {
  authentication: ["authentication", false],
  permission: ["permission", false],
  no_model: ["invalid_request", false],
  too_long: ["context_length", false],
  bad_request: ["invalid_request", false],
  rate_limit: ["rate_limit", true],
  quota: [["rate_limit", "permission"], false],
  failed: ["upstream", true],
  overloaded: [["upstream", "rate_limit"], true]
}

const refusals = Object.keys(types) as ReadonlyArray<Refusal>

/** Waits of 7 seconds last 1 ms, and are counted. */
const hurried = (waits: Array<number>): Clock.Clock => {
  const real = Clock.make()
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: () => real.unsafeCurrentTimeMillis(),
    unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
    currentTimeMillis: real.currentTimeMillis,
    currentTimeNanos: real.currentTimeNanos,
    sleep: (duration) => {
      const millis = Duration.toMillis(duration)
      if (millis < 7000 || millis >= 8000) return real.sleep(duration)
      waits.push(millis)
      return real.sleep(Duration.millis(1))
    }
  }
}

const page: Answer = {
  status: 200,
  headers: { "content-type": "text/html" },
  body: `<html><body>${words}</body></html>`
}

export const failures: ReadonlyArray<Case> = [
  ...refusals.map((why): Case => ({
    title: `a refusal is typed: ${why.replace("_", " ")}`,
    run: ({ fail, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.refuse(why, words))
        const failed = yield* fail()
        const [type, retryable] = types[why]
        assert.include([type].flat(), failed.type)
        assert.strictEqual(failed.retryable, retryable)
      })
  })),
  {
    title: "a refusal that is no JSON is typed by its status",
    run: ({ fail, server }) =>
      Effect.gen(function*() {
        for (const [status, type] of [[401, "authentication"], [429, "rate_limit"], [502, "upstream"]] as const) {
          for (const body of ["", `<html>${words}`, `{"${words}`]) {
            server.answer({ status, body, headers: { "content-type": "application/json" } })
            assert.strictEqual((yield* fail()).type, type)
          }
        }
      })
  },
  {
    title: "too many requests are made again after the time that the provider asks for",
    bounds: { attempts: 2 },
    run: ({ ask, fail, server }, { wire }) =>
      Effect.gen(function*() {
        const refused = wire.refuse("rate_limit", words)
        const later = wire.later?.(7, words) ?? { ...refused, headers: { ...refused.headers, "retry-after": "7" } }
        const waits: Array<number> = []
        server.answer(later, wire.say(Say.say(Say.text("At last."))))
        assert.strictEqual(textIn(yield* Effect.withClock(ask(), hurried(waits))), "At last.")
        assert.lengthOf(waits, 1)
        assert.lengthOf(server.received, 2)
        server.answer(later)
        const failed = yield* Effect.withClock(fail(), hurried(waits))
        assert.deepInclude(failed, { type: "rate_limit", retry_after: 7 })
      })
  },
  {
    title: "a provider that fails before it says anything is asked again, one that refuses is not",
    bounds: { attempts: 3 },
    run: ({ ask, fail, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.refuse("failed", words), "drop", wire.say(Say.say(Say.text("At last."))))
        assert.strictEqual(textIn(yield* ask()), "At last.")
        assert.lengthOf(server.received, 3)
        server.answer(wire.refuse("authentication", words))
        yield* fail()
        assert.lengthOf(server.received, 1)
      })
  },
  {
    title: "an error in the middle of an answer is typed, and what was said is not said again",
    bounds: { attempts: 3 },
    run: ({ fail, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type, whole } = wire.say(Say.say(Say.text("Half ", "of ", "it")))
        server.answer({ content_type, chunks: [...chunks.slice(0, whole - 1), wire.breakOff(words)] })
        const parts: Array<ModelPart> = []
        assert.deepInclude(yield* fail({}, parts), { type: "upstream", retryable: true })
        assert.strictEqual(textIn(parts), "Half of it")
        assert.lengthOf(server.received, 1)
        assert.notInclude(parts.map(({ type }) => type), "finish")
      })
  },
  {
    title: "an error in the place of an answer is typed, and the call is made again",
    bounds: { attempts: 2 },
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const answer = wire.say(Say.say(Say.text("At last.")))
        server.answer({ ...answer, chunks: [wire.breakOff(words)] }, answer)
        assert.strictEqual(textIn(yield* ask()), "At last.")
      })
  },
  {
    title: "garbage is no answer",
    run: ({ fail, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type } = wire.say(Say.say(Say.text("Half ", "of it")))
        const noise = Buffer.from(Array.from({ length: 512 }, (_, n) => (n * 89 + 13) % 256))
        const garbage = [Buffer.from(`data: {"${words}\n\n`), Buffer.from(`data: {"n":"${words}"}\n\n`), noise]
        for (
          const answer of [
            page,
            ...garbage.flatMap((bytes) => [
              { content_type, chunks: [bytes] },
              { content_type, chunks: [chunks[0]!, bytes] },
              { content_type, chunks: [...chunks.slice(0, 2), bytes] }
            ]),
            { content_type, chunks: [] }
          ]
        ) {
          server.answer(answer)
          assert.include(["upstream", "connection"], (yield* fail()).type)
        }
      })
  },
  {
    title: "a connection that is closed without a word is a failed connection",
    run: ({ fail, server }) =>
      Effect.gen(function*() {
        server.answer("drop")
        assert.deepInclude(yield* fail(), { type: "connection", retryable: true })
      })
  },
  {
    title: "a provider that never begins is given up, and its connection closed",
    bounds: { firstPart: Duration.millis(150) },
    run: ({ fail, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer("hang")
        assert.deepInclude(yield* fail(), { type: "connection", retryable: true })
        yield* Effect.promise(server.left)
        const { content_type } = wire.say(Say.say(Say.text("x")))
        server.answer({ content_type, chunks: [], ending: "hang" })
        assert.strictEqual((yield* fail()).type, "connection")
        yield* Effect.promise(server.left)
      })
  },
  {
    title: "a provider that stalls is given up, and its connection closed",
    bounds: { idle: Duration.millis(100) },
    run: ({ fail, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type, whole } = wire.say(Say.say(Say.text("Half ", "of ", "it")))
        server.answer({ content_type, chunks: chunks.slice(0, whole - 1), ending: "hang" })
        const parts: Array<ModelPart> = []
        assert.deepInclude(yield* fail({}, parts), { type: "upstream", retryable: true })
        assert.include(textIn(parts), "Half")
        yield* Effect.promise(server.left)
      })
  },
  {
    title: "an interrupted call closes its connection, and says nothing more",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type, whole } = wire.say(Say.say(Say.text("Half ", "of ", "it")))
        server.answer({ content_type, chunks: chunks.slice(0, whole - 1), ending: "hang" })
        const parts: Array<ModelPart> = []
        const fiber = yield* Effect.fork(ask({}, parts))
        yield* Effect.repeat(Effect.sleep("2 millis"), { until: () => textIn(parts).includes("Half") })
        yield* Fiber.interrupt(fiber)
        const said = parts.length
        yield* Effect.promise(server.left)
        assert.lengthOf(parts, said)
        assert.notInclude(parts.map(({ type }) => type), "finish")
      })
  }
]
