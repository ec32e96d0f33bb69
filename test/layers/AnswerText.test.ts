/** Where a model may put the JSON that was asked for. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { BlockId, ToolCallId, UserId } from "../../src/domain/Ids.ts"
import type { ContentBlock } from "../../src/domain/Message.ts"
import * as Output from "../../src/layers/AgentRunner/Output.ts"
import { messageOf } from "../support/fixtures.ts"
import { longestStretch } from "../support/Stretch.ts"

const schema = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false
}

const json = "{\"city\": \"Bergen } ]\"}"
const value = { city: "Bergen } ]" }

const text = (text: string, n = 0): ContentBlock => ({ type: "text", id: `b${n}` as BlockId, text })

const check = (...content: ReadonlyArray<ContentBlock>) =>
  Output.check("ada" as UserId, schema, messageOf("", { role: "assistant", content }))

const places: ReadonlyArray<readonly [string, string]> = [
  ["after commentary", `Here is the answer: ${json}`],
  ["before commentary", `${json}\n\nI hope that this helps.`],
  ["in a fence with words around it", `Sure!\n\n\`\`\`json\n${json}\n\`\`\`\n\nAnything else?`],
  ["in a fence without a language", `Sure:\n\`\`\`\n${json}\n\`\`\``],
  ["in a fence that does not end", `Sure:\n\`\`\`json\n${json}`],
  ["in the second of two fences", `\`\`\`python\nprint({"a": 1})\n\`\`\`\nprints\n\`\`\`json\n${json}\n\`\`\``],
  ["after thoughts", `<think>\nMaybe {"city": "Oslo"}? No.\n</think>\n${json}`],
  ["after thoughts without a beginning", `Maybe {"city": "Oslo"}? No.\n</think>\n\n${json}`],
  ["after thoughts in other marks", `◁think▷hm◁/think▷${json}`],
  ["between other brackets", `As [1] says (see {x}), it is ${json} [2].`],
  ["behind a brace that does not close", `Use { to open. The answer is:\n${json}`],
  ["behind another value that is none of the schema", `{"town":"Oslo"} is wrong. ${json}`],
  ["in several lines", `Answer:\n{\n  "city": "Bergen } ]"\n}\n`]
]

describe("JSON that was asked for", () => {
  for (const [where, said] of places) {
    it.live(`is found ${where}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* check(text(said)), { value })
      }))
  }

  it.live("is found in the last text block after other blocks of text", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* check(text("Let me see {\"city\":"), text("\n", 1), text(json, 2)), { value })
    }))

  it.live("is found in several blocks that are one text", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* check(text(json.slice(0, 9)), text(json.slice(9), 1)), { value })
    }))

  it.live("is found before and after a result of the provider's own tool", () =>
    Effect.gen(function*() {
      const id = "s1" as ToolCallId
      const call: ContentBlock = {
        type: "tool_call",
        id,
        name: "web_search",
        input: "{}",
        state: "finished",
        suggested_rules: [],
        provider_executed: true
      }
      const result: ContentBlock = {
        type: "tool_result",
        id,
        name: "web_search",
        output: "x",
        state: "success",
        provider_executed: true
      }
      assert.deepStrictEqual(yield* check(text(json), call, result), { value })
      assert.deepStrictEqual(yield* check(text("I look."), call, result, text(json, 1)), { value })
    }))

  it.live("is not found where it is not", () =>
    Effect.gen(function*() {
      for (const said of ["It is Bergen.", "{\"city\": \"Ber", "<think>{\"city\":", "```json\n```"]) {
        assert.deepStrictEqual(yield* check(text(said)), { problems: ["The answer is not JSON."] })
      }
      const wrong = yield* check(text("So: {\"town\": \"Bergen\"}"))
      assert.isTrue("problems" in wrong && wrong.problems.join(" ").includes("city"))
    }))

  it.live("is looked for in a time that grows with the answer, and no faster", () =>
    Effect.gen(function*() {
      const size = 1_000_000
      for (
        const said of [
          "{".repeat(size),
          "[{\"".repeat(size / 3),
          "```".repeat(size / 3),
          "{}".repeat(size / 2),
          "{\\\"".repeat(size / 3),
          "</think>".repeat(size / 8),
          "\n{".repeat(size / 2)
        ]
      ) {
        const { longest } = yield* longestStretch(Effect.either(check(text(said))))
        assert.isBelow(longest, 1_000, said.slice(0, 12))
      }
    }), 60_000)
})
