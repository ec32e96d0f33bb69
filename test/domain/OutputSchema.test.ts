import { assert, describe, it } from "@effect/vitest"
import { FastCheck, Schema } from "effect"
import { OutputSchema, valuesIn } from "../../src/domain/OutputSchema.ts"

const takes = Schema.is(OutputSchema)

describe("The schema of an answer", () => {
  it("may refer to its own parts, each counted as often as it is used", () => {
    const point = { type: "object", properties: { x: { type: "number" } } }
    const line = { $defs: { point }, properties: { from: { $ref: "#/$defs/point" }, to: { $ref: "#/$defs/point" } } }
    assert.isTrue(takes(line))
    assert.isAbove(valuesIn(line), 2 * valuesIn(point))
    assert.isTrue(takes({ properties: { $ref: { type: "string" } } }))
  })

  it("may not lead out of itself, or nowhere, or back to itself", () => {
    for (
      const schema of [
        { $ref: "https://example.com/schema.json" },
        { $ref: "#/$defs/missing" },
        { $ref: "#" },
        { $ref: "#/%" },
        { $ref: 1 },
        { properties: { child: { $ref: "#" } } },
        { $defs: { a: { $ref: "#/$defs/b" }, b: { items: { $ref: "#/$defs/a" } } }, $ref: "#/$defs/a" },
        { $dynamicRef: "#node" }
      ]
    ) assert.isFalse(takes(schema), JSON.stringify(schema))
  })

  it("may not grow by referring to what refers again", () => {
    const $defs: Record<string, unknown> = { d0: { type: "string" } }
    for (let i = 1; i <= 40; i++) {
      $defs[`d${i}`] = { allOf: [{ $ref: `#/$defs/d${i - 1}` }, { $ref: `#/$defs/d${i - 1}` }] }
    }
    assert.isFalse(takes({ $defs, $ref: "#/$defs/d40" }))
  })

  it.prop(
    "is measured in no time, whatever it is",
    [FastCheck.dictionary(FastCheck.string(), FastCheck.jsonValue())],
    ([
      schema
    ]) => assert.isAbove(valuesIn(schema), 0)
  )
})
