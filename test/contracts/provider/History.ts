/** Nothing that a model or a person put into a session makes the provider refuse its later turns: the wires are strict. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { BlockId } from "../../../src/domain/Ids.ts"
import type { JsonObject } from "../../../src/domain/Json.ts"
import type { ContentBlock } from "../../../src/domain/Message.ts"
import * as Messages from "../../support/wires/Messages.ts"
import * as Say from "../../support/wires/Say.ts"
import type { Asking, Talk } from "../../support/wires/Talk.ts"
import type { AskedPart, Wire } from "../../support/wires/Wire.ts"
import { tools } from "./Answers.ts"
import type { Case } from "./Case.ts"

const { call, making, reply, result, text, user } = Messages

const id = "b" as BlockId
const thinking = (thinking: string): ContentBlock => ({ type: "thinking", id, thinking })
const hint = (hint: string): ContentBlock => ({ type: "hint", id, hint })

/** Asks, and shows what the strict server found wrong. */
const taken = (talk: Talk, wire: Wire, asking: Asking) =>
  Effect.suspend(() => {
    talk.server.answer(wire.say(Say.say(Say.text("Yes."))))
    return Effect.tapErrorCause(
      talk.ask(asking),
      () => Effect.sync(() => assert.deepStrictEqual(talk.server.refused, [], "what was refused"))
    )
  })

const parts = (talk: Talk): ReadonlyArray<AskedPart> => talk.asked().messages.flatMap(({ parts }) => parts)

const blanks = [
  "",
  " ",
  "\n\t \r\n",
  "\u00a0\u2003",
  "\u3000",
  "\u0085",
  "\u2028\u2029",
  "\u001f",
  "\u200b\ufeff",
  "\u1680"
]

const half = "\ud83d"

const broken = `a${half}b 😀 \udc00`
const whole = "a\ufffdb 😀 \ufffd"

/** What does not survive being read. */
const written = `{ "z": 12345678901234567890, "a": 1.10,"10":-0.0,  "2":[1e400,"\\u00e9"] }`

const schemas: Readonly<Record<string, JsonObject>> = {
  empty: {},
  bare: { type: "object" },
  nullable: { type: ["object", "null"], properties: { a: { type: ["string", "null"], format: "email" } } },
  choice: {
    anyOf: [
      { type: "object", properties: { a: { type: "string" } }, required: ["a"] },
      { type: "object", properties: { b: { type: "integer", format: "int64" } }, required: ["b"] }
    ]
  },
  combined: {
    allOf: [{ $ref: "#/$defs/named" }, { properties: { tags: { type: "array" } } }],
    $defs: { named: { type: "object", properties: { name: { type: "string", format: "uri" } }, required: ["name"] } }
  },
  referring: {
    $ref: "#/definitions/tree",
    definitions: {
      tree: { type: "object", properties: { leaf: { type: "number" }, tree: { $ref: "#/definitions/tree" } } }
    }
  },
  old: {
    $schema: "http://json-schema.org/draft-04/schema#",
    type: "object",
    properties: {
      pair: { type: "array", items: [{ type: "string" }, { type: "number" }] },
      n: { type: "number", minimum: 0, exclusiveMinimum: true },
      any: {},
      kind: { enum: ["a", "", 1, null] },
      size: { type: "integer", enum: [1, 2] },
      fixed: { const: "x" },
      map: {
        type: "object",
        additionalProperties: { type: "string" },
        patternProperties: { "^x": { type: "string" } }
      },
      one: { oneOf: [{ type: "string" }, { type: "object", properties: { deep: { type: "string", format: "uuid" } } }] }
    },
    required: ["pair", "missing"],
    additionalProperties: false
  }
}

export const history: ReadonlyArray<Case> = [
  {
    title: "what shows nothing is left out, whoever said it, and the session goes on",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        for (const blank of blanks) {
          yield* taken(talk, wire, {
            system: blank,
            tools: [...tools, { name: "now", description: blank, parameters: { type: "object", properties: {} } }],
            messages: [
              user(text(blank)),
              reply(text("Yes?")),
              user(text("hello"), text(blank)),
              reply(text(blank)),
              user(text("again")),
              reply(thinking(blank), text(blank), hint("Hurry."), text("Done.")),
              user(text("go")),
              making(
                text(blank),
                call("call_a", "weather", "{}"),
                result("call_a", "weather", blank),
                hint(blank),
                text("So:"),
                call("call_b", "weather", "{}"),
                result("call_b", "weather", [{ type: "text", id, text: blank }])
              )
            ]
          })
          const shown = parts(talk).flatMap((part) => part.type === "text" ? [part.text] : [])
          for (const said of ["Yes?", "hello", "again", "Hurry.", "Done.", "go", "So:"]) assert.include(shown, said)
          assert.notInclude(shown, blank)
        }
      })
  },
  {
    title: "half an emoji leaves as U+FFFD, wherever it stands",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* taken(talk, wire, {
          system: broken,
          tools: [
            ...tools,
            {
              name: "odd",
              description: broken,
              parameters: { type: "object", properties: { a: { type: "string", description: broken } } }
            }
          ],
          messages: [
            user(text(broken)),
            reply(thinking(broken), text(broken), call("call_a", "weather", JSON.stringify({ city: broken }))),
            user(text("go")),
            making(
              call("call_b", `weather${half}`, `{"city":"${broken}"}`),
              result("call_b", `weather${half}`, broken)
            )
          ]
        })
        const asked = talk.asked()
        assert.strictEqual(asked.system, whole)
        const texts = parts(talk).flatMap((part) => part.type === "text" || part.type === "result" ? [part.text] : [])
        assert.includeMembers(texts, [whole])
        const cities = parts(talk).flatMap((part) => part.type === "call" ? [part.args.city] : [])
        assert.deepStrictEqual(cities, [whole, whole])
        assert.strictEqual(asked.tools.find(({ name }) => name === "odd")?.description, whole)
      })
  },
  {
    title: "ids that a server uses again are told apart, and stay the same from turn to turn",
    run: (talk, { callId = /^.{1,64}$/s, wire }) =>
      Effect.gen(function*() {
        const ids = ["call_0", "look:0", "x".repeat(64), "y".repeat(65), "ä b", "ABCDEFGHI"]
        const turn = (n: number) => [
          user(text(`turn ${n}`)),
          reply(
            ...ids.flatMap((one) => [call(one, "weather", "{}"), result(one, "weather", `${n} ${one}`)]),
            text("Done.")
          )
        ]
        const called = () => parts(talk).flatMap((part) => part.type === "call" ? [part.id] : [])
        let before: ReadonlyArray<string> = []
        for (const turns of [1, 2, 3]) {
          const all = Array.from({ length: turns }, (_, n) => turn(n))
          yield* taken(talk, wire, { tools, messages: [...all.flat(), user(text("on"))] })
          const now = called()
          assert.strictEqual(new Set(now).size, turns * ids.length)
          assert.deepStrictEqual(now.slice(0, before.length), before)
          for (const one of now) if (!one.startsWith("#")) assert.match(one, callId)
          const results = parts(talk).flatMap((part) => part.type === "result" ? [[part.id, part.text] as const] : [])
          const said = new Map(results)
          const expected = all.flatMap((_, n) => ids.map((one) => `${n} ${one}`))
          assert.deepStrictEqual(now.map((one) => said.get(one)), expected)
          before = now
        }
      })
  },
  {
    title: "arguments go back as the model wrote them",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* taken(talk, wire, {
          tools,
          messages: [user(text("go")), making(call("call_a", "weather", written), result("call_a", "weather", "ok"))]
        })
        const body = Buffer.from(talk.request().bytes).toString()
        const sent = body.includes(written) || body.includes(JSON.stringify(written))
        assert.isTrue(sent, body)
      })
  },
  {
    title: "arguments that are no JSON, or nested without end, and names that a model made up are put right",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        const deep = `{"a":${"[".repeat(5000)}${"]".repeat(5000)}}`
        const odd = [["", ""], ["look up.now", "{cut"], ["x".repeat(70), "[1]"], ["weather", "null"], [
          "sum",
          deep
        ]] as const
        yield* taken(talk, wire, {
          tools,
          messages: [
            user(text("go")),
            making(
              ...odd.map(([name, input], n) => call(`call_${n}`, name, input)),
              ...odd.map(([name], n) => result(`call_${n}`, name, "no such tool", "error"))
            )
          ]
        })
        assert.lengthOf(parts(talk).filter(({ type }) => type === "call"), odd.length)
      })
  },
  {
    title: "tools of any schema are told in words that the provider knows",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        const odd = Object.entries(schemas).map(([name, parameters]) => ({ name, description: "Odd.", parameters }))
        yield* taken(talk, wire, { tools: odd })
        const told = new Map(talk.asked().tools.map(({ name, parameters }) => [name, parameters]))
        assert.sameMembers([...told.keys()], Object.keys(schemas))
        assert.hasAllKeys(told.get("choice").properties, ["a", "b"])
        assert.hasAllKeys(told.get("combined").properties, ["name", "tags"])
        assert.deepStrictEqual(told.get("combined").required, ["name"])
        assert.hasAllKeys(told.get("referring").properties, ["leaf", "tree"])
        for (const name of ["empty", "bare"]) {
          const parameters = told.get(name)
          if (parameters !== undefined) assert.deepStrictEqual(parameters, { type: "object", properties: {} })
        }
      })
  },
  {
    title: "a conversation that the model began, and one with a call of nobody's answer, are taken",
    run: (talk, { wire }) =>
      Effect.gen(function*() {
        yield* taken(talk, wire, {
          tools,
          messages: [
            reply(text("Welcome.")),
            user(text("hello")),
            reply(thinking("hm"), call("call_a", "weather", "{")),
            user(text("go on")),
            reply(thinking("led to nothing")),
            user(text("well?")),
            reply(),
            user(text("hello?"))
          ]
        })
        assert.includeMembers(parts(talk).flatMap((part) => part.type === "text" ? [part.text] : []), [
          "Welcome.",
          "well?"
        ])
      })
  }
]
