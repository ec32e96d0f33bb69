/** What reaches the provider. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import { planted, type Talk } from "../../support/wires/Talk.ts"
import type { AskedMessage, Wire } from "../../support/wires/Wire.ts"
import { tools } from "./Answers.ts"
import type { Case } from "./Case.ts"

const { call, image, making, reply, result, text, user } = Messages

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
        const { body, headers, path, query } = talk.request()
        assert.isTrue(authenticated(headers, planted), "the credential's secret is not in the request's headers")
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
    title: "images of a person are sent, each in its place",
    needs: "images in",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({ messages: [user(text("look"), image("image/png", "iVBORw0KGgo="), text("there"))] })
        assert.deepStrictEqual(talk.asked().messages.flatMap(({ parts }) => parts), [
          { type: "text", text: "look" },
          { type: "image", media_type: "image/png", data: "iVBORw0KGgo=" },
          { type: "text", text: "there" }
        ])
      })
  },
  {
    title: "what cannot be sent is named instead",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* listening(talk, wire)
        yield* talk.ask({ messages: [user(text("look"), image("application/zip", "UEsDBA=="))] })
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
        yield* talk.ask({ tools })
        const told = talk.asked().tools
        assert.deepStrictEqual(told.map(({ name }) => name), ["weather", "sum"])
        assert.deepStrictEqual(told.map(({ description }) => description), ["Tells the weather.", "Adds up."])
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
