/** How a hub's list is read. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber } from "effect"
import * as Index from "../../src/layers/Hubs/Index.ts"

/** A hub at an address whose answer waits, and how often it was asked. */
const waiting = Effect.gen(function*() {
  const mayAnswer = yield* Deferred.make<string>()
  const asked = yield* Deferred.make<void>()
  let times = 0
  const hub = yield* Index.open("https://hub.example.com/hub.json", {
    forbids: () => false,
    fetch: async () => {
      times++
      Deferred.unsafeDone(asked, Effect.void)
      return new Response(await Effect.runPromise(Deferred.await(mayAnswer)))
    }
  })
  return {
    hub,
    asked: Deferred.await(asked),
    answer: (text: string) => Deferred.succeed(mayAnswer, text),
    times: () => times
  }
})

describe("The list of a hub", () => {
  it.scopedLive("comes to all who ask, also when the first of them leaves", () =>
    Effect.gen(function*() {
      const { answer, asked, hub, times } = yield* waiting
      const first = yield* Effect.fork(hub.index)
      yield* asked
      const second = yield* Effect.fork(hub.index)
      yield* Effect.yieldNow()
      yield* Fiber.interrupt(first)
      yield* answer("{\"hub_id\": \"far\"}")
      assert.strictEqual((yield* Fiber.join(second)).hub_id, "far")
      assert.strictEqual((yield* hub.index).hub_id, "far")
      assert.strictEqual(times(), 1)
    }))

  it.scopedLive("that cannot be read is not asked for again by everybody", () =>
    Effect.gen(function*() {
      const { answer, hub, times } = yield* waiting
      yield* answer("no JSON")
      for (let i = 0; i < 2; i++) assert.isTrue(Either.isLeft(yield* Effect.either(hub.index)))
      assert.strictEqual(times(), 1)
    }))
})
