/** What every catalog promises about books that take each other's place. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Agent } from "../../src/domain/Agent.ts"
import { RunId } from "../../src/domain/Ids.ts"
import type { Catalog } from "../../src/services/Catalog.ts"

/** A catalog, and ways to change what it reads. */
export interface Subject {
  readonly catalog: typeof Catalog.Service
  /** From now on there is an agent of this name, who is told this. */
  readonly write: (name: string, text: string) => Effect.Effect<void>
  /** From now on something is wrong. */
  readonly spoil: Effect.Effect<void>
}

export const contract = (name: string, subject: Effect.Effect<Subject>) => {
  it.effect(`${name}: what is read takes the place of what was there, all at once`, () =>
    Effect.gen(function*() {
      const { catalog, write } = yield* subject
      yield* write("ada", "You are Ada.")
      const first = yield* catalog.reload
      const before = catalog.book()
      assert.deepStrictEqual([...before.agents.keys()], ["ada"])
      yield* write("bob", "You are Bob.")
      yield* write("ada", "You are Ada, the second.")
      assert.strictEqual(catalog.book(), before)
      const second = yield* catalog.reload
      assert.deepStrictEqual([second.revision, second.agents], [first.revision + 1, 2])
      assert.deepStrictEqual(catalog.book().agents.get("ada")!.layers.own, ["You are Ada, the second."])
      assert.deepStrictEqual(before.agents.get("ada")!.layers.own, ["You are Ada."])
    }))

  it.effect(`${name}: where anything is wrong, all that was there goes on, and the fault is named`, () =>
    Effect.gen(function*() {
      const { catalog, spoil, write } = yield* subject
      yield* write("ada", "You are Ada.")
      yield* catalog.reload
      const before = catalog.book()
      yield* write("bob", "You are Bob.")
      yield* spoil
      const { code, errors } = yield* Effect.flip(catalog.reload)
      assert.strictEqual(code, "definitions_refused")
      assert.match(errors![0]!.path, /^agents\/.*/)
      assert.strictEqual(catalog.book(), before)
    }))

  it.effect(`${name}: an agent that works goes on by its book`, () =>
    Effect.gen(function*() {
      const { catalog, write } = yield* subject
      yield* write("ada", "You are Ada.")
      yield* catalog.reload
      const before = catalog.book()
      const working = {} as Agent
      const other = {} as Agent
      catalog.pin(working, { book: before, config: undefined })
      yield* write("bob", "You are Bob.")
      yield* catalog.reload
      assert.strictEqual(catalog.bookOf(working), before)
      assert.strictEqual(catalog.bookOf(other), catalog.book())
    }))

  it.effect(`${name}: a run goes on with what it has begun with, until it ends or eight books have come since`, () =>
    Effect.gen(function*() {
      const { catalog, write } = yield* subject
      yield* write("ada", "You are Ada.")
      yield* catalog.reload
      const now = (millis: number) =>
        Effect.sync(() => ({
          book: catalog.book(),
          data: {} as Agent["data"],
          millis,
          config: undefined,
          recollections: []
        }))
      const [run, other] = ["run", "other"].map((id) => RunId.make(id))
      const first = yield* catalog.begun(run!, now(1))
      yield* catalog.begun(other!, now(1))
      for (let i = 0; i < 8; i++) {
        yield* catalog.reload
        assert.strictEqual(yield* catalog.begun(run!, now(2)), first)
        yield* catalog.begun(`between-${i}` as RunId, now(2))
      }
      catalog.ended(other!)
      assert.strictEqual((yield* catalog.begun(other!, now(3))).book, catalog.book())
      yield* catalog.reload
      yield* catalog.begun("last" as RunId, now(4))
      yield* catalog.reload
      assert.notStrictEqual(yield* catalog.begun(run!, now(5)), first)
    }))
}
