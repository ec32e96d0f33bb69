/** How an answer arrives. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as FakeProvider from "../../support/wires/FakeProvider.ts"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import type { Subject } from "../../support/wires/Subject.ts"
import type { Talk } from "../../support/wires/Talk.ts"
import type { Case } from "./Case.ts"

const { callsIn, finishOf, textIn, thinkingIn } = Messages

export const tools = [
  {
    name: "weather",
    description: "Tells the weather.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
  },
  {
    name: "sum",
    description: "Adds up.",
    parameters: { type: "object", properties: { n: { type: "array", items: { type: "number" } } } }
  }
]

const args = [{ city: "Zürich 🏔 \"old town\"" }, { n: [1, 2, 3] }]
const [weather, sum] = [JSON.stringify(args[0]), JSON.stringify(args[1])]

/** Every kind of part that comes before a call, in letters of one to four bytes. */
export const rich = Say.say(
  Say.text("Grüße ", "aus 東京 ", "🗼."),
  Say.call("call_a", "weather", ...weather.match(/.{1,12}/gsu) ?? [])
)

const schema = {
  type: "object",
  properties: { answer: { type: "string" }, sure: { type: "boolean" } },
  required: ["answer", "sure"],
  additionalProperties: false
}
const structured = JSON.stringify({ answer: "zweiundvierzig", sure: true })

/** What goes to the model with the result of a call that it had thought about. */
const sentBack = ({ ask, asked, server }: Talk, { thinking, wire }: Subject) =>
  Effect.gen(function*() {
    const parameters = thinking ?? {}
    server.answer(wire.say(Say.say(Say.thinking("c2lnbmVk", "let me ", "see"), Say.call("call_a", "weather", weather))))
    const parts = yield* ask({ tools, parameters })
    const [call] = callsIn(parts)
    const result = Messages.result(call?.id ?? "", "weather", "sunny")
    const messages = [Messages.user(Messages.text("hello")), Messages.making(...Messages.blocksOf(parts), result)]
    server.answer(wire.say(Say.say(Say.text("Sunny."))))
    yield* ask({ tools, parameters, messages })
    return asked().messages.flatMap(({ parts }) => parts)
  })

export const answers: ReadonlyArray<Case> = [
  {
    title: "text arrives in order, as it comes",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(Say.text("Good ", "morn", "ing", "!"))))
        const parts = yield* ask()
        assert.deepStrictEqual(
          parts.flatMap((part) => part.type === "text" ? [part.delta] : []),
          ["Good ", "morn", "ing", "!"]
        )
        assert.strictEqual(finishOf(parts).reason, "stop")
      })
  },
  {
    title: "reasoning is told apart from text, and comes before it",
    needs: "reasoning",
    run: ({ ask, server }, { thinking, wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(Say.thinking("signed", "let me ", "see"), Say.text("Good ", "morning"))))
        const parts = yield* ask({ parameters: thinking ?? {} })
        assert.strictEqual(thinkingIn(parts), "let me see")
        assert.strictEqual(textIn(parts), "Good morning")
        const kinds = parts.flatMap(({ type }) => type === "text" || type === "thinking" ? [type] : [])
        assert.deepStrictEqual(kinds, ["thinking", "thinking", "text", "text"])
        const blocks = parts.flatMap((part) => part.type === "text" || part.type === "thinking" ? [part.block] : [])
        assert.strictEqual(new Set(blocks).size, 2)
      })
  },
  {
    title: "reasoning goes back with the results of its calls",
    needs: "thinking goes back",
    run: (talk, subject) =>
      Effect.map(sentBack(talk, subject), (parts) => {
        assert.strictEqual(parts.map((part) => part.type === "thinking" ? part.text : "").join(""), "let me see")
      })
  },
  {
    title: "what the provider signed goes back as it was, where it was",
    needs: "signature",
    run: (talk, subject) =>
      Effect.map(sentBack(talk, subject), (parts) => {
        const signed = parts.flatMap((part) => "signature" in part ? [[part.type, part.signature]] : [])
        const kind = subject.lacks["thinking goes back"] === undefined ? "thinking" : "call"
        assert.deepStrictEqual(signed, [[kind, "c2lnbmVk"]])
      })
  },
  {
    title: "a tool call begins, has its arguments, and ends",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(Say.text("I look."), Say.call("call_a", "weather", "{\"city\":", "\"Bern\"}"))))
        const parts = yield* ask({ tools })
        assert.strictEqual(textIn(parts), "I look.")
        const calls = callsIn(parts)
        assert.deepStrictEqual(calls.map(({ args, name }) => [name, JSON.parse(args)]), [["weather", { city: "Bern" }]])
        assert.strictEqual(finishOf(parts).reason, "tool_calls")
      })
  },
  {
    title: "a call without arguments is a call all the same",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(Say.call("call_a", "sum", "{}"))))
        const [call] = callsIn(yield* ask({ tools }))
        assert.deepStrictEqual([call?.name, JSON.parse(call?.args || "{}")], ["sum", {}])
      })
  },
  {
    title: "calls made at once keep their own arguments and ids",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(
          Say.call("call_a", "weather", ...weather),
          Say.call("call_b", "sum", ...sum),
          Say.call("call_c", "weather", weather)
        )))
        const parts = yield* ask({ tools })
        const calls = callsIn(parts)
        assert.deepStrictEqual(calls.map(({ args, name }) => [name, JSON.parse(args)]), [
          ["weather", args[0]],
          ["sum", args[1]],
          ["weather", args[0]]
        ])
        assert.strictEqual(new Set(calls.map(({ id }) => id)).size, 3)
        assert.strictEqual(finishOf(parts).reason, "tool_calls")
      })
  },
  {
    title: "arguments split into single characters stream on, and are the same",
    needs: "pieces of arguments",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(Say.call("call_a", "weather", ...weather))))
        const [call] = callsIn(yield* ask({ tools }))
        assert.deepStrictEqual([call?.id, call?.args], ["call_a", weather])
        assert.isAbove(call?.deltas ?? 0, [...weather].length / 2)
      })
  },
  {
    title: "arguments that the model left unfinished arrive as they are",
    needs: "unfinished arguments",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const said = Say.say(Say.call("call_a", "weather", "{\"city\":", "\"Be"))
        server.answer(wire.say({ ...said, stop: "length" }))
        const parts = yield* ask({ tools })
        assert.deepStrictEqual(callsIn(parts).map(({ args }) => args), ["{\"city\":\"Be"])
        assert.strictEqual(finishOf(parts).reason, "length")
      })
  },
  {
    title: "an empty answer is an answer",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say()))
        const parts = yield* ask()
        assert.strictEqual(finishOf(parts).reason, "stop")
        assert.strictEqual(textIn(parts), "")
      })
  },
  {
    title: "events may be framed in any way that the format allows",
    needs: "server-sent events",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const { chunks, content_type } = wire.say(rich)
        const reframed = (frame: (event: string) => string) => ({
          content_type,
          chunks: chunks.map((chunk) => Buffer.from(frame(Buffer.from(chunk).toString())))
        })
        for (
          const frame of [
            (event: string) => event.replaceAll("\n", "\r\n"),
            (event: string) => event.replaceAll(": ", ":"),
            (event: string) => `: keep-alive\n\nretry: 1000\n\n${event}`,
            (event: string) => `id: 1\n${event}`
          ]
        ) {
          server.answer(reframed(frame))
          const parts = yield* ask({ tools })
          assert.strictEqual(textIn(parts), "Grüße aus 東京 🗼.")
          assert.deepStrictEqual(callsIn(parts).map(({ args }) => JSON.parse(args)), [args[0]])
          finishOf(parts)
        }
      })
  },
  {
    title: "files that the model makes arrive as data",
    needs: "files out",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const file = { type: "file", media_type: "image/png", data: "iVBORw0KGgo=" } as const
        server.answer(wire.say(Say.say(Say.text("Here: "), file)))
        const parts = yield* ask()
        const data = parts.flatMap((part) => part.type === "data" ? [[part.media_type, part.data]] : [])
        assert.deepStrictEqual(data, [[file.media_type, file.data]])
      })
  },
  {
    title: "bytes may be split anywhere, in the middle of a letter too",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        const answer = wire.say(rich)
        server.answer(answer)
        const whole = yield* ask({ tools })
        assert.strictEqual(textIn(whole), "Grüße aus 東京 🗼.")
        for (const size of [3, 61]) {
          server.answer(FakeProvider.split(answer, size))
          const parts = yield* ask({ tools })
          assert.strictEqual(textIn(parts), textIn(whole))
          assert.deepStrictEqual(callsIn(parts).map(({ args }) => args), callsIn(whole).map(({ args }) => args))
          assert.deepStrictEqual(finishOf(parts), finishOf(whole))
        }
      })
  },
  {
    title: "it says what was spent, the cached and the thinking part of it too",
    run: ({ ask, server }, { lacks, wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say(Say.say(Say.text("x"))))
        assert.deepStrictEqual(finishOf(yield* ask()).usage, {
          input_tokens: 100,
          output_tokens: 40,
          ...(lacks["cached tokens"] === undefined && { cache_input_tokens: 60 }),
          ...(lacks["reasoning tokens"] === undefined && { reasoning_tokens: 15 })
        })
      })
  },
  {
    title: "it says whether the answer was cut short by its length",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        for (const stop of ["length", "stop"] as const) {
          server.answer(wire.say({ ...Say.say(Say.text("x")), stop }))
          assert.strictEqual(finishOf(yield* ask()).reason, stop)
        }
      })
  },
  {
    title: "it says that a filter stopped the answer",
    needs: "content filter",
    run: ({ ask, server }, { wire }) =>
      Effect.gen(function*() {
        server.answer(wire.say({ ...Say.say(Say.text("x")), stop: "content_filter" }))
        // Some have but one word for what they withhold and what the model declines.
        assert.include(["content_filter", "refusal"], finishOf(yield* ask()).reason)
      })
  },
  {
    title: "an answer of a schema comes as text, and the schema is on the wire",
    run: ({ ask, asked, server }, { structured: how, wire }) =>
      Effect.gen(function*() {
        const pieces = structured.match(/.{1,6}/g) ?? []
        const output = { name: "reply", schema }
        // A tool that is forced on the model bears the output's name.
        const forced = how === "by a tool"
        server.answer(wire.say(Say.say(forced ? Say.call("call_a", "reply", ...pieces) : Say.text(...pieces))))
        const parts = yield* ask({ output })
        assert.deepStrictEqual(JSON.parse(textIn(parts)), JSON.parse(structured))
        assert.deepStrictEqual(callsIn(parts), [])
        assert.strictEqual(finishOf(parts).reason, "stop")
        const { output: sent, system, tool_choice, tools } = asked()
        if (how === "by the prompt") return assert.include(system, JSON.stringify(schema))
        const shape = forced ? tools[0]?.parameters : sent
        assert.hasAllKeys(shape?.properties, ["answer", "sure"])
        assert.sameMembers(shape?.required, ["answer", "sure"])
        if (forced) assert.isTrue(tool_choice === "required" || typeof tool_choice === "object")
      })
  }
]
