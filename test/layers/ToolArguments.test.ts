/** Arguments as models write them, and what they are told of wrong ones. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { ToolCallBlock } from "../../src/domain/Message.ts"
import { define } from "../../src/layers/Toolbox/BuiltInTool.ts"
import type { ToolCaller } from "../../src/services/Toolbox.ts"

const caller = {} as ToolCaller

const tool = define({
  name: "Wait",
  description: "Waits.",
  effect: "none",
  idempotent: true,
  parameters: Schema.Struct({
    seconds: Schema.Number.pipe(Schema.between(0, 60)),
    how: Schema.optionalWith(Schema.Literal("long", "short"), { exact: true }),
    notes: Schema.optionalWith(Schema.Array(Schema.String.pipe(Schema.maxLength(3))), { exact: true }),
    times: Schema.optionalWith(Schema.Int, { exact: true }),
    loud: Schema.optionalWith(Schema.Boolean, { exact: true }),
    at: Schema.optionalWith(Schema.Union(Schema.String, Schema.Number), { exact: true })
  }),
  run: (args) => Effect.succeed(JSON.stringify(args))
})

const bare = define({
  name: "Now",
  description: "Tells the time.",
  effect: "none",
  idempotent: true,
  parameters: Schema.Struct({}),
  run: () => Effect.succeed("noon")
})

const io = { call: {} as ToolCallBlock, emit: () => {} }

const said = (input: string) =>
  Effect.merge(tool.run(input, caller, io).pipe(Effect.mapError(({ message }) => message)))

describe("The arguments of a call", () => {
  it.effect("may be nothing, null or an empty text for a tool without parameters", () =>
    Effect.gen(function*() {
      for (const input of ["", " ", "null", "\"\"", "{}", "\"{}\"", "\"null\""]) {
        assert.strictEqual(yield* bare.run(input, caller, io), "noon", input)
      }
    }))

  it.effect("may be JSON in a JSON text", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* said(JSON.stringify("{\"seconds\":5}")), "{\"seconds\":5}")
    }))

  const wrong: ReadonlyArray<readonly [input: string, problem: string]> = [
    ["{\"seconds\":\"five\"}", "expected a number at `seconds`"],
    ["{\"seconds\":99}", "expected a number of at least 0 and at most 60 at `seconds`"],
    ["{}", "`seconds` is missing"],
    ["null", "`seconds` is missing"],
    ["{\"seconds\":1,\"minutes\":2}", "there is no `minutes`"],
    ["{\"seconds\":1,\"how\":\"very\"}", "expected one of \"long\", \"short\" at `how`"],
    ["{\"seconds\":1,\"notes\":[\"abc\",\"abcd\"]}", "expected a text of at most 3 characters at `notes.1`"],
    ["{\"seconds\":1,\"notes\":\"abc\"}", "expected a list at `notes`"],
    ["{\"seconds\":1,\"times\":1.5}", "expected a whole number at `times`"],
    ["{\"seconds\":1,\"loud\":\"yes\"}", "expected true or false at `loud`"],
    ["{\"seconds\":1,\"at\":null}", "expected a text or a number at `at`"],
    ["[1]", "expected an object"],
    ["\"soon\"", "expected an object"],
    ["{\"seconds\":", "the arguments are not valid JSON"]
  ]

  for (const [input, problem] of wrong) {
    it.effect(`that are wrong are told in plain words: ${input}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* said(input), `Input validation failed for tool 'Wait': ${problem}`)
      }))
  }
})
