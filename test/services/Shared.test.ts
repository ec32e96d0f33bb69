import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, TestClock } from "effect"
import { shared } from "../../src/services/Shared.ts"

/** Counts how often it is made, and waits until it may end. */
const counted = Effect.gen(function*() {
  const mayEnd = yield* Deferred.make<void>()
  let times = 0
  const make = Effect.suspend(() => {
    times += 1
    return Effect.as(Deferred.await(mayEnd), times)
  })
  return { make, end: Deferred.succeed(mayEnd, undefined), times: () => times }
})

describe("What is made once for all who ask", () => {
  it.scoped("is made for the others when the first who asked leaves", () =>
    Effect.gen(function*() {
      const { end, make, times } = yield* counted
      const got = yield* shared(make)
      const first = yield* Effect.fork(got)
      const second = yield* Effect.fork(got)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* end
      assert.deepStrictEqual([yield* Fiber.join(second), yield* got, times()], [1, 1, 1])
    }))

  it.scoped("is made again when its time is over", () =>
    Effect.gen(function*() {
      const { end, make } = yield* counted
      yield* end
      const got = yield* shared(make, "1 second")
      assert.deepStrictEqual([yield* got, yield* got], [1, 1])
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* got, 2)
    }))

  it.scoped("is made again after it has failed", () =>
    Effect.gen(function*() {
      let times = 0
      const got = yield* shared(Effect.suspend(() => ++times === 1 ? Effect.fail("not now") : Effect.succeed(times)))
      assert.deepStrictEqual(yield* Effect.exit(got), Exit.fail("not now"))
      assert.deepStrictEqual([yield* got, yield* got], [2, 2])
    }))
})
