import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, TestClock } from "effect"
import { bounds } from "../../src/layers/Models/Bounds.ts"
import { within } from "../../src/layers/Models/Embedding.ts"
import { open, Refused } from "../../src/layers/Models/Gate.ts"
import { type Embedded, ModelFailed } from "../../src/services/Models.ts"

const texts = (n: number) => Array.from({ length: n }, (_, i) => `text ${i}`)

/** A vector that says which text it is of. */
const answer = (input: ReadonlyArray<string>): Embedded => ({
  embeddings: input.map((text) => [Number(text.slice(5)), 1]),
  usage: { input_tokens: input.length }
})

const busy = (retry_after?: number) =>
  new ModelFailed({
    type: "rate_limit",
    message: "Fewer, please.",
    retryable: true,
    ...(retry_after !== undefined && { retry_after })
  })

const asked = (
  limits: typeof bounds,
  ask: (input: ReadonlyArray<string>) => Effect.Effect<Embedded, ModelFailed>,
  input: ReadonlyArray<string>,
  most: number
) => within({ bounds: limits, gate: open, ask, input, most })

/** Runs it to its end, with as much time as it wants. */
const inTime = <A, E>(effect: Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const running = yield* Effect.fork(effect)
    yield* TestClock.adjust("1 hour")
    return yield* Fiber.join(running)
  })

describe("a request for embeddings", () => {
  it.effect("is divided into calls that the provider takes, and put together in order", () =>
    Effect.gen(function*() {
      const calls: Array<number> = []
      const ask = (input: ReadonlyArray<string>) =>
        Effect.sync(() => {
          calls.push(input.length)
          return answer(input)
        })
      const { embeddings, usage } = yield* asked(bounds, ask, texts(25), 10)
      assert.deepStrictEqual(calls, [10, 10, 5])
      assert.deepStrictEqual(embeddings.map(([n]) => n), Array.from({ length: 25 }, (_, i) => i))
      assert.deepStrictEqual(usage, { input_tokens: 25 })
    }))

  it.effect("is tried again when that is worth it, as often as a call is", () =>
    Effect.gen(function*() {
      let calls = 0
      const ask = (until: number, error: ModelFailed) => () =>
        Effect.suspend(() => ++calls < until ? Effect.fail(error) : Effect.succeed(answer(texts(1))))
      yield* inTime(asked(bounds, ask(3, busy(1)), texts(1), 10))
      assert.strictEqual(calls, 3)
      calls = 0
      const failed = yield* Effect.flip(inTime(asked(bounds, ask(9, busy()), texts(1), 10)))
      assert.deepStrictEqual([calls, failed.type], [bounds.attempts, "rate_limit"])
      calls = 0
      yield* Effect.flip(inTime(asked(bounds, ask(2, busy(3600)), texts(1), 10)))
      assert.strictEqual(calls, 1)
    }))

  it.effect("is not made where the credential is to be left alone", () =>
    Effect.gen(function*() {
      let calls = 0
      const ask = () => Effect.sync(() => answer(texts(++calls)))
      const gate = () => Effect.fail(new Refused({ failed: busy() }))
      const failed = yield* Effect.flip(within({ bounds, gate, ask, input: texts(1), most: 1 }))
      assert.deepStrictEqual([calls, failed.type], [0, "rate_limit"])
    }))

  it.effect("ends when the provider does not answer, even one that will not be stopped", () =>
    Effect.gen(function*() {
      const failed = yield* Effect.flip(
        inTime(
          asked({ ...bounds, firstPart: Duration.seconds(2) }, () => Effect.uninterruptible(Effect.never), texts(1), 1)
        )
      )
      assert.deepInclude({ ...failed }, { type: "connection" })
    }))

  it.effect("fails when there is not a vector of numbers for each text, and when the provider breaks", () =>
    Effect.gen(function*() {
      const odd: ReadonlyArray<ReadonlyArray<ReadonlyArray<number>>> = [
        [[1]],
        [[1], []],
        [[1], [1, 2]],
        [[1], [Number.NaN]],
        [[], []]
      ]
      for (const embeddings of odd) {
        const ask = () => Effect.succeed({ embeddings, usage: { input_tokens: 1 } })
        assert.strictEqual((yield* Effect.flip(asked(bounds, ask, texts(2), 10))).type, "upstream")
      }
      const broken = asked(bounds, () => Effect.die(new Error("sk-secret")), texts(1), 10)
      const failed = yield* Effect.flip(broken)
      assert.strictEqual(failed.type, "unknown")
      assert.notInclude(failed.message, "sk-secret")
    }))
})
