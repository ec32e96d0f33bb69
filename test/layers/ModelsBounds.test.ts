import { assert, describe, it } from "@effect/vitest"
import { Clock, Deferred, Duration, Effect, Exit, Fiber, TestClock } from "effect"
import { type Bounds, bounds, waitAfter, within } from "../../src/layers/Models/Bounds.ts"
import { provider } from "../../src/layers/Models/providers/OpenAiCompatible.ts"
import { type EmitPart, ModelFailed, type ModelPart } from "../../src/services/Models.ts"
import * as Fake from "../support/FakeOpenAi.ts"
import { patience } from "../support/Patience.ts"

const text = (delta: string): ModelPart => ({ type: "text", block: "1", delta })
const finish: ModelPart = { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } }

const failing = (fields: Partial<ModelFailed> = {}) =>
  new ModelFailed({ type: "rate_limit", message: "Slow down.", retryable: true, ...fields })

/** A provider that plays one attempt after the other, and when each began. */
const scripted = (...attempts: ReadonlyArray<(emit: EmitPart) => Effect.Effect<void, ModelFailed>>) => {
  const began: Array<number> = []
  const provide = (emit: EmitPart) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (now) => attempts[began.push(now) - 1]?.(emit) ?? Effect.die("no such attempt")
    )
  return { began, provide }
}

const says = (...parts: ReadonlyArray<ModelPart>) => (emit: EmitPart) =>
  Effect.sync(() => parts.forEach((part) => void emit(part)))
const fails = (failed: ModelFailed) => () => Effect.fail(failed)
const hangs = () => Effect.never

/** The outcome and the parts, with all the time that it wants to have. */
const run = (provide: (emit: EmitPart) => Effect.Effect<void, ModelFailed>, limits: Bounds = bounds, emit?: EmitPart) =>
  Effect.gen(function*() {
    const parts: Array<ModelPart> = []
    const fiber = yield* Effect.fork(Effect.either(within(limits, provide, emit ?? ((part) => void parts.push(part)))))
    yield* TestClock.adjust("1 hour")
    const outcome = yield* Fiber.join(fiber)
    return { parts, failed: outcome._tag === "Left" ? outcome.left : undefined }
  })

describe("A model call", () => {
  it.effect("hands over the parts as they come", () =>
    Effect.gen(function*() {
      const { began, provide } = scripted(says(text("a"), text("b"), finish))
      const { failed, parts } = yield* run(provide)
      assert.isUndefined(failed)
      assert.deepStrictEqual(parts, [text("a"), text("b"), finish])
      assert.lengthOf(began, 1)
    }))

  it.effect("is tried three times, ever later, while nothing was handed over", () =>
    Effect.gen(function*() {
      const { began, provide } = scripted(fails(failing()), fails(failing()), says(text("at last"), finish))
      const { failed, parts } = yield* run(provide)
      assert.isUndefined(failed)
      assert.deepStrictEqual(parts, [text("at last"), finish])
      const [first, second] = [began[1]! - began[0]!, began[2]! - began[1]!]
      assert.isTrue(first >= 250 && first <= 750, `${first}`)
      assert.isTrue(second >= 500 && second <= 1_500, `${second}`)
      const never = scripted(...Array.from({ length: 9 }, () => fails(failing())))
      assert.strictEqual((yield* run(never.provide)).failed?.type, "rate_limit")
      assert.lengthOf(never.began, 3)
    }))

  it.effect("is not tried again once a part was handed over, nor when that is no use", () =>
    Effect.gen(function*() {
      for (
        const first of [
          (emit: EmitPart) => Effect.zipRight(says(text("half"))(emit), Effect.fail(failing())),
          fails(failing({ retryable: false })),
          fails(failing({ retry_after: 31 })),
          () => Effect.die(new Error("sk-planted"))
        ]
      ) {
        const { began, provide } = scripted(first, says(text("twice"), finish))
        const { failed, parts } = yield* run(provide)
        assert.strictEqual(failed?._tag, "ModelFailed")
        assert.notInclude(JSON.stringify(failed), "planted")
        assert.lengthOf(began, 1)
        assert.notDeepInclude(parts, text("twice"))
      }
    }))

  it.effect("waits as long as the provider asks, and a little more", () =>
    Effect.gen(function*() {
      const { began, provide } = scripted(fails(failing({ retry_after: 30 })), says(finish))
      assert.isUndefined((yield* run(provide)).failed)
      const waited = began[1]! - began[0]!
      assert.isTrue(waited >= 30_250 && waited <= 30_750, `${waited}`)
      assert.notStrictEqual(waitAfter(1, 7, 0, bounds), waitAfter(1, 7, 1, bounds))
    }))

  it.effect("is given up when nothing comes, and tried again", () =>
    Effect.gen(function*() {
      const { began, provide } = scripted(hangs, hangs, hangs, hangs)
      const { failed } = yield* run(provide)
      assert.deepInclude(failed, { type: "connection", retryable: true })
      assert.lengthOf(began, 3)
      assert.isTrue(began[1]! - began[0]! >= 60_000 && began[1]! - began[0]! < 61_000)
    }))

  it.effect("is given up when nothing more comes, a minute after the last part and not later", () =>
    Effect.gen(function*() {
      const { began, provide } = scripted((emit) =>
        Effect.gen(function*() {
          for (let i = 0; i < 5; i++) {
            emit(text("x"))
            yield* Effect.sleep("50 seconds")
          }
          emit(text("last"))
          return yield* Effect.never
        })
      )
      const start = yield* Clock.currentTimeMillis
      const parts: Array<ModelPart> = []
      const ended = yield* Deferred.make<number>()
      yield* Effect.fork(
        Effect.flip(within(bounds, provide, (part) => void parts.push(part))).pipe(
          Effect.tap((failed) => Effect.sync(() => assert.deepInclude(failed, { type: "upstream", retryable: true }))),
          Effect.zipRight(Effect.flatMap(Clock.currentTimeMillis, (now) => Deferred.succeed(ended, now - start)))
        )
      )
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* Deferred.await(ended), 250_000 + 60_000)
      assert.lengthOf(parts, 6)
      assert.lengthOf(began, 1)
    }))

  it.effect("does not hold it against the provider when the log is behind", () =>
    Effect.gen(function*() {
      let release = () => {}
      const { provide } = scripted((emit) =>
        Effect.zipRight(
          Effect.promise(() => emit(text("slow"))!),
          Effect.zipRight(Effect.sleep("59 seconds"), Effect.sync(() => void emit(finish)))
        )
      )
      const fiber = yield* Effect.fork(within(bounds, provide, (part) =>
        part.type === "finish" ? undefined : new Promise((resolve) => {
          release = resolve
        })))
      yield* TestClock.adjust("10 minutes")
      release()
      yield* Effect.promise(() =>
        new Promise((resolve) => setImmediate(resolve))
      )
      yield* TestClock.adjust("59 seconds")
      yield* Fiber.join(fiber)
    }))

  it.effect("may not be endless", () =>
    Effect.gen(function*() {
      const flood = (part: ModelPart) => (emit: EmitPart) =>
        Effect.promise(async () => {
          for (;;) await emit(part)
        })
      for (
        const part of [
          text("x".repeat(1000)),
          text(""),
          { type: "data", media_type: "image/png", data: "A".repeat(9999) } as const
        ]
      ) {
        const { provide } = scripted(flood(part))
        let characters = 0
        const { failed } = yield* run(provide, { ...bounds, characters: 100_000 }, (part) => {
          characters += part.type === "text" ? part.delta.length : 0
          return undefined
        })
        assert.deepInclude(failed, {
          type: "upstream",
          retryable: false,
          message: "The model's answer exceeds 100000 characters."
        })
        assert.isAtMost(characters, 100_000)
      }
    }))

  it.effect("may ask for so many tools and make so many blocks, and no more", () =>
    Effect.gen(function*() {
      const calls = (n: number): ReadonlyArray<ModelPart> =>
        Array.from({ length: n }, (_, i): ReadonlyArray<ModelPart> => [
          { type: "tool_call_start", id: `c${i}`, name: "T" },
          { type: "tool_call_delta", id: `c${i}`, delta: "{}" },
          { type: "tool_call_end", id: `c${i}` }
        ]).flat()
      const blocks = (n: number): ReadonlyArray<ModelPart> =>
        Array.from({ length: n }, (_, i): ModelPart => ({ type: "text", block: `${i}`, delta: "x" }))
      const switching = (n: number): ReadonlyArray<ModelPart> =>
        Array.from({ length: n }, (_, i): ModelPart => ({ type: i % 2 ? "text" : "thinking", block: "1", delta: "x" }))
      const outcomeOf = (parts: ReadonlyArray<ModelPart>) =>
        Effect.map(run(scripted(says(...parts, finish)).provide), ({ failed }) => failed?.message)
      assert.isUndefined(yield* outcomeOf(calls(bounds.calls)))
      assert.strictEqual(yield* outcomeOf(calls(bounds.calls + 1)), "The model's answer exceeds 128 tool calls.")
      for (const many of [blocks, switching]) {
        assert.isUndefined(yield* outcomeOf(many(bounds.blocks)))
        assert.strictEqual(yield* outcomeOf(many(bounds.blocks + 1)), "The model's answer exceeds 2048 blocks.")
      }
      assert.isUndefined(yield* outcomeOf(Array.from({ length: 3 * bounds.blocks }, () => text("x"))))
    }))

  it.effect("counts the names that a provider makes up", () =>
    Effect.gen(function*() {
      const named: ModelPart = { type: "tool_call_start", id: "c", name: "x".repeat(1000) }
      const { failed } = yield* run(scripted(says(named, finish)).provide, { ...bounds, characters: 999 })
      assert.strictEqual(failed?.message, "The model's answer exceeds 999 characters.")
    }))

  it.effect("ends as a failure when the provider breaks, stops itself or does not say that it is done", () =>
    Effect.gen(function*() {
      for (
        const [how, type] of [
          [() => Effect.die(new Error("bug")), "unknown"],
          [() => Effect.interrupt, "unknown"],
          [() => {
            throw new Error("at once")
          }, "unknown"],
          [says(text("half")), "upstream"],
          [says(), "upstream"]
        ] as const
      ) {
        const { provide } = scripted(how, how, how)
        const { failed } = yield* run(provide)
        assert.strictEqual(failed?.type, type)
        assert.match(failed?.message ?? "", /^[A-Z].*\.$/)
      }
    }))

  it.effect("says nothing after its end, and nothing after it was stopped", () =>
    Effect.gen(function*() {
      let late: EmitPart = () => undefined
      const keep = (emit: EmitPart) => {
        late = emit
        return emit
      }
      const { parts } = yield* run((emit) => says(finish, text("behind the end"))(keep(emit)))
      void late(text("later"))
      assert.deepStrictEqual(parts, [finish])
      const stubborn = yield* Effect.fork(within(bounds, (emit) => {
        keep(emit)
        return Effect.uninterruptible(Effect.never)
      }, (part) => void parts.push(part)))
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(stubborn)))
      void late(text("later"))
      assert.lengthOf(parts, 1)
    }))

  it.live("takes a million deltas without losing one, and waits for the log", () =>
    Effect.gen(function*() {
      const count = 1_000_000
      let taken = 0
      let waits = 0
      yield* within(bounds, (emit) =>
        Effect.promise(async () => {
          for (let i = 0; i < count; i++) {
            const behind = emit(text("abc"))
            if (behind !== undefined) await behind
          }
          void emit(finish)
        }), (part) => {
        if (part.type === "text") taken += part.delta.length
        return taken % 30_000 === 0 ? new Promise((resolve) => setImmediate(() => resolve(void waits++))) : undefined
      })
      assert.strictEqual(taken, 3 * count)
      assert.isAtLeast(waits, 100)
    }))
})

describe("A wire that is cut", () => {
  const call = (baseUrl: string, emit: EmitPart) =>
    provider.stream({
      credential: { base_url: baseUrl },
      model: "fake",
      parameters: {},
      system: "",
      messages: [],
      tools: [],
      fetch
    }, emit)
  const quick: Bounds = {
    ...bounds,
    backoff: Duration.millis(1),
    firstPart: Duration.seconds(5),
    idle: Duration.seconds(5)
  }
  const whole = [
    Fake.text("Good "),
    Fake.text("🏛️"),
    Fake.callStart(0, "call_a", "echo"),
    Fake.callArguments(0, "{\"a\":1}"),
    Fake.finish("tool_calls")
  ]
    .map(({ choices }) => `data: ${JSON.stringify({ choices })}\n\n`).join("") + "data: [DONE]\n\n"

  for (const ending of ["cut", "unfinished"] as const) {
    it.scopedLive(
      `at any byte (${ending}) ends in the whole answer or in a failure that says so`,
      () =>
        Effect.gen(function*() {
          const server = yield* Fake.make
          const bytes = Buffer.from(whole)
          let answered = 0
          let partly = 0
          for (let at = 0; at <= bytes.length; at++) {
            server.answer({ events: [bytes.subarray(0, at)], ending })
            const asked = server.asked.length
            const parts: Array<ModelPart> = []
            const outcome = yield* Effect.either(
              within(quick, (emit) => call(server.baseUrl, emit), (part) => void parts.push(part))
            )
            const attempts = server.asked.length - asked
            if (outcome._tag === "Right") {
              answered++
              assert.deepInclude(parts.at(-1), { type: "finish", reason: "tool_calls" })
            } else {
              assert.strictEqual(outcome.left._tag, "ModelFailed")
              assert.include(["upstream", "connection"], outcome.left.type)
              assert.strictEqual(attempts, parts.length === 0 ? 3 : 1, `${at}`)
              assert.isFalse(parts.some(({ type }) => type === "finish"))
              if (parts.length > 0) partly++
            }
            const said = parts.flatMap((part) => part.type === "text" ? [part.delta] : []).join("")
            assert.isTrue("Good 🏛️".startsWith(said), said)
          }
          assert.isAtLeast(partly, 100)
          // After the reason the answer is whole, although its connection breaks before the end mark.
          assert.isTrue(answered >= 1 && answered <= "data: [DONE]\n\n".length + 3, `${answered}`)
        }),
      patience(60_000)
    )
  }

  it.scopedLive("brings nonsense that ends as a failure, or is passed over", () =>
    Effect.gen(function*() {
      const server = yield* Fake.make
      const nonsense: ReadonlyArray<object | string> = [
        "data: null\n\n",
        "data: []\n\n",
        "data: 5\n\n",
        "data: {}\n\n",
        "data: {\"choices\":[{}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":5}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n",
        ":\n\n",
        "\0\0\0",
        "event: x\n\n",
        "data: \ud800\n\n"
      ]
      for (const one of nonsense) {
        for (const ending of ["cut", "unfinished", "done"] as const) {
          server.answer({ events: [one], ending })
          const failed = yield* Effect.flip(within(quick, (emit) => call(server.baseUrl, emit), () => undefined))
          assert.strictEqual(failed._tag, "ModelFailed")
          assert.include(["upstream", "connection"], failed.type, JSON.stringify(one))
        }
      }
    }), patience(60_000))
})
