/** Whoever begins an answer in a conversation has it alone until it has begun, however long that takes. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, TestClock } from "effect"
import type { UserId } from "../../../src/domain/Ids.ts"
import * as Leases from "../../../src/http/channels/responses/place/Leases.ts"
import * as Host from "../../../src/layers/Host.ts"
import { now } from "../../../src/services/Now.ts"
import { Storage } from "../../../src/services/Storage.ts"

const owner = "ada" as UserId

const conversation = (id: string) =>
  Effect.flatMap(Effect.all([Storage, now]), ([{ conversations }, at]) =>
    conversations.insert({
      id,
      user_id: owner,
      created_at: at,
      updated_at: at,
      metadata: {},
      session_id: "",
      added: [],
      removed: []
    }))

layer(Host.memory)("The lease of a conversation", (it) => {
  it.effect("is renewed while the work goes on, and free at its end", () =>
    Effect.gen(function*() {
      const { id } = yield* conversation("slow")
      const [one, other] = yield* Effect.all([Leases.make, Leases.make])
      const steps: Array<string> = []
      const begin = (name: string, time: string) =>
        Effect.gen(function*() {
          steps.push(`${name} begins`)
          yield* Effect.sleep(time as "1 second")
          steps.push(`${name} is done`)
        })
      const slow = yield* Effect.fork(one(owner, id)(begin("one", "40 seconds")))
      yield* TestClock.adjust("28 seconds")
      const quick = yield* Effect.fork(other(owner, id)(begin("other", "1 second")))
      yield* TestClock.adjust("14 seconds")
      yield* Fiber.join(slow)
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(quick)
      assert.deepStrictEqual(steps, ["one begins", "one is done", "other begins", "other is done"])
      const { conversations } = yield* Storage
      assert.notProperty(yield* conversations.get(owner, id), "lease")
    }))

  it.effect("ends by itself for work that hangs", () =>
    Effect.gen(function*() {
      const { id } = yield* conversation("hanging")
      const [one, other] = yield* Effect.all([Leases.make, Leases.make])
      yield* Effect.fork(one(owner, id)(Effect.never))
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(yield* other(owner, id)(Effect.succeed("free")), "free")
    }))
})
