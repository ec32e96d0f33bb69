import { assert, describe, it } from "@effect/vitest"
import { areHeadersGood } from "../../src/layers/Mcp/ParamHeaders.ts"

const of = (properties: object, more: object = {}) => ({ type: "object", properties, ...more })
const text = (name: unknown) => ({ type: "string", "x-mcp-header": name })

describe("Arguments in headers", () => {
  it("are texts, whole numbers and flags of any depth, each with a header of its own", () => {
    for (
      const good of [
        of({}),
        of({ a: text("Region"), b: { type: "integer", "x-mcp-header": "Count" } }),
        of({ a: of({ b: text("Deep") }) }),
        of({ a: { type: "string", default: { "x-mcp-header": "" } } })
      ]
    ) assert.isTrue(areHeadersGood(good), JSON.stringify(good))
    for (
      const bad of [
        of({ a: text("") }),
        of({ a: text(1) }),
        of({ a: text("a b") }),
        of({ a: text("a:b") }),
        of({ a: text("a\r\nb") }),
        of({ a: text("ä") }),
        of({ a: { type: "number", "x-mcp-header": "N" } }),
        of({ a: { type: "object", "x-mcp-header": "O" } }),
        of({ a: text("Same"), b: text("same") }),
        of({ a: { type: "array", items: text("Item") } }),
        of({}, { anyOf: [of({ a: text("Branch") })] }),
        of({}, { "x-mcp-header": "Root" })
      ]
    ) assert.isFalse(areHeadersGood(bad), JSON.stringify(bad))
  })
})
