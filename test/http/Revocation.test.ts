/** Apart from those with sockets, because they take the TestClock from a whole file. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, TestClock } from "effect"
import { KeyId, UserId } from "../../src/domain/Ids.ts"
import type { Principal } from "../../src/domain/Principal.ts"
import * as Revocation from "../../src/http/Revocation.ts"
import { Auth } from "../../src/services/Auth.ts"

const principalOf = (key: string | null): Principal => ({
  user_id: UserId.make("ada"),
  scopes: ["read"],
  key_id: key === null ? null : KeyId.make(key)
})

const fakeStream = () => {
  const stream = { ended: [] as Array<string>, end: (comment: string) => void stream.ended.push(comment) }
  return stream
}

const setUp = Effect.gen(function*() {
  const asked: Array<string> = []
  const gone = new Set<string>()
  let answer: Effect.Effect<boolean> | undefined
  const revocation = yield* Revocation.make(Auth.of({
    authenticate: () => Effect.die("not here"),
    holds: ({ key_id }) => {
      asked.push(String(key_id))
      return answer ?? Effect.succeed(!gone.has(String(key_id)))
    }
  }))
  return { asked, gone, revocation, answer: (effect: Effect.Effect<boolean> | undefined) => void (answer = effect) }
})

describe("An API key", () => {
  it.scoped("ends all its streams within four seconds of its end, and those of no other", () =>
    Effect.gen(function*() {
      const { gone, revocation } = yield* setUp
      const [a, b, other, keyless] = [fakeStream(), fakeStream(), fakeStream(), fakeStream()]
      revocation.watch(principalOf("1"), a)
      revocation.watch(principalOf("1"), b)
      revocation.watch(principalOf("2"), other)
      revocation.watch(principalOf(null), keyless)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual([a.ended, b.ended], [[], []])
      gone.add("1")
      yield* TestClock.adjust("4 seconds")
      assert.isNotEmpty(a.ended)
      assert.deepStrictEqual(a.ended[0], "key no longer valid")
      assert.isNotEmpty(b.ended)
      assert.deepStrictEqual([other.ended, keyless.ended], [[], []])
    }))

  it.scoped("is asked for once, however many streams it has, and no more when they have ended", () =>
    Effect.gen(function*() {
      const { asked, revocation } = yield* setUp
      const stops = Array.from({ length: 100 }, () => revocation.watch(principalOf("1"), fakeStream()))
      yield* TestClock.adjust("10 seconds")
      assert.isAtLeast(asked.length, 4)
      assert.isAtMost(asked.length, 6)
      for (const stop of stops) stop()
      const before = asked.length
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(asked.length, before)
    }))

  it.scoped("is asked for again when a stream comes after a time without any", () =>
    Effect.gen(function*() {
      const { gone, revocation } = yield* setUp
      for (const key of ["1", "2"]) {
        const stream = fakeStream()
        const stop = revocation.watch(principalOf(key), stream)
        yield* TestClock.adjust("10 seconds")
        gone.add(key)
        yield* TestClock.adjust("4 seconds")
        assert.isNotEmpty(stream.ended)
        stop()
        yield* TestClock.adjust("1 minute")
      }
    }))

  it.scoped("keeps its streams while nobody can say whether it holds, and loses them when somebody can", () =>
    Effect.gen(function*() {
      const { answer, gone, revocation } = yield* setUp
      const stream = fakeStream()
      revocation.watch(principalOf("1"), stream)
      gone.add("1")
      for (const trouble of [Effect.die("the database is gone"), Effect.never]) {
        answer(trouble)
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(stream.ended, [])
      }
      answer(undefined)
      yield* TestClock.adjust("5 seconds")
      assert.isNotEmpty(stream.ended)
    }))
})
