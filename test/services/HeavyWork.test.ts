import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, TestClock } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import { make } from "../../src/services/HeavyWork.ts"

const [ada, bob, eve] = ["ada", "bob", "eve"] as const as ReadonlyArray<string> as readonly [UserId, UserId, UserId]

const queue = (changes: Partial<Parameters<typeof make>[0]> = {}) =>
  make({ slots: 1, perOwner: 1, maxWaiting: 3, timeout: Duration.seconds(60), ...changes })

/** Works that note when they begin and last until they are let go. */
const works = (run: ReturnType<typeof make>["run"]) => {
  const begun: Array<string> = []
  const start = (owner: UserId, name: string, takes: "processor" | "network" = "processor") =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const work = Effect.zipRight(Effect.sync(() => void begun.push(name)), Deferred.await(gate))
      const fiber = yield* Effect.fork(Effect.either(run(owner, takes, work)))
      yield* Effect.yieldNow()
      return { fiber, finish: Effect.zipRight(Deferred.succeed(gate, undefined), Fiber.join(fiber)) }
    })
  return { begun, start }
}

describe("Heavy work", () => {
  it.effect("takes turns between owners, however much one of them has waiting", () =>
    Effect.gen(function*() {
      const { begun, start } = works(queue().run)
      const first = yield* start(ada, "ada 1")
      const second = yield* start(ada, "ada 2")
      const third = yield* start(ada, "ada 3")
      const other = yield* start(bob, "bob 1")
      const another = yield* start(eve, "eve 1")
      assert.deepStrictEqual(begun, ["ada 1"])
      for (const work of [first, other, another, second, third]) yield* work.finish
      assert.deepStrictEqual([begun[0], ...begun.slice(1, 3).toSorted(), ...begun.slice(3)], [
        "ada 1",
        "bob 1",
        "eve 1",
        "ada 2",
        "ada 3"
      ])
    }))

  it.effect("has so many of one owner waiting, and refuses the next one only", () =>
    Effect.gen(function*() {
      const { begun, start } = works(queue().run)
      const all = yield* Effect.all(Array.from({ length: 4 }, (_, i) => start(ada, `${i}`)))
      const refused = yield* Fiber.join((yield* start(ada, "beyond")).fiber)
      assert.strictEqual(refused._tag === "Left" ? refused.left._tag : "", "HeavyWorkRefused")
      const other = yield* start(bob, "bob")
      for (const work of [all[0]!, other, ...all.slice(1)]) assert.strictEqual((yield* work.finish)._tag, "Right")
      assert.strictEqual(begun.length, 5)
    }))

  it.effect("waits for so long, and no longer", () =>
    Effect.gen(function*() {
      const { begun, start } = works(queue().run)
      const first = yield* start(ada, "first")
      const late = yield* start(ada, "late")
      yield* TestClock.adjust("59 seconds")
      assert.isNull(late.fiber.unsafePoll())
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(late.fiber))._tag, "Left")
      yield* first.finish
      yield* (yield* start(ada, "next")).finish
      assert.deepStrictEqual(begun, ["first", "next"])
    }))

  it.effect("gives its place back when it fails, breaks or is interrupted, waiting or begun", () =>
    Effect.gen(function*() {
      const { run } = queue()
      yield* Effect.ignore(run(ada, "processor", Effect.fail("no")))
      yield* Effect.exit(run(ada, "processor", Effect.die("broken")))
      const { begun, start } = works(run)
      const first = yield* start(ada, "first")
      const second = yield* start(ada, "second")
      const third = yield* start(ada, "third")
      yield* Fiber.interrupt(second.fiber)
      yield* Fiber.interrupt(first.fiber)
      yield* third.finish
      yield* (yield* start(bob, "bob")).finish
      assert.deepStrictEqual(begun, ["first", "third", "bob"])
    }))

  it.effect("that only waits for a network counts among its owner's, not among everybody's", () =>
    Effect.gen(function*() {
      const { begun, start } = works(queue().run)
      const one = yield* start(ada, "ada", "network")
      const two = yield* start(bob, "bob", "network")
      const own = yield* start(ada, "ada again", "network")
      const three = yield* start(eve, "eve")
      assert.deepStrictEqual(begun, ["ada", "bob", "eve"])
      for (const work of [one, own, two, three]) yield* work.finish
      assert.strictEqual(begun.length, 4)
    }))
})
