/** MCP servers over HTTP, in the shapes that clients of the Agent Service read and send. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { atAddress } from "../support/mcp/Address.ts"
import { host, programOf } from "../support/mcp/Servers.ts"
import { tenant } from "../support/mcp/Tenant.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

/** A user with a session, and calls about its workspace. */
const someone = Effect.gen(function*() {
  const { call } = yield* Door
  const { agent_id, chat, session_id, user } = yield* tenant
  const about = (method: string, path = "", more: TestHost.Call = {}) =>
    call(method, `/workspace/mcp${path}?agent_id=${agent_id}&session_id=${session_id}`, { user, ...more })
  return { user, agent_id, session_id, about, chat }
})

const http = (url: string, headers: Record<string, string> | null = null) => ({
  name: "notes",
  is_stateful: false,
  mcp_config: { type: "http_mcp", url, headers, timeout: null }
})

const secret = "sk-very-secret-0123456789"

layer(TestHost.layer({ host }), { timeout: patience(60_000), excludeTestServices: true })("MCP over HTTP", (it) => {
  it.scoped("adds, lists and removes servers of a workspace as the Agent Service does, and agents have their tools", () =>
    Effect.gen(function*() {
      const { about, chat } = yield* someone
      const { url } = yield* atAddress("good", secret)
      assert.deepStrictEqual((yield* about("GET")).json, [])
      const added = yield* about("POST", "", { body: http(url, { Authorization: `Bearer ${secret}` }) })
      assert.deepStrictEqual([added.status, added.text], [201, "null"])
      const listed = yield* about("GET")
      const [server, ...more] = listed.json
      assert.deepStrictEqual(more, [])
      const { changes, disable_tools, enable_tools, error, execution_timeout, library_id, tools, ...of200 } = server
      assert.deepStrictEqual(of200, {
        name: "notes",
        is_stateful: false,
        mcp_config: { type: "http_mcp", url, headers: { Authorization: "********" }, timeout: null },
        is_healthy: true,
        authorization: null
      })
      assert.deepStrictEqual(tools[0], { name: "echo", description: "Says the text again." })
      assert.deepStrictEqual([changes, disable_tools, enable_tools, error, execution_timeout, library_id], [
        [],
        null,
        null,
        null,
        null,
        null
      ])
      assert.notInclude(listed.text, secret)
      const said = yield* chat("call mcp__notes__secret {}\nthen\ncall mcp__notes__echo {\"text\":\"hello\"}")
      assert.include(said.text, "hello")
      assert.notInclude(said.text, secret)
      const again = yield* about("POST", "", { body: http(url, { Authorization: `Bearer ${secret}` }) })
      assert.deepStrictEqual([again.status, again.json.code], [409, "mcp_server_exists"])
      for (let n = 0; n < 2; n++) assert.strictEqual((yield* about("DELETE", "/notes")).status, 204)
      assert.deepStrictEqual((yield* about("GET")).json, [])
    }))

  it.scoped("refuses what is wrong, and says why without telling secrets", () =>
    Effect.gen(function*() {
      const { about } = yield* someone
      const { url } = yield* atAddress("good", secret)
      const post = (body: unknown) =>
        Effect.map(about("POST", "", { body }), ({ json, status, text }) => {
          assert.notInclude(text, secret)
          return [status, json.code]
        })
      assert.deepStrictEqual(yield* post(http(url, { Authorization: `Bearer ${secret}x` })), [502, "mcp_auth"])
      assert.deepStrictEqual(yield* post(http("http://127.0.0.1:1/mcp")), [502, "mcp_connection"])
      assert.deepStrictEqual(yield* post(http(`http://169.254.169.254/${secret}`)), [502, "mcp_config"])
      assert.deepStrictEqual(yield* post(http(`ftp://${secret}/`)), [422, "invalid"])
      const { mcp_config } = programOf("x")
      assert.deepStrictEqual(yield* post({ name: "x", is_stateful: false, mcp_config }), [422, "invalid"])
      assert.deepStrictEqual(yield* post({ name: "x", is_stateful: true, mcp_config }), [403, "forbidden"])
      assert.deepStrictEqual(yield* post({ ...http(url), name: "a/b" }), [422, "invalid"])
    }))

  it.scoped("lets an admin's key run a program for a tenant's session", () =>
    Effect.gen(function*() {
      const { about, session_id, user } = yield* someone
      const { call } = yield* Door
      const { key } = yield* (yield* ApiKeys).issue({
        user_id: "operator" as UserId,
        name: "",
        scopes: ["read", "write", "admin"],
        expires_at: null
      })
      const body = programOf("local", [], { SECRET_TOKEN: secret })
      const headers = { authorization: `Bearer ${key}`, "x-user-id": user }
      const added = yield* call("POST", `/workspace/mcp?session_id=${session_id}`, { body, headers })
      assert.strictEqual(added.status, 201, added.text)
      const { json, text } = yield* about("GET")
      assert.deepInclude(json[0].mcp_config, { type: "stdio_mcp", env: { SECRET_TOKEN: "********" } })
      assert.notInclude(text, secret)
    }))

  it.scoped("shows what has changed of a tool, and enables it when that is approved", () =>
    Effect.gen(function*() {
      const { about, chat } = yield* someone
      const { url } = yield* atAddress()
      yield* about("POST", "", { body: http(url) })
      yield* chat("call mcp__notes__morph {}")
      const { json: server } = yield* about("POST", "/notes/refresh")
      const [change] = server.changes
      assert.deepInclude(change, { name: "echo", change: "changed" })
      assert.notInclude(server.tools.map(({ name }: { name: string }) => name), "echo")
      const approved = yield* about("POST", "/notes/approve", { body: { tools: { echo: change.after.digest } } })
      assert.deepStrictEqual(approved.json.changes, [])
      assert.include((yield* chat("call mcp__notes__echo {\"text\":\"hello\"}")).text, "hello")
      assert.strictEqual((yield* about("POST", "/nothing/refresh")).status, 404)
    }))

  it.scoped("keeps a library, from which servers go into workspaces", () =>
    Effect.gen(function*() {
      const { about, user } = yield* someone
      const { call } = yield* Door
      const { url } = yield* atAddress("good", secret)
      assert.deepStrictEqual((yield* call("GET", "/mcp", { user })).json, [])
      const body = { ...http(url, { Authorization: `Bearer ${secret}` }), display_name: "Notes", tags: ["text"] }
      const added = yield* call("POST", "/mcp/servers", { user, body })
      assert.strictEqual(added.status, 201, added.text)
      const { id } = added.json
      const listed = yield* call("GET", "/mcp", { user })
      assert.deepStrictEqual(listed.json, [{
        id,
        name: "notes",
        is_stateful: false,
        enabled: true,
        display_name: "Notes",
        description: "",
        tags: ["text"],
        author: null,
        icon_url: null,
        url: null,
        hub_id: null,
        card_id: null,
        version: null,
        shared: false,
        editable: true,
        authorization: null,
        mcp_config: { type: "http_mcp", url, headers: { Authorization: "********" }, timeout: null }
      }])
      assert.deepStrictEqual((yield* call("GET", "/mcp", { user: "nobody" })).json, [])
      const tested = yield* call("POST", `/mcp/${id}/test`, { user })
      assert.deepInclude(tested.json, { success: true, error: null, error_code: null })
      const put = yield* about("POST", "/from-library", { body: { mcp_ids: [id, "0"] } })
      assert.deepStrictEqual([put.status, put.json], [201, {
        added: ["notes"],
        failed: { 0: "MCP server '0' not found." }
      }])
      const changed = yield* call("PATCH", `/mcp/${id}`, { user, body: { values: { Authorization: "Bearer x" } } })
      assert.strictEqual(changed.status, 200, changed.text)
      assert.deepInclude((yield* call("POST", `/mcp/${id}/test`, { user })).json, { error_code: "auth_error" })
      assert.strictEqual((yield* call("PATCH", `/mcp/${id}`, { user, body: { values: { Other: "x" } } })).status, 422)
      assert.strictEqual((yield* call("DELETE", `/mcp/${id}`, { user })).status, 204)
      assert.deepInclude((yield* about("GET")).json[0], { is_healthy: false, mcp_config: null })
      for (const { text } of [added, listed, tested, put, changed]) assert.notInclude(text, secret)
    }))
})
