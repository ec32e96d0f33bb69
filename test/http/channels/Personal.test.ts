/** Personal agents: each user configures them, and nobody sees another user's secrets, or their own again. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import * as Files from "../../../src/layers/Catalog/Files.ts"
import * as Host from "../../../src/layers/Host.ts"
import { Catalog } from "../../../src/services/Catalog.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const root = mkdtempSync(join(tmpdir(), "stoa-personal-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

const personal = (more = "") =>
  `---
description: Knows your city
display_name: Ada of the city
tags: [city]
version: 2
model: demo/demo-script
tools: [key, leak]
scope: personal
setup_schema:
  type: object
  required: [city, api_key${more}]
  properties:
    city: { type: string, minLength: 1 }
    api_key: { type: string, sensitive: true }
    zip: { type: string }
---
You are Ada.
`

write("agents/ada/AGENT.md", personal())
write("agents/bob/AGENT.md", "---\nmodel: demo/demo-script\n---\nYou are Bob.")
const tool = (id: string, code: string) => {
  write(`tools/${id}/TOOL.md`, `---\ndescription: A tool\n---\n`)
  write(`tools/${id}/handler.mjs`, code)
}
tool("key", "export default (_, { config }) => ({ length: config.api_key.length, city: config.city })")
tool("leak", "export default (_, { config }) => ({ error: `401 for ${config.api_key}` })")

const host = TestHost.layer({ host: Host.over(Host.memory, { catalog: Files.layer({ dir: root }) }) })

const given = { instructions: "Always be short.", city: "Kiel", api_key: "a-secret-key" }

layer(host, { excludeTestServices: true })("A personal agent", (it) => {
  const world = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const { key } = yield* tenant()
    const ask = (method: string, path: string, body?: unknown) =>
      call(method, `/v1${path}`, {
        headers: { authorization: `Bearer ${key}` },
        ...body !== undefined && { body }
      })
    const configure = (body: object, name = "ada") => ask("POST", `/agents/${name}/config`, body)
    const invoke = (message: string) => ask("POST", "/agents/ada/invoke", { message })
    return { ask, configure, invoke }
  })

  it.effect("asks each user for its configuration before it works, and works with it", () =>
    Effect.gen(function*() {
      const { ask, configure, invoke } = yield* world
      const before = (yield* ask("GET", "/agents/ada")).json
      assert.deepInclude(before, { scope: "personal", setup_required: true, display_name: "Ada of the city" })
      assert.deepInclude(before, { tags: ["city"], version: "2" })
      const schema = (yield* ask("GET", "/agents/ada/setup-schema")).json
      assert.deepInclude(schema, { scope: "personal", agent_id: before.id })
      assert.deepStrictEqual(schema.setup_schema.required, ["city", "api_key"])
      for (const path of ["invoke", "chat"]) {
        const refused = yield* ask("POST", `/agents/ada/${path}`, { message: "say hello" })
        assert.deepStrictEqual([refused.status, refused.json.error.code], [409, "setup_required"])
      }
      // Nothing is left running, and nothing has begun.
      assert.deepStrictEqual((yield* ask("GET", "/executions")).json, [])
      const configured = yield* configure(given)
      assert.strictEqual(configured.status, 200, configured.text)
      assert.deepInclude(configured.json, { agent_id: before.id, setup_completed: true })
      assert.strictEqual((yield* invoke("say hello")).json.result.output, "hello")
      const listed = (yield* ask("GET", "/agents")).json
      assert.deepInclude(listed.find(({ id }: { id: string }) => id === before.id), { setup_required: false })
      assert.deepInclude(listed.find(({ display_name }: { display_name: string }) => display_name === "bob"), {
        scope: "global",
        setup_required: false
      })
    }))

  it.effect("refuses to work through other channels until it is configured, and says what to do", () =>
    Effect.gen(function*() {
      const { ask, configure } = yield* world
      const complete = () =>
        ask("POST", "/chat/completions", { model: "agent/ada", messages: [{ role: "user", content: "say hello" }] })
      const refused = yield* complete()
      assert.isAtLeast(refused.status, 400)
      assert.include(refused.text, "has to be configured by you first")
      yield* configure(given)
      assert.strictEqual((yield* complete()).json.choices[0].message.content, "hello")
    }))

  it.effect("gives its tools the secrets, and takes them out of what tools say", () =>
    Effect.gen(function*() {
      const { configure, invoke } = yield* world
      yield* configure(given)
      const used = (yield* invoke("call key {}\nthen\nresults")).json.result.raw_text as string
      assert.include(used, "12")
      assert.include(used, "Kiel")
      const leaked = (yield* invoke("call leak {}\nthen\nresults")).json.result.raw_text as string
      assert.include(leaked, "401 for ***")
      assert.notInclude(leaked, "a-secret-key")
    }))

  it.effect("shows a configuration without its secrets, to its user alone, until it is deleted", () =>
    Effect.gen(function*() {
      const { ask, configure } = yield* world
      assert.strictEqual((yield* ask("GET", "/agents/ada/config")).json.error.code, "config_not_found")
      yield* configure(given)
      const shown = yield* ask("GET", "/agents/ada/config")
      assert.deepInclude(shown.json, {
        instructions: "Always be short.",
        config_values: { city: "Kiel" },
        secrets: { api_key: "***" },
        setup_completed: true
      })
      assert.notInclude(shown.text, "a-secret-key")
      const other = yield* world
      assert.strictEqual((yield* other.ask("GET", "/agents/ada/config")).status, 404)
      assert.strictEqual((yield* other.ask("DELETE", "/agents/ada/config")).status, 404)
      // What is shown can be sent back.
      const { config_values, secrets } = shown.json
      assert.strictEqual((yield* configure({ ...config_values, ...secrets, city: "Bonn" })).status, 200)
      assert.deepStrictEqual((yield* ask("DELETE", "/agents/ada/config")).json, { deleted: true })
      assert.strictEqual((yield* ask("GET", "/agents/ada/config")).status, 404)
      assert.strictEqual((yield* ask("POST", "/agents/ada/invoke", { message: "say hello" })).status, 409)
    }))

  it.effect("says what is wrong with a configuration, and never its secrets", () =>
    Effect.gen(function*() {
      const { configure } = yield* world
      for (const body of [{ city: "Kiel" }, { ...given, city: "" }, { ...given, apikey: "a-secret-key" }]) {
        const refused = yield* configure(body)
        assert.deepStrictEqual([refused.status, refused.json.error.code], [422, "validation_failed"], refused.text)
        assert.notInclude(refused.text, "a-secret-key")
      }
    }))

  it.effect("is told apart from agents that ask for nothing", () =>
    Effect.gen(function*() {
      const { ask, configure } = yield* world
      assert.deepStrictEqual((yield* configure(given, "bob")).json.error.code, "not_personal_agent")
      assert.strictEqual((yield* ask("GET", "/agents/bob/setup-schema")).status, 400)
      assert.strictEqual((yield* ask("GET", "/agents/bob/config")).json.error.code, "config_not_found")
      assert.strictEqual((yield* configure(given, "nobody")).json.error.code, "agent_not_found")
    }))

  it.effect("asks again after a reload that asks for more", () =>
    Effect.gen(function*() {
      const { ask, configure, invoke } = yield* world
      yield* configure(given)
      write("agents/ada/AGENT.md", personal(", zip"))
      const { reload } = yield* Catalog
      yield* reload
      assert.strictEqual((yield* invoke("say hello")).json.error.code, "setup_required")
      assert.deepInclude((yield* ask("GET", "/agents/ada")).json, { setup_required: true })
      yield* configure({ ...given, api_key: "***", zip: "24103" })
      assert.strictEqual((yield* invoke("say hello")).json.result.output, "hello")
      write("agents/ada/AGENT.md", personal())
      yield* reload
    }))
})
