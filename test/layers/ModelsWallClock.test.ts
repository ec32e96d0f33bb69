/** Limits hold, and end nothing, whatever happens to the time of day. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber } from "effect"
import { type Bounds, bounds, within } from "../../src/layers/Models/Bounds.ts"
import * as Breaker from "../../src/layers/Models/Breaker.ts"
import * as Limits from "../../src/layers/Models/Limits.ts"
import { type EmitPart, ModelFailed, type ModelPart } from "../../src/services/Models.ts"
import { patience } from "../support/Patience.ts"

const hours = 3_600_000

/** The machine's clock, whose time of day is set by so many hours whenever somebody looks at it. */
const stepping = (step: number): Clock.Clock => {
  const real = Clock.make()
  let away = 0
  const now = () => real.unsafeCurrentTimeMillis() + (away += step * hours)
  return {
    [Clock.ClockTypeId]: Clock.ClockTypeId,
    unsafeCurrentTimeMillis: now,
    unsafeCurrentTimeNanos: () => real.unsafeCurrentTimeNanos(),
    currentTimeMillis: Effect.sync(now),
    currentTimeNanos: real.currentTimeNanos,
    sleep: (duration) => real.sleep(duration)
  }
}

const text: ModelPart = { type: "text", block: "1", delta: "Hi" }
const finish: ModelPart = { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } }

const slow = (emit: EmitPart) =>
  Effect.gen(function*() {
    for (const part of [text, text, text, finish]) {
      yield* Effect.sleep("20 millis")
      void emit(part)
    }
  })

const down = new ModelFailed({ type: "connection", message: "It is down.", retryable: true })

for (const step of [5, -5]) {
  describe(`A clock that is set by ${step} hours again and again`, () => {
    const live = (title: string, effect: Effect.Effect<void, unknown>) =>
      it.live(title, () => Effect.withClock(Effect.orDie(effect), stepping(step)))

    const limits: Bounds = { ...bounds, attempts: 1, firstPart: Duration.seconds(50), idle: Duration.seconds(50) }

    live(
      "ends no answer",
      Effect.gen(function*() {
        const parts: Array<ModelPart> = []
        yield* within(limits, slow, (part) => void parts.push(part))
        assert.deepStrictEqual(parts, [text, text, text, finish])
      })
    )

    live(
      "does not keep a provider alive that is silent",
      Effect.gen(function*() {
        const silence = { ...limits, firstPart: Duration.millis(50), idle: Duration.millis(50) }
        const failed = yield* Effect.flip(within(silence, () => Effect.never, () => undefined)).pipe(
          Effect.timeout(patience(10_000))
        )
        assert.strictEqual(failed.type, "connection")
      })
    )

    live(
      "neither closes nor opens a circuit breaker",
      Effect.gen(function*() {
        const gate = Breaker.make(Breaker.options)
        const call = (attempt: Effect.Effect<void, ModelFailed>) => Effect.either(gate(attempt, () => false))
        for (let i = 0; i < Breaker.options.failures; i++) yield* call(Effect.fail(down))
        for (let i = 0; i < 3; i++) {
          const refused = yield* call(Effect.void)
          assert.strictEqual(refused._tag, "Left")
          if (refused._tag === "Left") assert.strictEqual(refused.left._tag, "Refused")
        }
      })
    )

    live(
      "gives no call more of a minute, and none less",
      Effect.gen(function*() {
        const gate = Limits.make({ max_concurrency: undefined, requests_per_minute: 2 })
        const call = gate(Effect.void, () => false)
        yield* call
        yield* call
        const third = yield* Effect.flip(call)
        assert.strictEqual(third._tag, "Refused")
        if (third._tag !== "Refused") return
        const { retry_after = 0 } = third.failed
        assert.isAtLeast(retry_after, 1)
        assert.isAtMost(retry_after, 60)
      })
    )

    live(
      "does not make a wait longer",
      Effect.gen(function*() {
        const gate = Limits.make({ max_concurrency: 1, requests_per_minute: undefined })
        const first = yield* Effect.fork(gate(Effect.sleep("50 millis"), () => false))
        yield* Effect.yieldNow()
        yield* gate(Effect.void, () => false)
        yield* Fiber.join(first)
      })
    )
  })
}
