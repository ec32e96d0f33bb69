/** What the steps of workflows are given. */
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { SkillFrontMatter } from "../../src/domain/Definition.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import { callsOf, inputOf, maxArguments, outputOf, resolve } from "../../src/domain/Workflow.ts"

const scope = {
  input: { city: "Ulm", none: null, list: [{ a: [1, 2] }], "odd-name": 1 },
  outputs: new Map<string, unknown>([
    ["find", { items: [{ name: "x", tags: ["t"] }], of: "toString" }],
    ["text", "only a text"],
    ["large", "y".repeat(maxArguments / 2)]
  ])
}

const given = (input: JsonObject): unknown => {
  const made = resolve(input, scope)
  return "json" in made ? JSON.parse(made.json) as unknown : made.problem
}

const stepsOf = (steps: ReadonlyArray<unknown>) =>
  Schema.decodeUnknownSync(SkillFrontMatter)({ description: "A skill", steps }).steps

describe("The input of a step", () => {
  it("has the values that it refers to, at any depth, and all others as they are", () => {
    assert.deepStrictEqual(
      given({
        a: "$.input.city",
        b: ["$.steps.find.output.items[0].tags[0]", { c: "$.input.list[0].a[1]" }],
        d: "$.steps.text.output",
        e: "$.input.odd-name",
        f: "costs $5",
        g: 3,
        h: "$.input.none"
      }),
      { a: "Ulm", b: ["t", { c: 2 }], d: "only a text", e: 1, f: "costs $5", g: 3, h: null }
    )
    assert.deepStrictEqual(given({ all: "$.input" }), { all: scope.input })
  })

  it("has a text for what two dollars begin", () => {
    assert.deepStrictEqual(given({ a: "$$.input.city", b: "$$$.x" }), { a: "$.input.city", b: "$$.x" })
  })

  it("is without what the workflow was not given, and refused where a step has not brought it", () => {
    assert.deepStrictEqual(given({ a: "$.input.street", b: 1 }), { b: 1 })
    for (const path of ["items[1]", "items.name", "of.length", "constructor", "items[0].toString", "nothing"]) {
      assert.match(String(given({ a: `$.steps.find.output.${path}` })), /is not there/, path)
    }
  })

  it("is refused where a reference is none", () => {
    for (
      const text of [
        "$.",
        "$.inputs.a",
        "$.steps.find",
        "$.steps.find.result",
        "$.input..a",
        "$.input[a]",
        "$.input.a b]"
      ]
    ) {
      assert.match(String(given({ a: text })), /refers to nothing/, text)
    }
    assert.match(String(given({ a: `$.input${".a".repeat(300)}` })), /refers to nothing/)
    assert.match(String(given({ a: `$.input${"[0]".repeat(33)}` })), /refers to nothing/)
  })

  it("is bounded, however often it refers to a large value", () => {
    assert.isObject(given({ a: "$.steps.large.output" }))
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, "$.steps.large.output"]))
    assert.match(String(given(many)), /more than \d+ characters/)
  })
})

describe("A step", () => {
  it("calls a tool, several with its input or their own, or the model, whose prompt is no reference", () => {
    const calls = stepsOf([
      { name: "a", tool: "find", input: { x: 1 } },
      { name: "b", tools: ["find", { tool: "double", input: { y: 2 } }], input: { x: 1 } },
      { name: "c", prompt: "$.input", system_prompt: "Be short.", input: { z: "$.input.z" } }
    ]).map(callsOf)
    assert.deepStrictEqual(calls, [
      [{ name: "find", input: { x: 1 } }],
      [{ name: "find", input: { x: 1 } }, { name: "double", input: { y: 2 } }],
      [{ name: "Prompt", input: { prompt: "$$.input", system_prompt: "Be short.", input: { z: "$.input.z" } } }]
    ])
    assert.deepStrictEqual(given(calls[2]![0]!.input), { prompt: "$.input", system_prompt: "Be short.", input: {} })
  })

  it("brings JSON, or the text that is none", () => {
    assert.deepStrictEqual([outputOf("{\"a\":[1]}"), outputOf("3"), outputOf("{a}")], [{ a: [1] }, 3, "{a}"])
    assert.isString(outputOf("[".repeat(50_000) + "]".repeat(50_000)))
  })
})

describe("The input of a workflow", () => {
  const steps = stepsOf([
    { name: "a", tool: "find", input: { x: "$.input.city", y: { z: "$.input.when[0]" } } },
    { name: "b", tool: "find", input: { x: "$.steps.a.output" } }
  ])

  it("is what its steps refer to, unless its skill says what it is", () => {
    assert.deepStrictEqual(inputOf(null, steps), {
      type: "object",
      properties: { city: {}, when: {} },
      required: ["city", "when"],
      additionalProperties: false
    })
    assert.deepStrictEqual(inputOf({ properties: { a: {} } }, steps), { type: "object", properties: { a: {} } })
  })
})
