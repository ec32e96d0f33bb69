/** Agents elsewhere as tools of agents here, by HTTP: here they are agents of another user of the same server. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { textOf } from "../../../src/domain/MessageText.ts"
import { SessionHub } from "../../../src/services/SessionHub.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { say } from "../../support/hub.ts"
import { tenant } from "../../support/openai.ts"
import { patience } from "../../support/Patience.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Door } = TestHost

const cardOf = (url: string, agent: string) => `${url}/a2a/agents/${agent}/.well-known/agent-card.json`

interface Told {
  readonly name: string
  readonly state: string
  readonly output: string
}

/** A session in which nobody is asked. */
const allowing = ({ agent_id, credential_id, user }: Effect.Effect.Success<ReturnType<typeof tenant>>) =>
  Effect.gen(function*() {
    const { call } = yield* Door
    const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
    const made = yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })
    const { session_id } = made.json
    yield* call("PATCH", `/sessions/${session_id}`, { user, body: { permission_mode: "bypass" } })
    return yield* Effect.flatMap(Storage, ({ sessions }) => sessions.get(user, session_id))
  })

/** Somebody whose agent may call the agent of somebody else. */
const acquainted = (other: object = {}) =>
  Effect.gen(function*() {
    const { call, url } = yield* Door
    const grace = yield* tenant({ name: "Grace", description: "Knows it all", ...other })
    const ada = yield* tenant({ tools: ["a2a"] })
    const { user } = ada
    const headers = { authorization: `Bearer ${grace.key}` }
    const made = yield* call("POST", "/a2a/registry", {
      user,
      body: { url: cardOf(url, grace.agent_id), headers }
    })
    assert.strictEqual(made.status, 201, made.text)
    const session = yield* allowing(ada)
    /** What the tool has told. */
    const asking = (args: object) =>
      Effect.gen(function*() {
        const { run_id, seq } = yield* say(session, `call a2a__Grace ${JSON.stringify(args)}\nthen\nresults`)
        const { content } = yield* Effect.flatMap(SessionHub, (hub) => hub.reply(session, run_id, seq))
        const results: ReadonlyArray<Told> = JSON.parse(textOf(content))
        return results
      })
    return { asking, call, grace, made: made.json, user, url }
  })

layer(TestHost.layer(), { excludeTestServices: true, timeout: patience(60_000) })("Agents elsewhere", (it) => {
  it.scoped("are named by the address of their card, shown without secrets, called as tools, and forgotten", () =>
    Effect.gen(function*() {
      const { asking, call, grace, made, user } = yield* acquainted()
      assert.deepInclude(made, { name: "Grace", tool: "a2a__Grace", title: "Grace", description: "Knows it all" })
      const listed = yield* call("GET", "/a2a/registry", { user })
      assert.deepStrictEqual(listed.json, { agents: [made] })
      assert.notInclude(listed.text, grace.key)
      const [first] = yield* asking({ message: "say Hello, Ada" })
      assert.deepStrictEqual(first, { name: "a2a__Grace", state: "success", output: "Hello, Ada" })
      const { tasks } = (yield* call("GET", "/a2a/tasks", { user: grace.user, headers: { "a2a-version": "1.0" } })).json
      assert.strictEqual(tasks.length, 1)
      assert.strictEqual((yield* call("DELETE", `/a2a/registry/${made.id}`, { user })).status, 204)
      assert.deepStrictEqual((yield* call("GET", "/a2a/registry", { user })).json, { agents: [] })
      const [gone] = yield* asking({ message: "say Hello" })
      assert.strictEqual(gone?.state, "error")
    }))

  it.scoped("ask for a permission there, and are answered by the next call", () =>
    Effect.gen(function*() {
      const { asking } = yield* acquainted({
        client_tools: [{ name: "pay", effect: "write", parameters: { type: "object", properties: {} } }]
      })
      const [question] = yield* asking({ message: "call pay {}\nthen\nresults" })
      assert.include(question?.output, "May the agent use pay?")
      const [, id] = /task_id "([^"]+)"/.exec(question?.output ?? "") ?? []
      const [answer] = yield* asking({ message: "deny", task_id: id })
      assert.include(answer?.output, "The user did not allow this call.")
    }))

  it.scoped("are not named twice, nor where their card is none, nor by an address that may not be reached", () =>
    Effect.gen(function*() {
      const { call, grace, made, url, user } = yield* acquainted()
      const add = (body: object) => call("POST", "/a2a/registry", { user, body })
      assert.strictEqual((yield* add({ url: cardOf(url, grace.agent_id), headers: {}, name: "Grace" })).status, 409)
      const [unauthorized, noCard, inner, wrong, header] = yield* Effect.forEach([
        { url: cardOf(url, grace.agent_id), name: "other", headers: { authorization: "Bearer stoa_wrong" } },
        { url: `${url}/health`, name: "other" },
        { url: "http://10.0.0.1/", name: "other" },
        { url: "ftp://example.com", name: "other" },
        { url, name: "other", headers: { Host: "example.com" } }
      ], add)
      assert.include(unauthorized?.json.error.message, "HTTP 401")
      assert.include(noCard?.json.error.message, "no card of A2A 1.0")
      assert.include(inner?.json.error.message, "may not be reached")
      for (const refused of [unauthorized, noCard, inner, wrong, header]) assert.strictEqual(refused?.status, 400)
      assert.deepStrictEqual((yield* call("GET", "/a2a/registry", { user })).json.agents, [made])
    }))

  it.scoped("that call each other in a circle come to an end", () =>
    Effect.gen(function*() {
      const { call, url } = yield* Door
      const echo = yield* tenant({ name: "Echo", tools: ["a2a__Echo"] })
      const { agent_id, key, user } = echo
      const headers = { authorization: `Bearer ${key}` }
      yield* call("POST", "/a2a/registry", { user, body: { url: cardOf(url, agent_id), headers } })
      /** Each asks the next one, and tells what it has said. */
      const script = (depth: number): string =>
        depth === 0 ? "say never" : `call a2a__Echo ${JSON.stringify({ message: script(depth - 1) })}\nthen\nresults`
      const { runs, sessions } = yield* Storage
      const hub = yield* SessionHub
      const first = yield* allowing(echo)
      const all = { limit: 20, cursor: undefined }
      const round = Effect.gen(function*() {
        const { run_id, seq } = yield* say(first, script(8))
        const { content } = yield* hub.reply(first, run_id, seq)
        const begun = (yield* sessions.list(user, all)).items
        return { text: textOf(content), many: begun.length, begun }
      })
      let told = yield* round
      assert.include(told.text, "May the agent use a2a__Echo?")
      // Each round somebody allows the sessions that there are everything, and there is one more of them.
      while (told.text.includes("May the agent use") && told.many < 10) {
        for (const { id } of told.begun) {
          yield* call("PATCH", `/sessions/${id}`, { user, body: { permission_mode: "bypass" } })
        }
        const { items } = yield* runs.list(user, all, { status: "awaiting_permission" })
        for (const { id } of items) {
          yield* call("POST", `/a2a/tasks/${id}:cancel`, { user, headers: { "a2a-version": "1.0" } })
        }
        told = yield* round
      }
      assert.include(told.text, "from server to server 4 times already")
      assert.strictEqual(told.many, 5)
    }))
})
