/** What would make a provider refuse every later turn is refused at the door, with a sentence that says what it is. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0

/** A user with an agent and a session with the demo model. */
const settled = (client_tools: ReadonlyArray<object> = []) =>
  Effect.gen(function*() {
    const { call } = yield* Host
    const user = `refused-${owners++}`
    const { json: { agent_id } } = yield* call("POST", "/agent/", { user, body: { name: "Friday", client_tools } })
    const { json: { credential_id } } = yield* call("POST", "/credential/", {
      user,
      body: { data: { type: "demo_credential" } }
    })
    const chat_model_config = {
      type: "demo_credential",
      credential_id,
      model: "demo-chat",
      parameters: { delay_ms: 0 }
    }
    const { json: { session_id } } = yield* call("POST", "/sessions/", { user, body: { agent_id, chat_model_config } })
    const chat = (more: object) =>
      call("POST", "/chat/", {
        user,
        headers: { prefer: "respond-async" },
        body: { agent_id, session_id, input: { content: "hi" }, ...more }
      })
    return { user, agent_id, chat }
  })

const tool = (name: string, parameters?: object) => ({ name, ...(parameters && { parameters }) })

const blanks = ["", " ", "\n\t\r\n", "\u00a0", "\u2003\u3000", "\u0085", "\u2028", "\u200b", "\ufeff"]

layer(TestHost.layer(), { excludeTestServices: true })("The door", (it) => {
  describe("An input that shows nothing", () => {
    it.effect("is a 422 that says so, as a text, as blocks and among others", () =>
      Effect.gen(function*() {
        const { chat } = yield* settled()
        for (const blank of blanks) {
          const inputs = [
            { content: blank },
            { content: [{ type: "text", text: blank }, { type: "text", text: " " }] },
            { content: [] },
            [{ content: "seen" }, { content: blank }]
          ]
          for (const input of inputs) {
            const { json, status } = yield* chat({ input })
            assert.strictEqual(status, 422, JSON.stringify(input))
            assert.include(json.detail, "blank", JSON.stringify(input))
          }
        }
      }))

    it.effect("may stand beside what shows something", () =>
      Effect.gen(function*() {
        const { chat } = yield* settled()
        const picture = { type: "data", source: { type: "base64", media_type: "image/png", data: "iVBORw0KGgo=" } }
        for (
          const content of ["a", [{ type: "text", text: " " }, picture], [{ type: "text", text: "" }, {
            type: "text",
            text: "a"
          }]]
        ) {
          assert.strictEqual((yield* chat({ input: { content } })).status, 202, JSON.stringify(content))
        }
        assert.strictEqual((yield* chat({ input: null })).status, 202)
      }))
  })

  describe("A tool whose name another one has", () => {
    it.effect("is a 422 that names it, among the agent's own and beside the built-in ones", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { agent_id, user } = yield* settled()
        for (
          const [client_tools, path, name] of [
            [[tool("look"), tool("see"), tool("look")], "client_tools.2.name", "look"],
            [[tool("look"), tool("Calculate")], "client_tools.1.name", "Calculate"]
          ] as const
        ) {
          for (
            const answer of [
              yield* call("POST", "/agent/", { user, body: { name: "Friday", client_tools } }),
              yield* call("PATCH", `/agent/${agent_id}`, { user, body: { client_tools } })
            ]
          ) {
            assert.strictEqual(answer.status, 422)
            assert.include(answer.json.detail, `'${name}'`)
            assert.deepStrictEqual(answer.json.errors.map((error: { path: string }) => error.path), [path])
          }
        }
      }))

    it.effect("is a 422 that names it, in a request, beside the agent's and the built-in ones", () =>
      Effect.gen(function*() {
        const { chat } = yield* settled([tool("look")])
        for (
          const [tools, path, name] of [
            [[tool("see"), tool("see")], "tools.1.name", "see"],
            [[tool("see"), tool("look")], "tools.1.name", "look"],
            [[tool("Calculate")], "tools.0.name", "Calculate"]
          ] as const
        ) {
          const { json, status } = yield* chat({ tools })
          assert.strictEqual(status, 422)
          assert.include(json.detail, `'${name}'`)
          assert.deepStrictEqual(json.errors.map((error: { path: string }) => error.path), [path])
        }
        assert.strictEqual((yield* chat({ tools: [tool("see")] })).status, 202)
      }))
  })

  describe("A schema of arguments", () => {
    it.effect("that no provider takes is a 422 that says where", () =>
      Effect.gen(function*() {
        const { chat } = yield* settled()
        const bad: ReadonlyArray<readonly [object, string]> = [
          [{ type: "string" }, "parameters.type"],
          [{ type: "object", properties: { a: { type: "text" } } }, "parameters.properties.a.type"],
          [{ type: "object", properties: { a: { $ref: "#/$defs/none" } } }, "parameters.properties.a.$ref"],
          [{ $ref: "https://example.com/schema.json" }, "parameters.$ref"],
          [{ type: "object", properties: [] }, "parameters.properties"],
          [{ anyOf: [] }, "parameters.anyOf"],
          [{ type: "object", properties: { a: { enum: [] } } }, "parameters.properties.a.enum"],
          [{ type: "object", properties: { a: { items: 3 } } }, "parameters.properties.a.items"]
        ]
        for (const [parameters, path] of bad) {
          const { json, status } = yield* chat({ tools: [tool("look", parameters)] })
          assert.strictEqual(status, 422, JSON.stringify(parameters))
          assert.deepStrictEqual(json.errors.map((error: { path: string }) => error.path), [`tools.0.${path}`])
        }
      }))

    it.effect("that can be put into other words is taken", () =>
      Effect.gen(function*() {
        const { chat } = yield* settled()
        const good: ReadonlyArray<object> = [
          {},
          { type: "object" },
          { type: ["object", "null"] },
          { anyOf: [{ type: "object", properties: { a: { type: "string", format: "uri" } } }, { required: ["a"] }] },
          { $ref: "#/$defs/tree", $defs: { tree: { type: "object", properties: { tree: { $ref: "#/$defs/tree" } } } } }
        ]
        for (const parameters of good) {
          assert.strictEqual(
            (yield* chat({ tools: [tool("look", parameters)] })).status,
            202,
            JSON.stringify(parameters)
          )
        }
      }))
  })
})
