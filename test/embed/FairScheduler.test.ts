/** Fibers that go on at the same time leave timers and sockets their turn. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { inTurns } from "../../src/embed/FairScheduler.ts"
import { longestStretch } from "../support/Stretch.ts"

/** Works for a millisecond. */
const spin = Effect.sync(() => {
  const until = performance.now() + 1
  while (performance.now() < until);
})

const numbers = Array.from({ length: 200 }, (_, n) => n)

describe("Fibers in turns", () => {
  it.live("leave others their turn although hundreds go on at once", () =>
    Effect.gen(function*() {
      const done: Array<number> = []
      const one = (n: number) =>
        Effect.yieldNow().pipe(
          Effect.zipRight(spin),
          Effect.zipRight(Effect.yieldNow()),
          Effect.zipRight(spin),
          Effect.zipRight(Effect.sync(() => done.push(n)))
        )
      const all = inTurns(Effect.forEach(numbers, one, { concurrency: "unbounded", discard: true }))
      const { turns } = yield* longestStretch(all)
      // 400 ms of work in pieces of about 10.
      assert.isAbove(turns, 20)
      assert.deepStrictEqual(done, numbers, "and each in its order")
    }))

  it.live("go on after what one of them has thrown outside of every effect", () =>
    Effect.gen(function*() {
      const thrown: Array<unknown> = []
      const listeners = process.rawListeners("uncaughtException")
      process.removeAllListeners("uncaughtException")
      process.once("uncaughtException", (cause) => thrown.push(cause))
      const broken = new Error("thrown by an observer")
      const observed = Effect.withFiberRuntime<void>((fiber) =>
        Effect.sync(() =>
          fiber.addObserver(() => {
            throw broken
          })
        )
      )
      yield* inTurns(Effect.gen(function*() {
        yield* Effect.forkDaemon(Effect.zipRight(Effect.yieldNow(), observed))
        yield* Effect.forEach(numbers, () => Effect.yieldNow(), { concurrency: "unbounded", discard: true })
        yield* Effect.sleep(20)
      }))
      for (const listener of listeners) process.on("uncaughtException", listener as NodeJS.UncaughtExceptionListener)
      assert.deepStrictEqual(thrown, [broken])
    }))
})
