import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Layer, Redacted } from "effect"
import type { ChatRequest } from "../../src/domain/Chat.ts"
import { textOf } from "../../src/domain/MessageText.ts"
import { maxCharacters } from "../../src/domain/Reply.ts"
import * as Host from "../../src/layers/Host.ts"
import * as ModelsScripted from "../../src/layers/Models/Scripted.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import type { ModelPart, ToolChoice } from "../../src/services/Models.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { conversation, watch } from "../support/hub.ts"
import { patience } from "../support/Patience.ts"

const says = (...texts: ReadonlyArray<string>): ReadonlyArray<ModelPart> => [
  ...texts.map((delta, i) => ({ type: "text", block: `${i}`, delta }) as const),
  { type: "finish", reason: "stop", usage: { input_tokens: 1, output_tokens: 1 } }
]

const calls = (name: string): ReadonlyArray<ModelPart> => [
  { type: "tool_call_start", id: `${name}-1`, name },
  { type: "tool_call_delta", id: `${name}-1`, delta: "{}" },
  { type: "tool_call_end", id: `${name}-1` },
  { type: "finish", reason: "tool_calls", usage: { input_tokens: 1, output_tokens: 1 } }
]

const output_schema = {
  type: "object",
  properties: { city: { type: "string" }, people: { $ref: "#/$defs/count" }, pattern: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
  $defs: { count: { type: "integer", minimum: 0 } }
}

const vault = VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32))] })

/** Sends one input to a session whose model plays the script. */
const ask = (script: ReadonlyArray<ModelsScripted.Entry>, request: Partial<ChatRequest>) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const session = yield* conversation()
    const accepted = yield* hub.send(session.user_id, {
      agent_id: session.agent_id,
      session_id: session.id,
      input: { name: "user", role: "user", content: "Where?", metadata: {} },
      on_busy: "enqueue",
      tools: [],
      ...request
    })
    const seen = yield* watch(session, { after: accepted.seq, only: accepted.run_id })
    yield* Deferred.await(seen.ended)
    const message = yield* hub.reply(session, accepted.run_id, accepted.seq)
    const events = seen.events().map(({ event }) => event)
    return { message, end: events.at(-1)!, events, asked: yield* ModelsScripted.Calls }
  }).pipe(
    Effect.scoped,
    Effect.provide(
      Layer.unwrapScoped(Effect.map(Layer.build(ModelsScripted.layer(script)), (models) => {
        const parts = Layer.mergeAll(Host.memory, Layer.succeedContext(models), vault)
        return Layer.merge(Host.engine(parts, { trusted: true }), Layer.succeedContext(models))
      }))
    )
  )

describe("An answer of a schema", () => {
  it.live("is the message's structured output, and the model was given the schema", () =>
    Effect.gen(function*() {
      const { asked, end, message } = yield* ask([says(`{"city":"Bergen",`, `"people":291940}`)], { output_schema })
      const structured_output = { city: "Bergen", people: 291_940 }
      assert.deepInclude(end, { type: "REPLY_END", finished_reason: "completed", structured_output })
      assert.deepStrictEqual(message.structured_output, structured_output)
      assert.deepStrictEqual(asked[0]!.output, { schema: output_schema })
    }))

  it.live("may be one of several, which the model gives in an object", () =>
    Effect.gen(function*() {
      const city = { type: "object", properties: { city: { $ref: "#/$defs/name" } }, required: ["city"] }
      const output_schema = { anyOf: [city, { const: "nowhere" }], $defs: { name: { type: "string" } } }
      const held = yield* ask([says(`{"value":{"city":"Bergen"}}`)], { output_schema })
      assert.deepInclude(held.end, { finished_reason: "completed", structured_output: { city: "Bergen" } })
      const plain = yield* ask([says(`{"city":"Oslo"}`)], { output_schema })
      assert.deepInclude(plain.end, { finished_reason: "completed", structured_output: { city: "Oslo" } })
      const counted = { anyOf: [{ type: "object", properties: { value: { type: "integer" } }, required: ["value"] }] }
      const whole = yield* ask([says(`{"value":1}`)], { output_schema: counted })
      assert.deepInclude(whole.end, { finished_reason: "completed", structured_output: { value: 1 } })
      const wrong = yield* ask([says(`{"value":{"city":1}}`), says(`{"value":{"city":"Oslo"}}`)], { output_schema })
      assert.deepInclude(wrong.end, { finished_reason: "completed", structured_output: { city: "Oslo" } })
    }))

  it.live("may stand in a fence, and after tools", () =>
    Effect.gen(function*() {
      const fenced = "```json\n{\"city\": \"Oslo\"}\n```"
      const { asked, end } = yield* ask([[...says("Let me see."), ...calls("CurrentTime")], says(fenced)], {
        output_schema
      })
      assert.deepInclude(end, { finished_reason: "completed", structured_output: { city: "Oslo" } })
      assert.strictEqual(asked.length, 2)
    }))

  it.live("is asked for again, with what was wrong, when it is something else", () =>
    Effect.gen(function*() {
      const script = [says("It is Bergen."), says(`{"town":"Bergen"}`), says(`{"city":"Bergen"}`)]
      const { asked, end, message } = yield* ask(script, { output_schema })
      assert.deepInclude(end, { finished_reason: "completed", structured_output: { city: "Bergen" } })
      assert.strictEqual(asked.length, 3)
      const hints = message.content.filter((block) => block.type === "hint").map(({ hint }) => hint)
      assert.match(String(hints[0]), /not JSON/)
      assert.match(String(hints[1]), /city/)
    }))

  it.live("is given up after two corrections, and what was said stays", () =>
    Effect.gen(function*() {
      const { asked, end, message } = yield* ask(Array.from({ length: 9 }, () => says("No.")), { output_schema })
      assert.strictEqual(asked.length, 3)
      assert.strictEqual(end.type === "REPLY_END" ? end.error?.code : "", "invalid_output")
      assert.notProperty(end, "structured_output")
      assert.strictEqual(message.content.filter(({ type }) => type === "text").length, 3)
    }))

  it.live("is not held against a user's pattern, which could hold up everybody", () =>
    Effect.gen(function*() {
      const pattern = { type: "object", properties: { a: { type: "string", pattern: "^(a+)+$" } } }
      const answer = JSON.stringify({ a: `${"a".repeat(40)}!` })
      const { end } = yield* ask([says(answer)], { output_schema: pattern })
      assert.deepInclude(end, { finished_reason: "completed" })
    }), patience(5_000))
})

describe("A tool choice", () => {
  const choices = (tool_choice: ToolChoice) =>
    Effect.map(
      ask([calls("CurrentTime"), says("Now.")], { tool_choice }),
      ({ asked }) => asked.map((call) => call.tool_choice)
    )

  it.live("is made for the first model call, so that the reply can end", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* choices("required"), ["required", undefined])
      assert.deepStrictEqual(yield* choices({ name: "CurrentTime" }), [{ name: "CurrentTime" }, undefined])
    }))

  it.live("of none goes for the whole reply", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* choices("none"), ["none", "none"])
    }))
})

describe("A reply", () => {
  it.live(
    "that holds too much ends with an error that says so, and all that it holds is kept",
    () =>
      Effect.gen(function*() {
        const long = "x".repeat(maxCharacters / 2)
        const { asked, end, message } = yield* ask(
          [
            [...says(long, long), ...calls("CurrentTime")].filter(({ type }, i) => type !== "finish" || i > 3),
            says("more")
          ],
          {}
        )
        assert.strictEqual(asked.length, 1)
        assert.deepInclude(end, {
          type: "REPLY_END",
          finished_reason: "error",
          error: {
            type: "internal",
            code: "reply_too_large",
            message: `The run was ended: its reply exceeds ${maxCharacters} characters.`,
            retryable: false
          }
        })
        assert.isAbove(textOf(message.content).length, maxCharacters - 1)
      }),
    60_000
  )

  it.live("with impossible usage can be read", () =>
    Effect.gen(function*() {
      const { message } = yield* ask([[
        { type: "text", block: "1", delta: "Hi" },
        { type: "finish", reason: "stop", usage: { input_tokens: 1e300, output_tokens: Number.NaN } }
      ]], {})
      assert.deepStrictEqual(message.usage, { input_tokens: 1_000_000_000, output_tokens: 0 })
    }))
})

describe("An answer whose check takes too long", () => {
  it.live("ends the run with an error of its own", () =>
    Effect.gen(function*() {
      const { asked, end } = yield* ask(
        [says(JSON.stringify(Array.from({ length: 40_000 }, (_, i) => ({ a: [i], b: "x" }))))],
        { output_schema: { allOf: Array.from({ length: 200 }, () => ({ uniqueItems: true })) } }
      )
      assert.strictEqual(asked.length, 1)
      assert.deepInclude(end.type === "REPLY_END" ? end.error : null, {
        type: "upstream",
        code: "output_check_too_expensive"
      })
    }), 60_000)
})
