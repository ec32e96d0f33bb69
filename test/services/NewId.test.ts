import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { NewId } from "../../src/services/NewId.ts"

describe("Ids of records", () => {
  it.effect("sort as they were made, also within one millisecond: inputs that wait keep their order through a crash", () =>
    Effect.gen(function*() {
      const newId = yield* NewId
      const ids = Array.from({ length: 1_500 }, (_, i) => newId.record(1_700_000_000_000 + Math.floor(i / 500)))
      assert.deepStrictEqual(ids.toSorted(), ids)
      assert.strictEqual(new Set(ids).size, ids.length)
      for (const id of ids) assert.match(id, /^[0-9a-f]{12}7[0-9a-f]{19}$/)
    }))
})
