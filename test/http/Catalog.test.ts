/** Agents that the operator has defined, as tenants meet them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { env } from "node:process"
import { afterAll } from "vitest"
import type { UserId } from "../../src/domain/Ids.ts"
import type { Run } from "../../src/domain/Run.ts"
import { promptOf } from "../../src/layers/AgentRunner/Defined.ts"
import * as Files from "../../src/layers/Catalog/Files.ts"
import * as Folder from "../../src/layers/Catalog/Folder.ts"
import * as Host from "../../src/layers/Host.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Catalog } from "../../src/services/Catalog.ts"
import { eventually } from "../support/live.ts"
import { tenant } from "../support/openai.ts"
import * as TestHost from "../support/TestHost.ts"

const root = mkdtempSync(join(tmpdir(), "stoa-definitions-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const write = (path: string, text: string) => {
  mkdirSync(dirname(join(root, path)), { recursive: true })
  writeFileSync(join(root, path), text)
}

write("agents/AGENTS.md", "All are kind.")
write("agents/ada/AGENT.md", "---\ndescription: Counts\nmodel: demo/demo-script\n---\nYou are Ada, the first.")
write("agents/ada/context/numbers.md", "One is a number.")
write("agents/eve/AGENT.md", "---\nusers: [nobody]\n---\nYou are Eve.")
write("agents/off/AGENT.md", "---\nenabled: false\n---\nYou are off.")

write(
  "skills/sums/SKILL.md",
  "---\ndescription: Adds.\ntools: [adder, thrower, hanger, quitter, breaker, flooder, liar, looker]\n---\nAdd."
)
const tool = (id: string, code: string, front = "") => {
  write(`tools/${id}/TOOL.md`, `---\ndescription: A tool\n${front}---\n`)
  write(`tools/${id}/handler.mjs`, code)
}
tool(
  "adder",
  "export default ({ a, b }, { user_id }) => ({ sum: a + b, of: typeof user_id })",
  "parameters: { a: { type: number, required: true }, b: { type: number, required: true } }\n"
)
tool("thrower", "throw new Error('a secret')")
tool("hanger", "export default () => { for (;;); }", "timeout_seconds: 0.5\n")
tool("quitter", "export default () => process.exit(1)")
tool(
  "breaker",
  "export default () => { setTimeout(() => { throw new Error('a secret') }, 0); return new Promise(() => {}) }"
)
tool("flooder", "export default () => { for (;;) console.log('secret '.repeat(10_000)) }", "timeout_seconds: 2\n")
tool(
  "liar",
  "import { parentPort } from 'node:worker_threads'\nexport default () => { for (;;) parentPort.postMessage({ type: 'done', text: 7 }) }"
)
tool(
  "looker",
  "setInterval(() => {}, 1)\nexport default () => Object.keys(process.env).toSorted().join(' ')",
  "env: [CATALOG_TEST_ASKED, CATALOG_TEST_NONE]\n"
)
Object.assign(env, { STOA_TEST_SECRET: "secret", CATALOG_TEST_ASKED: "yes", CATALOG_TEST_SECRET: "secret" })
afterAll(() => ["STOA_TEST_SECRET", "CATALOG_TEST_ASKED", "CATALOG_TEST_SECRET"].forEach((name) => delete env[name]))
tool("asker", "export default () => 1")
write("tools/asker/TOOL.md", "---\ndescription: A tool\npermissions: { require_approval: true }\n---\n")
const waits = (words: number) => `---\nmodel: demo/demo-script\ntools: [asker]\n---\n${"word ".repeat(words)}`
write("agents/waiter/AGENT.md", waits(100))
write("agents/smith/AGENT.md", "---\nmodel: demo/demo-script\nskills: [sums]\n---\nYou use tools.")

const host = TestHost.layer({ host: Host.over(Host.memory, { catalog: Files.layer({ dir: root }) }) })

layer(host, { excludeTestServices: true })("An agent of the operator's", (it) => {
  const world = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const { user } = yield* tenant()
    const { json: { agents } } = yield* call("GET", "/agent", { user })
    const ada = agents.find(({ data }: { data: { name: string } }) => data.name === "ada")
    /** What its model was given, in words. */
    const words = Effect.gen(function*() {
      const body = { model: `agent/${ada.id}`, messages: [{ role: "user", content: "say hello" }] }
      const { json, status } = yield* call("POST", "/v1/chat/completions", { user, body })
      assert.strictEqual(status, 200, JSON.stringify(json))
      return json.usage.prompt_tokens as number
    })
    return { ada, agents, call, user, words }
  })

  it.effect("stands beside the tenant's own, for those who may see it, without its prompt", () =>
    Effect.gen(function*() {
      const { ada, agents, call, user } = yield* world
      const names = agents.map(({ data }: { data: { name: string } }) => data.name)
      assert.include(names, "ada")
      assert.notInclude(names, "eve")
      assert.notInclude(names, "off")
      assert.deepInclude(ada.data, { definition: "ada", description: "Counts", system_prompt: "" })
      assert.strictEqual(ada.editable, false)
      assert.strictEqual(ada.data.chat_model_config.model, "demo-script")
      const patched = yield* call("PATCH", `/agent/${ada.id}`, { user, body: { name: "mine" } })
      assert.deepStrictEqual([patched.status, patched.json.code], [409, "agent_defined"])
      assert.strictEqual((yield* call("DELETE", `/agent/${ada.id}`, { user })).status, 409)
      // Whoever has no credential for its model has none of its model either.
      const other = yield* call("GET", "/agent", { user: "without-credentials" })
      assert.strictEqual(other.json.agents[0].data.chat_model_config, null)
      assert.strictEqual((yield* call("GET", `/agent/${ada.id}`, { user: "without-credentials" })).status, 404)
    }))

  it.effect("answers in a session that names no model, with its own", () =>
    Effect.gen(function*() {
      const { ada, call, user } = yield* world
      const { json } = yield* call("POST", "/sessions", { user, body: { agent_id: ada.id } })
      const session_id = json.session_id ?? json.id
      const said = yield* call("POST", "/chat", {
        user,
        body: { agent_id: ada.id, session_id, input: { role: "user", name: "user", content: "say hello" } }
      })
      assert.isBelow(said.status, 300, said.text)
      yield* eventually(
        "it has answered",
        call("GET", `/sessions/${session_id}/messages?agent_id=${ada.id}`, { user }),
        ({ text }) => text.includes("\"text\":\"hello\"")
      )
    }))

  it.effect("is another one after a reload, and the same where the folder is broken", () =>
    Effect.gen(function*() {
      const { call, words } = yield* world
      const { issue } = yield* ApiKeys
      const { key } = yield* issue({ user_id: "operator" as UserId, name: "", scopes: ["admin"], expires_at: null })
      const reload = call("POST", "/admin/reload", { headers: { authorization: `Bearer ${key}` } })
      const told = (count: number) => `---\nmodel: demo/demo-script\n---\n${"word ".repeat(count)}`
      const first = yield* words
      write("agents/ada/AGENT.md", told(1_000))
      const { json, status } = yield* reload
      assert.strictEqual(status, 200, JSON.stringify(json))
      assert.deepInclude(json, { agents: 5, tools: 9, skills: 1 })
      const second = yield* words
      assert.isAbove(second, first + 900)
      write("agents/ada/AGENT.md", told(3_000).replace("model", "modle"))
      const broken = yield* reload
      assert.deepStrictEqual([broken.status, broken.json.code], [422, "definitions_refused"])
      assert.deepStrictEqual(broken.json.errors, [{
        path: "agents/ada/AGENT.md:2:8",
        message: "There is no field modle. Did you mean model?"
      }])
      assert.strictEqual(yield* words, second)
      write("agents/ada/AGENT.md", told(2_000))
      yield* reload
      assert.isAbove(yield* words, second + 900)
    }))

  it.effect("goes on behind a wait with what its run began with, whatever was read meanwhile", () =>
    Effect.gen(function*() {
      const { agents, call, user } = yield* world
      const { id: agent_id } = agents.find(({ data }: { data: { name: string } }) => data.name === "waiter")
      const { reload } = yield* Catalog
      const { json: made } = yield* call("POST", "/sessions", { user, body: { agent_id } })
      const { session_id } = made
      const send = (input: object) => call("POST", "/chat/async", { user, body: { agent_id, session_id, input } })
      const sent = yield* send({ role: "user", name: "user", content: "call asker {}\nthen\nsay done" })
      const run = Effect.map(call("GET", `/runs/${sent.json.run_id}`, { user }), ({ json }) => json)
      yield* eventually("it asks", run, ({ status }) => status === "awaiting_permission")
      write("agents/waiter/AGENT.md", waits(5_000))
      yield* reload
      const { json: log } = yield* call("GET", `/sessions/${session_id}/messages?agent_id=${agent_id}`, { user })
      const reply = log.messages.at(-1)
      const asked = reply.content.find(({ state }: { state: string }) => state === "asking")
      yield* send({
        type: "USER_CONFIRM_RESULT",
        reply_id: reply.id,
        confirm_results: [{ confirmed: true, tool_call: { id: asked.id } }]
      })
      const done = yield* eventually("it ends", run, ({ status }) => status === "ended")
      assert.strictEqual(done.finished_reason, "completed")
      const { json: { usage: [spent] } } = yield* call("GET", "/usage", { user })
      assert.strictEqual(spent.calls, 2)
      assert.isBelow(spent.input_tokens, 3_000)
    }))

  it("is told the layers of its prompt in the order that is documented", async () => {
    const { book } = await Folder.read(root)
    const run = { instructions: "Be quick.", source: "schedule" } as Run
    const text = promptOf(book.agents.get("ada")!, { ...book, revision: 1 }, run, Date.parse("2026-01-31T12:00:00Z"))
    const places = [
      "Today is 2026-01-31",
      "All are kind.",
      "word",
      "# Schedule Instructions",
      "# Reference Material",
      "One is"
    ]
      .map((part) => text.indexOf(part))
    assert.deepStrictEqual(places, places.toSorted((a, b) => a - b))
    assert.strictEqual(places[0], 0)
  })

  it.effect("calls the tools of its skills, of which none that throws, hangs or quits harms anything", () =>
    Effect.gen(function*() {
      const { call, user } = yield* world
      const ask = (content: string, name = "smith") =>
        Effect.map(
          call("POST", "/v1/chat/completions", {
            user,
            body: { model: `agent/${name}`, messages: [{ role: "user", content: `${content}\nthen\nresults` }] }
          }),
          ({ json }) => json.choices[0].message.content as string
        )
      assert.include(
        yield* ask("call adder {\"a\": 1, \"b\": 2}"),
        JSON.stringify("{\"sum\":3,\"of\":\"string\"}").slice(1, -1)
      )
      assert.include(yield* ask("call adder {\"a\": \"1\"}"), "Input validation failed")
      for (const name of ["thrower", "hanger", "quitter", "breaker", "flooder", "liar"]) {
        const text = yield* ask(`call ${name} {}`)
        assert.include(text, "The tool failed because of an internal error.")
        assert.notInclude(text, "secret")
      }
      assert.include(yield* ask("call adder {\"a\": 1, \"b\": 2}", "ada"), "ToolNotFoundError")
      const seen = yield* ask("call looker {}")
      assert.include(seen, "CATALOG_TEST_ASKED")
      assert.include(seen, "PATH")
      assert.notInclude(seen, "SECRET")
      assert.notInclude(seen, "STOA")
    }))

  it.effect("is found by its name in channels, and named where a tenant's own has that name too", () =>
    Effect.gen(function*() {
      const { call, user } = yield* world
      const body = { model: "agent/ada", messages: [{ role: "user", content: "say hello" }] }
      const ask = call("POST", "/v1/chat/completions", { user, body })
      const { json, status } = yield* ask
      assert.strictEqual(status, 200, JSON.stringify(json))
      assert.strictEqual(json.choices[0].message.content, "hello")
      yield* call("POST", "/agent", { user, body: { name: "ada" } })
      const clash = yield* ask
      assert.strictEqual(clash.json.error.code, "model_ambiguous")
    }))
})
