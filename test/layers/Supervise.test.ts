import { assert, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, TestClock } from "effect"
import { supervise } from "../../src/layers/Supervise.ts"
import { Logged, logged } from "../support/TestHost.ts"

it.effect("A supervised loop that breaks is told of, and begins again after a pause that grows to a minute", () =>
  Effect.gen(function*() {
    const lines = yield* Logged
    let began = 0
    const loop = Effect.suspend((): Effect.Effect<never, string> =>
      began++ % 2 === 0 ? Effect.fail("lost") : Effect.die(new Error("bug"))
    )
    const fiber = yield* Effect.fork(supervise("The loop", loop))
    yield* TestClock.adjust("1 millis")
    assert.strictEqual(began, 1)
    yield* TestClock.adjust("10 seconds")
    assert.isTrue(began >= 3 && began <= 5, `${began}`)
    const before = began
    yield* TestClock.adjust("9 minutes")
    assert.isTrue(began - before >= 8 && began - before <= 16, `${began - before}`)
    assert.strictEqual(lines.filter((line) => line.includes("The loop broke")).length, began)
    assert.isTrue(Exit.isInterrupted(yield* Fiber.interrupt(fiber)))
  }).pipe(Effect.provide(Layer.orDie(logged))))
