import { assert, describe, it } from "@effect/vitest"
import { heldIn, holding } from "../../src/domain/AnswerObject.ts"

describe("The object that holds an answer", () => {
  it("is not there where the root is a plain object, or anything may come", () => {
    for (const schema of [{ type: "object", properties: {} }, {}, { properties: { a: {} }, required: ["a"] }]) {
      assert.strictEqual(holding(schema), schema)
    }
  })

  it("has the schema in its one property, with references that lead to where they led", () => {
    const schema = {
      type: "array",
      items: { anyOf: [{ $ref: "#/$defs/a" }, { $ref: "#/prefixItems/0" }, { const: { $ref: "#/no" } }] },
      prefixItems: [{ type: "string" }],
      $defs: { a: { type: "integer" } }
    }
    const made = holding(schema)
    assert.deepStrictEqual(made, {
      type: "object",
      properties: {
        value: {
          type: "array",
          items: {
            anyOf: [{ $ref: "#/$defs/a" }, { $ref: "#/properties/value/prefixItems/0" }, { const: { $ref: "#/no" } }]
          },
          prefixItems: [{ type: "string" }]
        }
      },
      required: ["value"],
      additionalProperties: false,
      $defs: { a: { type: "integer" } }
    })
    assert.strictEqual(holding(schema), made, "the same for the same schema")
  })

  it("leaves references to anchors, and moves those to the root", () => {
    const schema = {
      anyOf: [{ $ref: "#node" }, { $ref: "#" }, { $ref: "#/$defs/a" }],
      $defs: { a: { $anchor: "node" } }
    }
    const { properties } = holding(schema)
    assert.deepStrictEqual(properties, {
      value: { anyOf: [{ $ref: "#node" }, { $ref: "#/properties/value" }, { $ref: "#/$defs/a" }] }
    })
  })

  it("is taken away from an answer, or is the answer", () => {
    assert.deepStrictEqual(heldIn({ type: "array" }, { value: [1] }), [[1], { value: [1] }])
    assert.deepStrictEqual(heldIn({ type: "array" }, [1]), [[1]])
    assert.deepStrictEqual(heldIn({ type: "object" }, { value: [1] }), [{ value: [1] }])
    assert.deepStrictEqual(heldIn({ anyOf: [] }, { value: 1, more: 2 }), [{ value: 1, more: 2 }])
  })
})
