/** Chunks of Chat Completions as servers really send them, through every package that reads them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { ModelPart } from "../../src/services/Models.ts"
import type * as FakeProvider from "../support/wires/FakeProvider.ts"
import * as flavours from "../support/wires/flavours.ts"
import * as Messages from "../support/wires/Messages.ts"
import { bearer, type Subject } from "../support/wires/Subject.ts"
import * as Talk from "../support/wires/Talk.ts"
import { eventStream, type Json, sse, type Wire } from "../support/wires/Wire.ts"

const { callsIn, finishOf, textIn, thinkingIn } = Messages

const subject = (type: string, wire: Wire, model = "fake", more: object = {}): Subject => ({
  name: type,
  type,
  wire,
  model,
  credential: (origin, secret) => ({ base_url: `${origin}/v1`, api_key: secret, ...more }),
  authenticated: bearer,
  structured: "natively",
  lacks: {}
})

const subjects = [
  subject("openai_compatible_credential", flavours.compatible),
  subject("openai_credential", flavours.openai, "gpt-4.1", { api: "chat" }),
  subject("deepseek_credential", flavours.deepseek, "deepseek-chat"),
  subject("groq_credential", flavours.groq),
  subject("mistral_credential", flavours.mistral),
  subject("dashscope_credential", flavours.dashscope),
  subject("moonshot_credential", flavours.moonshot)
]

const chunk = (delta: Json, finish_reason: Json = null, more: object = {}) => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  created: 1_700_000_000,
  model: "fake",
  choices: [{ index: 0, delta, finish_reason }],
  ...more
})

const word = (content: string, more: object = {}) => chunk({ content }, null, more)
const stop = chunk({}, "stop")
const usage = { choices: [], usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 } }

const answer = (chunks: ReadonlyArray<object>, done = true, ending?: FakeProvider.Ending): FakeProvider.Answer => ({
  content_type: eventStream,
  chunks: [...chunks.map((one) => sse(one)), ...(done ? [sse("[DONE]")] : [])],
  ...(ending !== undefined && { ending })
})

const weather = {
  name: "weather",
  description: "Tells the weather.",
  parameters: { type: "object", properties: { city: { type: "string" } } }
}

const call = (given: object) => chunk({ tool_calls: [given] })

/** Chunks that say "Half of it." in a way that is wrong somewhere. */
const texts: Readonly<Record<string, ReadonlyArray<Json>>> = {
  "role model": [chunk({ role: "model", content: "Half " }), word("of it."), stop],
  "role null": [chunk({ role: null, content: "Half " }), word("of it."), stop],
  "an empty role": [chunk({ role: "", content: "Half " }), word("of it."), stop],
  "an annotation without fields": [
    word("Half "),
    chunk({
      content: "of it.",
      annotations: [{}, { type: "url_citation" }, { type: "url_citation", url_citation: {} }]
    }),
    stop
  ],
  "annotations that are no list": [word("Half "), chunk({ content: "of it.", annotations: "none" }), stop],
  "no choices": [word("Half "), { id: "1", object: "chat.completion.chunk" }, word("of it."), stop],
  "choices of null": [word("Half "), chunk({}, null, { choices: null }), word("of it."), stop],
  "a choice of null": [word("Half "), { ...stop, choices: [null] }, word("of it."), stop],
  "no delta": [word("Half "), { ...stop, choices: [{ index: 0 }] }, word("of it."), stop],
  "no index": [{ choices: [{ delta: { content: "Half of it." } }] }, {
    choices: [{ delta: {}, finish_reason: "stop" }]
  }],
  "logprobs of another shape": [
    { ...stop, choices: [{ index: 0, delta: { content: "Half " }, logprobs: { content: [{ token: 1 }] } }] },
    word("of it."),
    stop
  ],
  "another object": [word("Half ", { object: "chat.completion" }), word("of it."), stop],
  "id and time of other types": [word("Half ", { id: 7, created: "now", model: null }), word("of it."), stop],
  "an error of null": [word("Half ", { error: null }), word("of it.", { error: null }), { ...stop, error: null }],
  "usage in words": [word("Half "), word("of it.", { usage: "unknown" }), stop],
  "content of another type": [word("Half "), chunk({ content: 7 }), chunk({ content: {} }), word("of it."), stop],
  "reasons of other types": [word("Half "), chunk({ content: "of it." }, false), stop],
  "calls that are no list": [word("Half "), chunk({ content: "of it.", tool_calls: {} }), stop],
  "calls without a function": [word("Half "), chunk({ content: "of it.", tool_calls: [null, {}] }), stop]
}

/** Chunks that call the tool with `{"city":"Ulm"}` in a way that is wrong somewhere. */
const calls: Readonly<Record<string, ReadonlyArray<object>>> = {
  "arguments as an object": [
    call({ index: 0, id: "c1", type: "function", function: { name: "weather", arguments: { city: "Ulm" } } })
  ],
  "a type of null": [
    call({ index: 0, id: "c1", type: null, function: { name: "weather", arguments: "{\"city\"" } }),
    call({ index: 0, type: "", function: { arguments: ":\"Ulm\"}" } })
  ],
  "an index in words": [
    call({ index: "0", id: "c1", type: "function", function: { name: "weather", arguments: "{\"city\"" } }),
    call({ index: "0", function: { arguments: ":\"Ulm\"}" } })
  ],
  "no index": [
    call({ id: "c1", type: "function", function: { name: "weather", arguments: "{\"city\"" } }),
    call({ function: { arguments: ":\"Ulm\"}" } })
  ],
  "an id that is a number": [
    call({ index: 0, id: 7, type: "function", function: { name: "weather", arguments: "{\"city\":\"Ulm\"}" } })
  ],
  "no arguments at first": [
    call({ index: 0, id: "c1", type: "function", function: { name: "weather", arguments: null } }),
    call({ index: 0, id: null, function: { name: null, arguments: "{\"city\":\"Ulm\"}" } })
  ]
}

for (const one of subjects) {
  layer(Talk.base, { excludeTestServices: true })(one.name, (it) => {
    const test = (title: string, run: (talk: Talk.Talk) => Effect.Effect<void, Talk.Failed>) =>
      it.scoped(title, () => Effect.flatMap(Talk.open(one), run), { concurrent: true })

    for (const [what, chunks] of Object.entries(texts)) {
      test(`text is read from chunks with ${what}`, ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(answer([...chunks, usage]))
          const parts = yield* ask()
          assert.strictEqual(textIn(parts), "Half of it.")
          assert.strictEqual(finishOf(parts).reason, "stop")
        }))
    }

    for (const [what, chunks] of Object.entries(calls)) {
      test(`a call is read from chunks with ${what}`, ({ ask, server }) =>
        Effect.gen(function*() {
          server.answer(answer([...chunks, chunk({}, "tool_calls"), usage]))
          const parts = yield* ask({ tools: [weather] })
          assert.deepStrictEqual(callsIn(parts).map(({ args, name }) => [name, JSON.parse(args)]), [
            ["weather", { city: "Ulm" }]
          ])
          assert.strictEqual(finishOf(parts).reason, "tool_calls")
        }))
    }

    test("two calls without an index stay two calls", ({ ask, server }) =>
      Effect.gen(function*() {
        const whole = (id: string, city: string) =>
          call({ id, type: "function", function: { name: "weather", arguments: JSON.stringify({ city }) } })
        server.answer(answer([whole("c1", "Ulm"), whole("c2", "Bonn"), chunk({}, "tool_calls"), usage]))
        const cities = callsIn(yield* ask({ tools: [weather] })).map(({ args }) => JSON.parse(args).city)
        assert.deepStrictEqual(cities, ["Ulm", "Bonn"])
      }))

    for (const reason of ["", "null"]) {
      test(`a finish reason of "${reason}" is none: what ends after it is cut`, ({ ask, fail, server }) =>
        Effect.gen(function*() {
          const chunks = ["Half ", "of it."].map((content) => chunk({ content }, reason))
          for (const ending of ["end", "cut"] as const) {
            server.answer(answer(chunks, false, ending))
            const parts: Array<ModelPart> = []
            assert.isTrue((yield* fail({}, parts)).retryable)
            assert.strictEqual(textIn(parts), "Half of it.")
          }
          server.answer(answer([...chunks, stop]))
          assert.strictEqual(finishOf(yield* ask()).reason, "stop")
        }))
    }

    test("[DONE] without a finish reason ends a whole text, for a reason that is not known", ({ ask, server }) =>
      Effect.gen(function*() {
        for (const chunks of [[word("Half "), word("of it.")], [chunk({ content: "Half of it." }, "")]]) {
          server.answer(answer(chunks))
          const parts = yield* ask()
          assert.strictEqual(textIn(parts), "Half of it.")
          assert.strictEqual(finishOf(parts).reason, "other")
        }
      }))

    test("[DONE] without anything before it is no answer", ({ fail, server }) =>
      Effect.gen(function*() {
        for (const chunks of [[], [chunk({ role: "assistant" })]]) {
          server.answer(answer(chunks))
          assert.isTrue((yield* fail()).retryable)
        }
      }))

    test("tokens that are named after the reason are counted, although the connection stays open", ({ ask, server }) =>
      Effect.gen(function*() {
        // Groq and Moonshot name them in places of their own as well.
        const last = one.type === "groq_credential" ? { ...usage, x_groq: { usage: usage.usage } } : usage
        server.answer(answer([word("Hi"), stop, last], false, "hang"))
        assert.include(finishOf(yield* ask()).usage, { input_tokens: 7, output_tokens: 3 })
      }))

    test("an error after the reason is not the answer's", ({ ask, server }) =>
      Effect.gen(function*() {
        server.answer(
          answer([word("Half "), chunk({}, "length"), { error: { message: "Token limit reached" } }], false)
        )
        const parts = yield* ask()
        assert.strictEqual(textIn(parts), "Half ")
        assert.strictEqual(finishOf(parts).reason, "length")
      }))

    test("data in several lines, and lines without a blank one between them, are read", ({ ask, server }) =>
      Effect.gen(function*() {
        const lines = [word("Half "), word("of it."), stop].map((one) => `data: ${JSON.stringify(one)}\n`).join("")
        const pretty = JSON.stringify(word("Half of it."), null, 1).split("\n").map((line) => `data: ${line}\r\n`).join(
          ""
        )
        for (
          const text of [`${lines}\ndata: [DONE]\n`, `${pretty}\r\ndata:${JSON.stringify(stop)}\r\n\r\ndata:[DONE]\r\n`]
        ) {
          server.answer({ content_type: eventStream, chunks: [Buffer.from(text)], ending: "hang" })
          const parts = yield* ask()
          assert.strictEqual(textIn(parts), "Half of it.")
          assert.strictEqual(finishOf(parts).reason, "stop")
        }
      }))

    test("a server that answers in one piece is read", ({ ask, server }) =>
      Effect.gen(function*() {
        const message = {
          role: "assistant",
          content: "Half of it.",
          tool_calls: [{ id: "c1", type: "function", function: { name: "weather", arguments: "{\"city\":\"Ulm\"}" } }]
        }
        const body = {
          ...chunk({}, null, usage),
          object: "chat.completion",
          choices: [{ index: 0, message, finish_reason: "tool_calls" }]
        }
        server.answer({ status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(body) })
        const parts = yield* ask({ tools: [weather] })
        assert.strictEqual(textIn(parts), "Half of it.")
        assert.deepStrictEqual(callsIn(parts).map(({ args }) => JSON.parse(args)), [{ city: "Ulm" }])
        assert.strictEqual(thinkingIn(parts), "")
      }))
  })
}
