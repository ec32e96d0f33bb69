import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import type { BlockId, UserId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import { maxDepth as schemaDepth, maxValues, OutputSchema, sizeOf } from "../../src/domain/OutputSchema.ts"
import * as Output from "../../src/layers/AgentRunner/Output.ts"
import { maxDepth } from "../../src/layers/ValueCheck.ts"
import { messageOf } from "../support/fixtures.ts"
import { longestStretch } from "../support/Stretch.ts"

const owner = "ada" as UserId

const answer = (text: string) =>
  messageOf("", { role: "assistant", content: [{ type: "text", id: "b" as BlockId, text }] })

const check = (schema: JsonObject, text: string) => Output.check(owner, schema, answer(text))

const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth)

/** Took 16 seconds and 2.4 GB of everybody's: every item is held against every choice, and each failure is noted. */
const choices = {
  type: "object",
  properties: { all: { type: "array", items: { anyOf: Array.from({ length: 950 }, (_, i) => ({ const: i })) } } }
}
const items = JSON.stringify({ all: Array.from({ length: 4_900 }, () => -1) })

describe("The check of an answer", () => {
  it.live("finds the JSON in its fence in one pass, whatever stands around it", () =>
    Effect.gen(function*() {
      const fences = ["```json\n{\"a\":1}\n```", "```JSON{\"a\":1}```", "  ```\n {\"a\":1}  \n```\n", "{\"a\":1}"]
      for (const text of fences) assert.deepStrictEqual(yield* check({}, text), { value: { a: 1 } })
      for (const text of ["```", "``````", "```json", "`````"]) {
        assert.deepStrictEqual(yield* check({}, text), { problems: ["The answer is not JSON."] })
      }
      const blanks = `\`\`\`json${" \n".repeat(400_000)}x`
      assert.isBelow((yield* longestStretch(check({}, blanks))).longest, 1_000)
    }))

  it.live(
    "has an end in time when the schema and the answer are each within their bounds",
    () =>
      Effect.gen(function*() {
        assert.isTrue(Schema.is(OutputSchema)(choices))
        const { longest, value } = yield* longestStretch(Effect.either(check(choices, items)))
        assert.isTrue(value._tag === "Left" || "problems" in value.right)
        assert.isBelow(longest, 1_000)
      }),
    60_000
  )

  it.live("is given up when it goes on, and says so", () =>
    Effect.gen(function*() {
      const schema = { uniqueItems: true, allOf: Array.from({ length: 200 }, () => ({ uniqueItems: true })) }
      const many = JSON.stringify(Array.from({ length: 40_000 }, (_, i) => ({ a: [i], b: "x" })))
      const { longest, value } = yield* longestStretch(Effect.either(check(schema, many)))
      assert.strictEqual(value._tag === "Left" ? value.left._tag : "done", "CheckTooExpensive")
      assert.isBelow(longest, 1_000)
    }), 60_000)

  it.live("in a thread says the same as at once", () =>
    Effect.gen(function*() {
      const schema = { type: "array", items: { type: "integer" } }
      const long = Array.from({ length: 20_000 }, (_, i) => i)
      assert.deepStrictEqual(yield* check(schema, JSON.stringify(long)), { value: long })
      const wrong = yield* check(schema, JSON.stringify([...long, "x"]))
      assert.isTrue("problems" in wrong && wrong.problems.some((problem) => problem.startsWith("In `20000`: ")))
    }), 60_000)

  it.live("of one owner's many leaves the others' way free", () =>
    Effect.gen(function*() {
      const flood = yield* Effect.fork(
        Effect.all(Array.from({ length: 20 }, () => Effect.either(check(choices, items))), {
          concurrency: "unbounded",
          discard: true
        })
      )
      yield* Effect.sleep("50 millis")
      const long = Array.from({ length: 20_000 }, (_, i) => i)
      const other = Output.check("bob" as UserId, { type: "array" }, answer(JSON.stringify(long)))
      assert.deepStrictEqual(yield* other, { value: long })
      assert.isNull(flood.unsafePoll(), "the flood was still going on")
      yield* Fiber.interrupt(flood)
    }), 60_000)

  it.live("takes an answer up to its longest and deepest, and says what is beyond", () =>
    Effect.gen(function*() {
      const text = (length: number) => JSON.stringify("x".repeat(length - 2))
      assert.property(yield* check({}, text(Output.maxAnswer)), "value")
      assert.deepStrictEqual(yield* check({}, text(Output.maxAnswer + 1)), {
        problems: [`The answer is longer than ${Output.maxAnswer} characters.`]
      })
      assert.property(yield* check({}, nested(maxDepth)), "value")
      for (const depth of [maxDepth + 1, 400_000]) {
        assert.deepStrictEqual(yield* check({}, nested(depth)), {
          problems: [`It is nested more than ${maxDepth} levels deep.`]
        })
      }
      assert.deepStrictEqual(yield* check({}, "{\"a\":1e999}"), { problems: ["A number is too large."] })
    }), 60_000)
})

describe("A schema", () => {
  const isTaken = Schema.is(OutputSchema)

  it("is refused beyond its values and its depth, references written out", () => {
    const wide = (values: number) => ({ enum: Array.from({ length: values - 2 }, (_, i) => i) })
    assert.strictEqual(sizeOf(wide(maxValues)).values, maxValues)
    assert.isTrue(isTaken(wide(maxValues)))
    assert.isFalse(isTaken(wide(maxValues + 1)))
    const deep = (depth: number): JsonObject => depth === 1 ? {} : { not: deep(depth - 1) }
    assert.strictEqual(sizeOf(deep(schemaDepth)).depth, schemaDepth)
    assert.isTrue(isTaken(deep(schemaDepth)))
    assert.isFalse(isTaken(deep(schemaDepth + 1)))
    const chained = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => [`d${i}`, i === 0 ? {} : { allOf: [{ $ref: `#/$defs/d${i - 1}` }] }])
    )
    assert.isFalse(isTaken({ $defs: chained, $ref: "#/$defs/d299" }))
  })
})
