/** What a package cannot read is left out, and the answer around it is whole; its end is its end in any case. */
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { patience } from "../support/Patience.ts"
import * as Answered from "../support/wires/Answered.ts"
import type { Ending } from "../support/wires/FakeProvider.ts"
import { callsIn, finishOf, textIn } from "../support/wires/Messages.ts"
import * as Say from "../support/wires/Say.ts"
import * as Talk from "../support/wires/Talk.ts"
import type { Json, Streamed } from "../support/wires/Wire.ts"

const { subjects } = Answered

type Name = keyof typeof subjects

const tools = [{ name: "look", description: "Looks.", parameters: { type: "object", properties: {} } }]

const rich = Say.say(
  Say.text("Half ", "of ", "it."),
  Say.call("c1", "look", "{\"a\"", ":1}"),
  Say.call("c2", "look", "{}")
)

/** The first event that `change` answers something for, with that in its place. */
const changed = ({ chunks, ...rest }: Streamed, change: (event: Json) => Json | undefined): Streamed => {
  let isDone = false
  const text = Buffer.concat(chunks).toString().split("\n").map((line) => {
    if (isDone || !line.startsWith("data: {")) return line
    const other = change(JSON.parse(line.slice(6)))
    isDone = other !== undefined
    return isDone ? `data: ${JSON.stringify(other)}` : line
  }).join("\n")
  assert.isTrue(isDone, "nothing was changed")
  return { ...rest, chunks: [Buffer.from(text)] }
}

const typed = (type: string, with_: (event: Json) => Json) => (event: Json) =>
  event.type === type ? { ...event, ...with_(event) } : undefined

const inUsage = (field: string, value: unknown) => (event: Json) =>
  event.x_groq?.usage === undefined
    ? undefined
    : { ...event, x_groq: { ...event.x_groq, usage: { ...event.x_groq.usage, [field]: value } } }

/** Odd fields beside what an answer says. */
const odd: ReadonlyArray<readonly [Name, what: string, (event: Json) => Json | undefined]> = [
  [
    "responses",
    "a beginning without an id",
    typed("response.created", ({ response }) => ({
      response: { ...response, id: null }
    }))
  ],
  [
    "responses",
    "a beginning with an odd time",
    typed("response.created", ({ response }) => ({
      response: { ...response, created_at: "now" }
    }))
  ],
  [
    "responses",
    "an item of an odd kind",
    typed(
      "response.output_item.added",
      ({ item }) => item.type === "function_call" ? { item: { ...item, name: [1] } } : { item: { ...item, id: 1 } }
    )
  ],
  [
    "azureResponses",
    "an odd number of an item",
    typed("response.function_call_arguments.delta", () => ({
      output_index: "x"
    }))
  ],
  [
    "anthropic",
    "an odd sequence at which it stopped",
    typed("message_delta", ({ delta }) => ({
      delta: { ...delta, stop_sequence: { a: 1 } }
    }))
  ],
  ["groq", "counts that are none", inUsage("total_tokens", "many")],
  ["groq", "details of counts that are none", inUsage("completion_tokens_details", [{}])],
  [
    "gemini",
    "an odd id at its end",
    (event) => event.candidates?.[0]?.finishReason === undefined ? undefined : { ...event, responseId: [[]] }
  ]
]

const bounds = Talk.impatient({ idle: Duration.millis(patience(8_000)), firstPart: Duration.millis(patience(8_000)) })

layer(Talk.base, { excludeTestServices: true })("An answer", (it) => {
  for (const [name, what, change] of odd) {
    it.scoped(`with ${what} ends for its reason, with its calls and tokens: ${name}`, () =>
      Effect.gen(function*() {
        const subject = subjects[name]
        const { ask, server } = yield* Talk.open(subject)
        server.answer(subject.wire.say(rich))
        const whole = yield* ask({ tools })
        server.answer(changed(subject.wire.say(rich), change))
        const parts = yield* ask({ tools })
        assert.strictEqual(finishOf(parts).reason, "tool_calls")
        assert.strictEqual(callsIn(parts).length, 2)
        const { input_tokens, output_tokens } = finishOf(whole).usage
        if (name !== "groq") assert.deepInclude(finishOf(parts).usage, { input_tokens, output_tokens })
      }))
  }

  const message = (text: string) => ({
    type: "message",
    id: "msg_1",
    role: "assistant",
    status: "completed",
    content: [{ type: "output_text", text, annotations: [] }]
  })

  it.scoped("whose picture was not drawn is whole", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* Talk.open(subjects.responses)
      const item = { type: "image_generation_call", id: "ig_1" }
      server.answer(Answered.response(
        { type: "response.output_item.added", output_index: 0, item: { ...item, status: "in_progress" } },
        { type: "response.output_item.done", output_index: 0, item: { ...item, status: "failed", result: null } },
        { type: "response.output_item.added", output_index: 1, item: { ...message(""), content: [] } },
        { type: "response.output_text.delta", item_id: "msg_1", output_index: 1, content_index: 0, delta: "Sorry." },
        { type: "response.output_item.done", output_index: 1, item: message("Sorry.") }
      ))
      const parts = yield* ask()
      assert.strictEqual(textIn(parts), "Sorry.")
      assert.strictEqual(finishOf(parts).reason, "stop")
    }))

  it.scoped("whose server tells its texts whole only is not empty, and tells none twice", () =>
    Effect.gen(function*() {
      const { ask, server } = yield* Talk.open(subjects.responses)
      const call = {
        type: "function_call",
        id: "fc_1",
        call_id: "c1",
        name: "look",
        arguments: "{\"a\":1}",
        status: "completed"
      }
      server.answer(Answered.response(
        { type: "response.output_item.added", output_index: 0, item: { ...message(""), content: [] } },
        { type: "response.output_item.done", output_index: 0, item: message("Whole.") },
        { type: "response.output_item.added", output_index: 1, item: { ...message(""), id: "msg_2", content: [] } },
        { type: "response.output_text.delta", item_id: "msg_2", output_index: 1, content_index: 0, delta: " In " },
        { type: "response.output_text.delta", item_id: "msg_2", output_index: 1, content_index: 0, delta: "pieces." },
        { type: "response.output_item.done", output_index: 1, item: { ...message(" In pieces."), id: "msg_2" } }
      ))
      assert.strictEqual(textIn(yield* ask()), "Whole. In pieces.")
      const response = {
        id: "resp_1",
        object: "response",
        created_at: 1_700_000_000,
        model: "fake",
        status: "completed",
        output: [message("All at once."), call],
        usage: { input_tokens: 3, output_tokens: 2, total_tokens: 5 }
      }
      server.answer(Answered.events({ type: "response.completed", response }))
      const atEnd = yield* ask({ tools })
      server.answer({ status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(response) })
      for (const parts of [atEnd, yield* ask({ tools })]) {
        assert.strictEqual(textIn(parts), "All at once.")
        assert.deepStrictEqual(callsIn(parts).map(({ args, name }) => [name, args]), [["look", "{\"a\":1}"]])
        assert.deepInclude(finishOf(parts), { reason: "tool_calls", usage: { input_tokens: 3, output_tokens: 2 } })
      }
    }))

  for (const ending of ["hang", "reset", "cut"] satisfies ReadonlyArray<Ending>) {
    it.scoped(
      `to a prompt that is refused has ended, although its connection does not end well: ${ending}`,
      () =>
        Effect.gen(function*() {
          const { ask, server } = yield* Talk.open(subjects.gemini, bounds)
          const { chunks, content_type } = Answered.events({ promptFeedback: { blockReason: "SAFETY" } })
          server.answer({ content_type, chunks, ending })
          assert.strictEqual(finishOf(yield* ask()).reason, "content_filter")
          assert.lengthOf(server.received, 1)
        }),
      patience(60_000)
    )
  }
})
