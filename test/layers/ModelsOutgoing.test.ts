/** The last look at a request's body, and schemas in the words of others. */
import { assert, describe, it } from "@effect/vitest"
import { FastCheck as fc } from "effect"
import type { JsonObject } from "../../src/domain/Json.ts"
import { problemIn } from "../../src/domain/JsonSchema.ts"
import { isBlank } from "../../src/domain/Text.ts"
import { bodyOf } from "../../src/layers/Models/aisdk/Outgoing.ts"
import { argumentsOf } from "../../src/layers/Models/aisdk/Verbatim.ts"
import { googleSchema } from "../../src/layers/Models/families/GoogleSchema.ts"
import { patience } from "../support/Patience.ts"

/** Texts with halves of pairs, pairs, backslashes, quotes and what looks like an escape. */
const text = fc.array(
  fc.constantFrom("a", "\ud83d", "\ude00", "😀", "\\", "\"", "\\ud83d", "\\u00e9", "\n", "{", "}", "\u0000", "é"),
  { maxLength: 12 }
).map((pieces) => pieces.join(""))

const value = fc.jsonValue({ maxDepth: 3 })

describe("A body", () => {
  it("has U+FFFD in the place of each half of a pair, and is else what it was", () =>
    fc.assert(fc.property(text, text, (one, other) => {
      const body = bodyOf(JSON.stringify({ [one]: [other, { other }] }))
      const whole = other.toWellFormed()
      assert.deepStrictEqual(JSON.parse(body), { [one.toWellFormed()]: [whole, { other: whole }] })
    })))

  it("that is well-formed leaves byte by byte", () =>
    fc.assert(fc.property(value, (one) => {
      const json = JSON.stringify(one).toWellFormed()
      fc.pre(!/\\u[dD]/.test(json))
      assert.strictEqual(bodyOf(json), json)
    })))

  it("has arguments as they were written, as an object and as a text", () =>
    fc.assert(fc.property(fc.array(fc.tuple(text, text, value), { minLength: 1, maxLength: 4 }), text, (all, said) => {
      const inputs = all.map(([name, word, one]) =>
        ` {${JSON.stringify(name)} :\n${JSON.stringify([word, one])}, "n":12345678901234567890.10 } `.toWellFormed()
      ).filter((input) => !/\\u[dD]/.test(input))
      const stands = inputs.map(argumentsOf)
      const body = bodyOf(JSON.stringify({ said, objects: stands, texts: stands.map((one) => JSON.stringify(one)) }))
      const objects = inputs.join(",")
      const texts = inputs.map((input) => JSON.stringify(input)).join(",")
      assert.strictEqual(body, bodyOf(`{"said":${JSON.stringify(said)},"objects":[${objects}],"texts":[${texts}]}`))
      assert.strictEqual(bodyOf(body), body)
    })))

  it("of many megabytes is looked at in no time that grows faster than it", () => {
    const arg = `{"a":"${"\\\\\\\"".repeat(50_000)}","b":"${"\\ud83d".repeat(20_000)}"}`
    const started = performance.now()
    const body = bodyOf(JSON.stringify({
      text: `${"\\".repeat(1_000_000)}${"\ud83d\\".repeat(200_000)}`,
      objects: [argumentsOf(arg)],
      texts: [JSON.stringify(argumentsOf(arg))]
    }))
    assert.isTrue(JSON.parse(body).text.isWellFormed())
    assert.isBelow(performance.now() - started, patience(5_000))
  })
})

it("a text is blank when nothing of it is seen", () => {
  for (
    const blank of [
      "",
      " \t\r\n\v\f",
      "\u0085\u00a0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000",
      "\u200b\u2060\ufeff\u00ad",
      "\u001c\u001f"
    ]
  ) {
    assert.isTrue(isBlank(blank), JSON.stringify(blank))
  }
  for (const seen of ["a", " .", "\u3000。", "😀", "\ud83d", "0", "-"]) {
    assert.isFalse(isBlank(seen), JSON.stringify(seen))
  }
})

describe("Google's words for a schema", () => {
  it("have no references, combinations, foreign formats and closed objects", () => {
    const schema = {
      type: "object",
      additionalProperties: false,
      $defs: {
        node: { type: "object", properties: { next: { $ref: "#/$defs/node" } }, required: ["next", "gone"] },
        mail: { type: "string", format: "email", description: "Where to" }
      },
      properties: {
        node: { $ref: "#/$defs/node" },
        to: { allOf: [{ $ref: "#/$defs/mail" }, { minLength: 3 }] },
        at: { type: "string", format: "date-time" },
        either: { oneOf: [{ type: "string" }, { type: "array", items: { $ref: "#/$defs/mail" } }] },
        kind: { enum: ["a", "b", null] }
      },
      required: ["to", "gone"]
    }
    const mail = { type: "string", description: "Where to (email)" }
    assert.deepStrictEqual(googleSchema(schema, 500), {
      type: "object",
      properties: {
        node: {
          type: "object",
          properties: { next: { type: "object", description: "Another #/$defs/node" } },
          required: ["next"]
        },
        to: { ...mail, minLength: 3 },
        at: { type: "string", format: "date-time" },
        either: { anyOf: [{ type: "string" }, { type: "array", items: mail }] },
        kind: { anyOf: [{ type: "string", enum: ["a", "b"] }, { type: "null" }] }
      },
      required: ["to"]
    })
  })

  it("are no more than a bounded number, whatever the references multiply to", () => {
    const $defs: Record<string, JsonObject> = { d0: { type: "string" } }
    for (let n = 1; n < 20; n++) {
      const $ref = `#/$defs/d${n - 1}`
      $defs[`d${n}`] = {
        type: "object",
        properties: Object.fromEntries(["a", "b", "c", "d"].map((name) => [name, { $ref }]))
      }
    }
    const schema = { type: "object", properties: { all: { $ref: "#/$defs/d19" } }, $defs }
    assert.isUndefined(problemIn(schema))
    assert.isBelow(JSON.stringify(googleSchema(schema, 500)).length, 200_000)
  })
})

it("a schema of very many or very deep parts is refused, not looked at for ever", () => {
  const wide = {
    type: "object",
    properties: Object.fromEntries(Array.from({ length: 200_000 }, (_, n) => [`p${n}`, {}]))
  }
  assert.include(problemIn(wide)?.message, "schemas")
  let deep: JsonObject = {}
  for (let n = 0; n < 100; n++) deep = { properties: { a: deep } }
  assert.include(problemIn(deep)?.message, "levels")
})
