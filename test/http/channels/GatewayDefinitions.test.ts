/** Agents of the operator's files, as clients of the Agent Gateway meet them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { afterAll } from "vitest"
import type { UserId } from "../../../src/domain/Ids.ts"
import * as Files from "../../../src/layers/Catalog/Files.ts"
import * as Hosts from "../../../src/layers/Host.ts"
import { ApiKeys } from "../../../src/services/ApiKeys.ts"
import { Catalog } from "../../../src/services/Catalog.ts"
import { Scheduler } from "../../../src/services/Scheduler.ts"
import { eventually } from "../../support/live.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const root = mkdtempSync(join(tmpdir(), "stoa-gateway-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

write(
  "agents/ada/AGENT.md",
  `---
model: demo/demo-script
display_name: Ada L.
tags: [sums]
version: 1.5
skills: [adding]
input_schema:
  type: object
  required: [a]
  properties: { a: { $ref: "#/$defs/number" } }
  $defs: { number: { type: number } }
output_schema: { type: object, required: [sum], properties: { sum: { type: number } } }
---
You are Ada.`
)
write("agents/ada/context/facts.md", "One is a number.")
write("agents/bob/AGENT.md", "---\nmodel: demo/demo-script\nexecution_mode: async\n---\nYou are Bob.")
write(
  "agents/eve/AGENT.md",
  "---\nusers: [nobody]\nskills: [secret]\ninput_schema: { type: object }\n---\nYou are Eve."
)
write(
  "skills/adding/SKILL.md",
  "---\ndescription: Adds.\ntools: [adder]\nsteps: [{ name: add, tool: adder }]\n---\nAdd."
)
write("skills/secret/SKILL.md", "---\ndescription: Hides.\ntools: [hider]\n---\nHide.")
for (const name of ["adder", "hider"]) {
  write(`tools/${name}/TOOL.md`, "---\ndescription: A tool\nparameters: { a: { type: number } }\n---\n")
  write(`tools/${name}/handler.mjs`, "export default () => 1")
}

const registered = { output_schema: { type: "object", required: ["total"], properties: { total: { type: "number" } } } }
const host = TestHost.layer({
  host: Hosts.over(Hosts.memory, { catalog: Files.layer({ dir: root, schemas: { bob: registered } }) })
})

layer(host, { excludeTestServices: true })("An agent with schemas", (it) => {
  const client = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const { key, user } = yield* tenant()
    const headers = { authorization: `Bearer ${key}` }
    const ask = (method: string, path: string, body?: unknown) =>
      call(method, `/v1${path}`, { headers, ...body !== undefined && { body } })
    const invoke = (name: string, given: object) => ask("POST", `/agents/${name}/invoke`, given)
    return { ask, call, invoke, user }
  })

  it.effect("is shown with what its file says, and its tools and skills beside it", () =>
    Effect.gen(function*() {
      const { ask } = yield* client
      const { json: ada } = yield* ask("GET", "/agents/ada")
      assert.deepInclude(ada, {
        display_name: "Ada L.",
        tags: ["sums"],
        version: "1.5",
        skills: ["adding"],
        execution_mode: "sync",
        context_file_count: 1
      })
      assert.include(ada.tools, "adder")
      assert.notInclude(ada.tools, "hider")
      assert.deepStrictEqual(ada.input_schema.required, ["a"])
      assert.deepStrictEqual(ada.output_schema.required, ["sum"])
      const { json: tools } = yield* ask("GET", "/tools")
      const adder = tools.find(({ name }: { name: string }) => name === "adder")
      assert.deepInclude(adder, { source: "file", description: "A tool" })
      assert.notInclude(JSON.stringify(tools), "hider")
      assert.deepStrictEqual((yield* ask("GET", "/skills")).json, [
        { id: "adding", name: "adding", description: "Adds.", tools: ["adder"], has_workflow: true, step_count: 1 }
      ])
      assert.strictEqual((yield* ask("GET", "/skills/secret")).status, 404)
    }))

  it.effect("takes no input of another schema, and stores nothing of it", () =>
    Effect.gen(function*() {
      const { ask, invoke } = yield* client
      for (const input of [{ a: "one" }, {}, undefined]) {
        const { json, status } = yield* invoke("ada", { message: "say {\"sum\": 3}", input })
        assert.deepStrictEqual([status, json.error.code], [422, "input_validation_failed"])
        assert.strictEqual(json.error.details[0].path, "input")
      }
      const said = yield* ask("POST", "/agents/ada/chat", { message: "say hello", input: { a: "one" } })
      assert.strictEqual(said.status, 422)
      assert.deepStrictEqual((yield* ask("GET", "/executions")).json, [])
      assert.strictEqual((yield* ask("POST", "/agents/ada/chat", { message: "say hello" })).status, 200)
    }))

  it.effect("answers with JSON of the call's schema, else the program's, else its file's", () =>
    Effect.gen(function*() {
      const { invoke } = yield* client
      const call = { type: "object", required: ["own"], properties: { own: { type: "number" } } }
      const ada = { input: { a: 1 } }
      const byFile = yield* invoke("ada", { ...ada, message: "say {\"sum\": 3}" })
      assert.deepStrictEqual(byFile.json.result.output, { sum: 3 }, byFile.text)
      const byCall = yield* invoke("ada", { ...ada, message: "say {\"own\": 4}", options: { output_schema: call } })
      assert.deepStrictEqual(byCall.json.result.output, { own: 4 }, byCall.text)
      const byCode = yield* invoke("bob", { message: "say {\"total\": 5}", options: { async: false } })
      assert.deepStrictEqual(byCode.json.result.output, { total: 5 }, byCode.text)
      const wrong = yield* invoke("bob", { message: "say {\"sum\": 5}", options: { async: false } })
      assert.strictEqual(wrong.json.status, "failed")
    }))

  it.effect("is asynchronous where its file says so and the call says nothing", () =>
    Effect.gen(function*() {
      const { invoke } = yield* client
      assert.strictEqual((yield* invoke("bob", { message: "say {\"total\": 5}" })).status, 202)
    }))

  it.effect("has a path of its own in the document of those who have it", () =>
    Effect.gen(function*() {
      const { ask, call } = yield* client
      const { json, status } = yield* ask("GET", "/openapi.json")
      assert.strictEqual(status, 200)
      const { post } = json.paths["/v1/agents/ada/invoke"]
      const { schemas } = json.components
      const named = (ref: string) => schemas[ref.replace("#/components/schemas/", "")]
      const request = named(post.requestBody.content["application/json"].schema.$ref)
      assert.deepStrictEqual(request.required, ["message", "input"])
      assert.deepStrictEqual(
        named(request.properties.input.$ref).properties.a.$ref,
        "#/components/schemas/Input_ada/$defs/number"
      )
      const response = named(post.responses[200].content["application/json"].schema.$ref)
      const result = named(response.properties.result.anyOf[0].$ref)
      assert.deepStrictEqual(named(result.properties.output.anyOf[0].$ref).required, ["sum"])
      assert.notProperty(json.paths, "/v1/agents/eve/invoke")
      assert.notProperty(schemas, "Input_eve")
      assert.isUndefined((yield* call("GET", "/docs/gateway.json")).json.paths["/v1/agents/ada/invoke"])
      assert.property(json.paths, "/v1/agents/{agent_id}/invoke")
    }))

  it.scoped("has schedules of its file, which are paused and triggered here, and never deleted", () =>
    Effect.gen(function*() {
      const scheduler = yield* Scheduler
      yield* Effect.forkScoped(scheduler.run)
      const { ask, user } = yield* client
      write(
        "agents/dan/AGENT.md",
        "---\nmodel: demo/demo-script\nschedules: [{ name: daily, cron: \"0 9 * * *\", message: say Morning, "
          + `input: { city: Kiel }, instructions: Be brief., users: [${user}] }]\n---\nYou are Dan.`
      )
      yield* (yield* Catalog).reload
      const [listed] = yield* eventually(
        "it is there",
        Effect.map(ask("GET", "/schedules"), ({ json }) => json),
        ({ length }) => length === 1
      )
      assert.deepInclude(listed, {
        id: "dan:daily",
        name: "daily",
        source: "workspace",
        enabled: true,
        timezone: "UTC"
      })
      const shown = yield* ask("GET", "/schedules/dan:daily")
      assert.deepInclude(shown.json, { message: "say Morning", instructions: "Be brief.", input: { city: "Kiel" } })
      assert.deepStrictEqual((yield* ask("GET", "/agents/dan")).json.schedules, ["daily"])
      const deleted = yield* ask("DELETE", "/schedules/dan:daily")
      assert.deepStrictEqual([deleted.status, deleted.json.error.code], [400, "cannot_delete_workspace_schedule"])
      assert.strictEqual((yield* ask("POST", "/schedules/dan:daily/pause")).json.status, "paused")
      assert.strictEqual((yield* ask("GET", "/schedules/dan:daily")).json.enabled, false)
      const triggered = yield* ask("POST", "/schedules/dan:daily/trigger")
      assert.strictEqual(triggered.status, 202, triggered.text)
      const done = yield* eventually(
        "it has ended",
        Effect.map(ask("GET", `/executions/${triggered.json.execution_id}`), ({ json }) => json),
        ({ status }) => status === "completed"
      )
      assert.match(done.result.raw_text, /^Morning/)
      assert.strictEqual((yield* ask("POST", "/schedules/dan:daily/resume")).json.status, "resumed")
      // Another tenant has none, under either of its names.
      const { ask: foreign } = yield* client
      const { id } = (yield* scheduler.list(user, { limit: 10, cursor: undefined })).items[0]!
      for (const name of ["dan:daily", id]) {
        assert.strictEqual((yield* foreign("GET", `/schedules/${name}`)).status, 404)
      }
      rmSync(join(root, "agents/dan"), { recursive: true })
      yield* (yield* Catalog).reload
      yield* eventually(
        "it is gone",
        Effect.map(ask("GET", "/schedules"), ({ json }) => json),
        ({ length }) => length === 0
      )
      assert.strictEqual((yield* ask("GET", "/schedules/dan:daily")).status, 404)
    }))

  it.effect("is another one after a reload, for which a key needs the scope admin", () =>
    Effect.gen(function*() {
      const { ask, call } = yield* client
      assert.strictEqual((yield* ask("POST", "/reload")).status, 403)
      const { key } = yield* (yield* ApiKeys).issue({
        user_id: "operator" as UserId,
        name: "",
        scopes: ["admin"],
        expires_at: null
      })
      const reload = call("POST", "/v1/reload", { headers: { authorization: `Bearer ${key}` } })
      write("agents/cay/AGENT.md", "---\nmodel: demo/demo-script\ninput_schema: { type: object }\n---\nYou are Cay.")
      assert.deepInclude((yield* reload).json, { status: "ok", agents: 4, tools: 2, skills: 2 })
      assert.property((yield* ask("GET", "/openapi.json")).json.paths, "/v1/agents/cay/invoke")
      write("agents/cay/AGENT.md", "---\nmodle: demo/demo-script\n---\nYou are Cay.")
      const broken = yield* reload
      assert.deepStrictEqual([broken.status, broken.json.error.code], [422, "definitions_refused"])
      assert.strictEqual(broken.json.error.details[0].path, "agents/cay/AGENT.md:2:8")
    }))
})
