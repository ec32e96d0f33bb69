/** Requests that arrive together are spread over turns of the event loop. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import * as InTurns from "../../src/http/middleware/InTurns.ts"
import { longestStretch } from "../support/Stretch.ts"

/** Milliseconds that the beginning of one request takes here. */
const cost = 4

const spin = () => {
  const until = performance.now() + cost
  while (performance.now() < until);
}

/** As a request is begun, whose work is its number told. */
const request = (n: number, begun: Array<number>) =>
  Effect.suspend(() => {
    const turn = InTurns.turn()
    const work = Effect.sync(() => {
      spin()
      begun.push(n)
    })
    return turn === undefined ? work : Effect.zipRight(turn, work)
  })

const nextTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

describe("Requests that arrive together", () => {
  it.live("begin in the order in which they came, and others have their turn between", () =>
    Effect.gen(function*() {
      yield* nextTurn
      const begun: Array<number> = []
      const numbers = Array.from({ length: 40 }, (_, n) => n)
      const all = Effect.suspend(() => {
        const fibers = numbers.map((n) => Effect.runFork(request(n, begun)))
        return Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      })
      const { turns } = yield* longestStretch(all)
      assert.deepStrictEqual(begun, numbers)
      // 40 requests of 4 ms: three of them are a turn, and all in one would be none for others.
      assert.isAbove(turns, 9)
    }))

  it.live("begin at last although each turn brings new ones, which do not overtake them", () =>
    Effect.gen(function*() {
      yield* nextTurn
      const begun: Array<number> = []
      const fibers: Array<Fiber.RuntimeFiber<void>> = []
      for (let turn = 0; turn < 10; turn++) {
        for (let n = 0; n < 5; n++) fibers.push(Effect.runFork(request(fibers.length, begun)))
        yield* nextTurn
      }
      yield* Effect.forEach(fibers, (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual(begun, fibers.map((_, n) => n))
    }))

  it.live("leave their place when their client has gone, and those behind them go on", () =>
    Effect.gen(function*() {
      yield* nextTurn
      const begun: Array<number> = []
      const fibers = Array.from({ length: 12 }, (_, n) => Effect.runFork(request(n, begun)))
      const [gone] = fibers.slice(9)
      yield* Fiber.interrupt(gone!)
      yield* Effect.forEach(fibers.filter((fiber) => fiber !== gone), (fiber) => Fiber.join(fiber))
      assert.deepStrictEqual(begun, [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11])
      const later: Array<number> = []
      yield* nextTurn
      yield* nextTurn
      yield* request(0, later)
      assert.deepStrictEqual(later, [0])
    }))
})
