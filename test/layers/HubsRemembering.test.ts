/** A hub's list is read for all who ask, and nobody waits long for it. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Either, Fiber, FiberId, TestClock } from "effect"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Index from "../../src/layers/Hubs/Index.ts"
import * as Remembering from "../../src/layers/Hubs/Remembering.ts"

const make = Effect.gen(function*() {
  const begun: Array<Deferred.Deferred<string, string>> = []
  const read = Effect.suspend(() => {
    const answer = Deferred.unsafeMake<string, string>(FiberId.none)
    begun.push(answer)
    return Deferred.await(answer)
  })
  const list = Effect.either(yield* Remembering.make(read, "slow"))
  /** What somebody who asks now has got after so many seconds; undefined while it waits. */
  const after = (seconds: number) =>
    Effect.gen(function*() {
      const asking = yield* Effect.fork(list)
      yield* TestClock.adjust(`${seconds} seconds`)
      const exit = yield* Fiber.poll(asking)
      return exit._tag === "None" ? undefined : Either.merge(yield* Fiber.join(asking))
    })
  return { begun, after }
})

it.scoped("A list that does not come is waited for once, and not by everybody", () =>
  Effect.gen(function*() {
    const { after, begun } = yield* make
    assert.strictEqual(yield* after(2), undefined)
    assert.strictEqual(yield* after(1), "slow")
    assert.strictEqual(yield* after(0), "slow")
    assert.lengthOf(begun, 1)
    yield* Deferred.succeed(begun[0]!, "first")
    assert.strictEqual(yield* after(0), "first")
  }))

it.scoped("A list is read again after half a minute; what it said before is good while that takes long, and no longer", () =>
  Effect.gen(function*() {
    const { after, begun } = yield* make
    yield* after(0)
    yield* Deferred.succeed(begun[0]!, "first")
    assert.strictEqual(yield* after(29), "first")
    assert.lengthOf(begun, 1)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* after(3), "first")
    assert.lengthOf(begun, 2)
    yield* Deferred.fail(begun[1]!, "gone")
    assert.strictEqual(yield* after(0), "gone")
    yield* TestClock.adjust("30 seconds")
    assert.strictEqual(yield* after(3), "slow")
  }))

it.scoped("Whoever leaves takes nothing from the others", () =>
  Effect.gen(function*() {
    const { begun } = yield* make
    const { after, begun: own } = yield* make
    assert.lengthOf(begun, 0)
    const leaving = yield* Effect.fork(after(1))
    yield* TestClock.adjust("1 second")
    yield* Fiber.interrupt(leaving)
    yield* Deferred.succeed(own[0]!, "first")
    assert.strictEqual(yield* after(0), "first")
    assert.lengthOf(own, 1)
  }))

it.scoped("A list in a folder is understood again only when it has been changed", () =>
  Effect.gen(function*() {
    const folder = yield* Effect.acquireRelease(
      Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-hub-"))),
      (folder) => Effect.promise(() => rm(folder, { recursive: true }))
    )
    const write = (text: string) => Effect.promise(() => writeFile(join(folder, "hub.yaml"), text))
    yield* write("hub_id: house")
    const { index } = yield* Index.open(folder, { fetch, forbids: () => false })
    const later = Effect.zipRight(TestClock.adjust("31 seconds"), index)
    const first = yield* index
    assert.strictEqual(yield* later, first)
    yield* write("hub_id: other")
    assert.strictEqual((yield* later).hub_id, "other")
    yield* write("hub_id: [")
    assert.strictEqual((yield* Effect.flip(later))._tag, "HubFailed")
    yield* write("hub_id: house")
    assert.strictEqual((yield* later).hub_id, "house")
  }))
