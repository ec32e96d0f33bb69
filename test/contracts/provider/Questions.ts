/** What reaches the provider. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { BlockId } from "../../../src/domain/Ids.ts"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import { planted, type Talk } from "../../support/wires/Talk.ts"
import type { AskedMessage, Wire } from "../../support/wires/Wire.ts"
import { tools } from "./Answers.ts"
import type { Case } from "./Case.ts"

const { call, file, making, reply, result, text, user } = Messages

const listening = ({ server }: Talk, wire: Wire) =>
  Effect.sync(() => server.answer(wire.say(Say.say(Say.text("Yes.")))))

/** Who said which texts, without what else there is. */
const texts = (messages: ReadonlyArray<AskedMessage>) =>
  messages.map(({ parts, role }) => [role, parts.flatMap((part) => part.type === "text" ? [part.text] : []).join("")])

export const questions: ReadonlyArray<Case> = [
  {
    title: "the secret is where the provider wants it, and nowhere else",
    run: (talk, { authenticated, wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask()
        const { body, path, query } = talk.request()
        assert.isTrue(authenticated(talk.request(), planted), "the request does not bear the secret")
        assert.notInclude(`${path}?${query.toString()} ${JSON.stringify(body)}`, planted)
      })
  },
  {
    title: "the model, the system prompt and who said what are told in order",
    run: (talk, { model, wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({
          system: "Be brief.",
          messages: [user(text("one")), reply(text("two")), user(text("three"))]
        })
        const { messages, model: asked, system, tools } = talk.asked()
        assert.strictEqual(asked, model)
        assert.strictEqual(system, "Be brief.")
        assert.deepStrictEqual(texts(messages), [["user", "one"], ["assistant", "two"], ["user", "three"]])
        assert.deepStrictEqual(tools, [])
      })
  },
  {
    title: "results go back beside the calls that they answer, failed ones too",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({
          tools,
          messages: [
            user(text("go")),
            making(
              text("I look."),
              call("call_a", "weather", "{\"city\":\"Bern\"}"),
              call("call_b", "sum", "{\"n\":[1]}"),
              result("call_b", "sum", "one"),
              result("call_a", "weather", "no station", "error")
            )
          ]
        })
        const { messages } = talk.asked()
        const parts = messages.flatMap(({ parts }) => parts)
        const calls = parts.flatMap((part) => part.type === "call" ? [part] : [])
        assert.deepStrictEqual(calls.map(({ args, name }) => [name, args]), [
          ["weather", { city: "Bern" }],
          ["sum", { n: [1] }]
        ])
        const said = new Map(parts.flatMap((part) => part.type === "result" ? [[part.id, part.text]] : []))
        assert.deepStrictEqual(calls.map(({ id }) => said.get(id)), ["no station", "one"])
        assert.strictEqual(said.size, 2)
        assert.deepStrictEqual(messages.map(({ role }) => role), ["user", "assistant", "tool"])
      })
  },
  {
    title: "calls of another provider have ids that fit here, and their results too",
    run: (talk, { callId, wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        const ids = ["functions.weather:0", "functions.weather:1", `call_${"x".repeat(100)}`]
        const calls = ids.flatMap((id) => [call(id, "weather", "{}"), result(id, "weather", `of ${id}`)])
        yield* talk.ask({ tools, messages: [user(text("go")), reply(...calls, text("Done.")), user(text("on"))] })
        const parts = talk.asked().messages.flatMap(({ parts }) => parts)
        const called = parts.flatMap((part) => part.type === "call" ? [part.id] : [])
        const results = new Map(parts.flatMap((part) => part.type === "result" ? [[part.id, part.text]] : []))
        assert.deepStrictEqual(called.map((id) => results.get(id)), ids.map((id) => `of ${id}`))
        assert.strictEqual(new Set(called).size, 3)
        if (callId !== undefined) { for (const id of called) assert.match(id, callId) }
      })
  },
  {
    title: "what another provider has signed is not sent",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        const provider_metadata = {
          elsewhere: { signature: "foreign", itemId: "foreign", thoughtSignature: "foreign" }
        }
        const marked = (block: ReturnType<typeof text>) => ({ ...block, provider_metadata })
        yield* talk.ask({
          tools,
          messages: [
            user(text("go")),
            making(
              marked({ type: "thinking", id: "b" as BlockId, thinking: "hm" }),
              marked(text("I look.")),
              marked(call("call_a", "weather", "{}")),
              result("call_a", "weather", "sunny")
            )
          ]
        })
        assert.notInclude(JSON.stringify(talk.request().body), "foreign")
        assert.include(texts(talk.asked().messages).map(([, said]) => said), "I look.")
      })
  },
  {
    title: "what the system says in the middle is told",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({
          system: "Be brief.",
          messages: [
            user(text("one")),
            reply(text("two")),
            { ...user(text("The day has ended.")), role: "system" },
            user(text("three"))
          ]
        })
        assert.include(JSON.stringify(talk.request().body), "The day has ended.")
      })
  },
  {
    title: "images of a person are sent, each in its place",
    needs: "images in",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({ messages: [user(text("look"), file("image/png", "iVBORw0KGgo="), text("there"))] })
        assert.deepStrictEqual(talk.asked().messages.flatMap(({ parts }) => parts), [
          { type: "text", text: "look" },
          { type: "file", media_type: "image/png", data: "iVBORw0KGgo=" },
          { type: "text", text: "there" }
        ])
      })
  },
  {
    title: "documents of a person are sent, each in its place",
    needs: "documents in",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({ messages: [user(text("read"), file("application/pdf", "JVBERi0xLjQK"))] })
        assert.deepStrictEqual(talk.asked().messages.flatMap(({ parts }) => parts), [
          { type: "text", text: "read" },
          { type: "file", media_type: "application/pdf", data: "JVBERi0xLjQK" }
        ])
      })
  },
  {
    title: "what cannot be sent is named instead",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({ messages: [user(text("look"), file("application/zip", "UEsDBA=="))] })
        const [message] = texts(talk.asked().messages)
        assert.include(message?.[1] ?? "", "application/zip")
        assert.notInclude(JSON.stringify(talk.request().body), "UEsDBA")
      })
  },
  {
    title: "tools are named with what they do and take",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        const bare = { name: "now", description: "Tells the time.", parameters: { type: "object" } }
        yield* talk.ask({ tools: [...tools, bare] })
        const told = talk.asked().tools
        assert.deepStrictEqual(told.map(({ description, name }) => [name, description]), [
          ["weather", "Tells the weather."],
          ["sum", "Adds up."],
          ["now", "Tells the time."]
        ])
        assert.hasAllKeys(told[0]?.parameters.properties, ["city"])
        assert.deepStrictEqual(told[0]?.parameters.required, ["city"])
      })
  },
  {
    title: "a tool can be left to the model, required, or named",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        for (const tool_choice of ["auto", "required", { name: "sum" }] as const) {
          yield* listening(talk, wire)
          yield* talk.ask({ tools, tool_choice })
          const asked = talk.asked()
          const named = typeof tool_choice === "object"
          // Some can only be told to use one of a list, and get a list of one.
          const single = named && asked.tool_choice === "required" && asked.tools.length === 1
          if (single) assert.strictEqual(asked.tools[0]?.name, "sum")
          else if (tool_choice === "auto") {
            assert.isTrue(asked.tool_choice === "auto" || asked.tool_choice === undefined)
          } else assert.deepStrictEqual(asked.tool_choice, tool_choice)
        }
      })
  },
  {
    title: "tools can be forbidden",
    needs: "tool choice none",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({ tools, tool_choice: "none" })
        const asked = talk.asked()
        assert.isTrue(asked.tool_choice === "none" || asked.tools.length === 0)
      })
  },
  {
    title: "the parameters reach the wire by its own names",
    run: (talk, { lacks, wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        const all = { temperature: 0.5, top_p: 0.9, max_tokens: 100, stop: ["END", "FIN"], seed: 7 }
        const { max_tokens, seed, stop, temperature, top_p } = all
        const parameters = {
          max_tokens,
          ...(lacks.temperature === undefined && { temperature }),
          ...(lacks.top_p === undefined && { top_p }),
          ...(lacks.stop === undefined && { stop }),
          ...(lacks.seed === undefined && { seed })
        }
        yield* talk.ask({ parameters })
        assert.deepInclude(talk.asked(), parameters)
      })
  }
]
