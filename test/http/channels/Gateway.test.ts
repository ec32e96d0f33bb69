/** Clients of the Agent Gateway: what they invoke, talk to, look at and stop. */
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { AgentId, RunId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import { Scheduler } from "../../../src/services/Scheduler.ts"
import { SessionHub } from "../../../src/services/SessionHub.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { Waker } from "../../../src/services/Waker.ts"
import { eventually } from "../../support/live.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

/** The frames of a stream, by their names. */
const framesIn = (text: string) =>
  text.split("\n\n").map((frame) => /^(?::[^\n]*\n)*event: (\w+)\ndata: ([^\n]*)$/.exec(frame)).filter((frame) =>
    frame !== null
  )
    .map(([, event, data]) => ({ event, data: JSON.parse(data!) }))

const client = (more: object = {}) =>
  Effect.gen(function*() {
    const { call, watch } = yield* Host
    const { agent_id, key, user } = yield* tenant(more)
    const headers = { authorization: `Bearer ${key}` }
    const ask = (method: string, path: string, body?: unknown, given: Readonly<Record<string, string>> = {}) =>
      call(method, `/v1${path}`, { headers: { ...headers, ...given }, ...body !== undefined && { body } })
    const invoke = (message: string, given: object = {}, headers: Readonly<Record<string, string>> = {}) =>
      ask("POST", `/agents/${agent_id}/invoke`, { message, ...given }, headers)
    const chat = (message: string, given: object = {}) => ask("POST", `/agents/${agent_id}/chat`, { message, ...given })
    const stream = (message: string, given: object = {}) =>
      watch("POST", `/v1/agents/${agent_id}/chat`, { headers, body: { message, ...given, options: { stream: true } } })
    const ended = (id: string) =>
      eventually(
        `execution ${id} ends`,
        Effect.map(ask("GET", `/executions/${id}`), ({ json }) => json),
        ({ status }) => status !== "queued" && status !== "running"
      )
    return { agent_id, ask, chat, ended, headers, invoke, stream, user }
  })

layer(TestHost.layer(), { excludeTestServices: true })("A client of the Agent Gateway", (it) => {
  it.effect("invokes an agent, and finds the execution again by the id in the body and in the header", () =>
    Effect.gen(function*() {
      const { agent_id, ask, invoke, user } = yield* client()
      const answer = yield* invoke("say Hello there")
      assert.strictEqual(answer.status, 200, answer.text)
      const { execution_id, result, status, usage } = answer.json
      assert.deepInclude(answer.json, { agent_id, status: "completed", error: null })
      assert.deepInclude(result, { output: "Hello there", raw_text: "Hello there", stop_reason: "completed" })
      assert.strictEqual(status, "completed")
      assert.strictEqual(usage.llm_calls, 1)
      assert.deepStrictEqual(usage.models_used, ["demo-script"])
      assert.strictEqual(answer.headers["x-execution-id"], execution_id)
      assert.match(answer.headers["x-request-duration-ms"]!, /^\d+$/)
      const found = yield* ask("GET", `/executions/${execution_id}`)
      assert.strictEqual(found.status, 200, found.text)
      assert.deepInclude(found.json, {
        execution_id,
        status: "completed",
        message: "say Hello there",
        input: {},
        root_execution_id: execution_id,
        parent_execution_id: null,
        delegation_depth: 0
      })
      assert.deepStrictEqual(found.json.result, result)
      assert.strictEqual(found.headers["x-execution-id"], execution_id)
      // It is a run, and nothing is stored twice.
      const { call } = yield* Host
      const native = (yield* call("GET", `/runs/${execution_id}`, { user })).json
      assert.deepInclude(native, { id: execution_id, source: "channel", source_id: "gateway" })
    }))

  it.effect("shows the agent an input before the message, and tells both apart afterwards", () =>
    Effect.gen(function*() {
      const { ask, invoke } = yield* client()
      const { json } = yield* invoke("say Done", { input: { city: "Kiel" } })
      const found = (yield* ask("GET", `/executions/${json.execution_id}`)).json
      assert.deepInclude(found, { message: "say Done", input: { city: "Kiel" } })
    }))

  it.effect("is answered with JSON of a schema, or told what is wrong with what came", () =>
    Effect.gen(function*() {
      const { invoke } = yield* client()
      const output_schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] }
      const good = (yield* invoke("say {\"city\":\"Kiel\"}", { options: { output_schema } })).json
      assert.deepStrictEqual(good.result.output, { city: "Kiel" }, JSON.stringify(good))
      const bad = (yield* invoke("say nothing", { options: { output_schema } })).json
      assert.deepInclude(bad, { status: "failed" })
      assert.isNull(bad.result.output)
      assert.strictEqual(bad.result.validation_errors.length, 1)
    }))

  it.effect("is told of a run that fails with 200, its status and a sentence", () =>
    Effect.gen(function*() {
      const { invoke } = yield* client()
      const answer = yield* invoke("fail invalid_request")
      assert.strictEqual(answer.status, 200, answer.text)
      assert.strictEqual(answer.json.status, "failed", answer.text)
      assert.isString(answer.json.error)
      assert.isNull(answer.json.result.output)
    }))

  it.effect("gets the status timeout where a run takes longer than it may", () =>
    Effect.gen(function*() {
      const { ended, invoke } = yield* client()
      const answer = (yield* invoke("sleep 30000", { options: { timeout_ms: 1_000 } })).json
      assert.deepInclude(answer, { status: "timeout" }, JSON.stringify(answer))
      assert.strictEqual(answer.result.stop_reason, "timeout")
      // One that nobody waits for has the same bound.
      const queued = (yield* invoke("sleep 30000", { options: { timeout_ms: 1_000, async: true } })).json
      assert.strictEqual((yield* ended(queued.execution_id)).status, "timeout")
    }))

  it.effect("leaves an execution alone and reads what came of it; the same key starts it once", () =>
    Effect.gen(function*() {
      const { ask, ended, invoke } = yield* client()
      const key = { "idempotency-key": "once" }
      const options = { async: true, output_schema: { type: "object", required: ["a"] } }
      const first = yield* invoke("say {\"a\":1}", { options }, key)
      assert.strictEqual(first.status, 202, first.text)
      const { execution_id, poll_url } = first.json
      assert.strictEqual(poll_url, `/v1/executions/${execution_id}`)
      assert.deepInclude(first.json, { status: "queued" })
      assert.strictEqual(first.headers["x-execution-id"], execution_id)
      assert.strictEqual((yield* invoke("say {\"a\":1}", { options }, key)).json.execution_id, execution_id)
      const done = yield* ended(execution_id)
      // What was asked for holds for it as well.
      assert.deepStrictEqual(done.result.output, { a: 1 }, JSON.stringify(done))
      assert.strictEqual((yield* ask("GET", "/executions")).json.length, 1)
      const streamed = yield* invoke("say no", { options: { async: true, stream: true } })
      assert.strictEqual(streamed.status, 400)
      assert.strictEqual(streamed.json.error.code, "streaming_not_supported")
    }))

  it.effect("has what fails for a reason that may pass sent again, a few times, and can cancel it in between", () =>
    Effect.gen(function*() {
      yield* Effect.forkScoped((yield* Waker).run)
      const { ask, invoke, user } = yield* client()
      const { call } = yield* Host
      const options = { async: true }
      const failing = (yield* invoke("fail rate_limit", { options })).json.execution_id
      const stays = (yield* invoke("fail invalid_request", { options })).json.execution_id
      const look = (id: string) => Effect.map(ask("GET", `/executions/${id}`), ({ json }) => json)
      const runs = Effect.map(call("GET", "/runs", { user }), ({ json }) => json.runs)
      yield* eventually(
        "it is sent again",
        runs,
        (all) => all.some(({ retried_from }: { retried_from?: string }) => retried_from === failing)
      )
      const stopped = yield* eventually(
        "its next run has failed as well",
        look(failing),
        ({ error, status }) => status === "queued" && error !== null
      )
      assert.isNull(stopped.completed_at)
      assert.strictEqual(stopped.root_execution_id, failing)
      assert.strictEqual((yield* ask("POST", `/executions/${failing}/cancel`)).json.status, "cancelled")
      assert.strictEqual((yield* look(failing)).status, "cancelled")
      assert.strictEqual((yield* ask("POST", `/executions/${failing}/cancel`)).status, 409)
      // What would fail again is not tried again.
      assert.strictEqual((yield* look(stays)).status, "failed")
      const again = (yield* runs).filter(({ retried_from }: { retried_from?: string }) => retried_from !== undefined)
      assert.isTrue(again.every(({ source_id }: { source_id: string }) => source_id === `gateway:${failing}`))
    }).pipe(Effect.scoped))

  it.effect("reads all that came of an execution for which somebody was asked elsewhere", () =>
    Effect.gen(function*() {
      const { agent_id, ask, ended, user } = yield* client()
      const { call } = yield* Host
      const [{ data: { chat_model_config } }] = (yield* call("GET", "/agent", { user })).json.agents
      const made = (yield* call("POST", "/sessions", { user, body: { agent_id } })).json
      const session_id = made.session_id ?? made.id
      const place = `/sessions/${session_id}`
      yield* call("PATCH", `${place}?agent_id=${agent_id}`, { user, body: { chat_model_config } })
      const tools = [{ name: "launch", description: "Launches", parameters: {}, effect: "write" }]
      const content = [{ type: "text", text: "say Before\ncall launch {}\nthen\nsay After" }]
      const send = (more: object) => call("POST", "/chat", { user, body: { agent_id, session_id, ...more } })
      yield* send({ tools, input: [{ role: "user", name: "user", content }] })
      const [{ execution_id, waiting_for }] = (yield* ask("GET", "/executions")).json
      assert.strictEqual(waiting_for, "permission")
      const { messages } = (yield* call("GET", `${place}/messages?agent_id=${agent_id}`, { user })).json
      const reply = messages.at(-1)
      const tool_call = reply.content.find(({ type }: { type: string }) => type === "tool_call")
      const confirm_results = [{ confirmed: false, tool_call, rules: null }]
      yield* send({ input: { type: "USER_CONFIRM_RESULT", reply_id: reply.id, confirm_results } })
      const { error, result, status } = yield* ended(execution_id)
      assert.deepStrictEqual([status, error], ["completed", null])
      assert.deepInclude(result, { raw_text: "Before\n\nAfter", stop_reason: "completed" })
    }))

  it.effect("cancels what runs and nothing that has ended", () =>
    Effect.gen(function*() {
      const { ask, invoke } = yield* client()
      const { execution_id } = (yield* invoke("sleep 30000", { options: { async: true } })).json
      const stopped = yield* ask("POST", `/executions/${execution_id}/cancel`)
      assert.deepStrictEqual([stopped.status, stopped.json.status], [200, "cancelled"], stopped.text)
      assert.strictEqual((yield* ask("GET", `/executions/${execution_id}`)).json.status, "cancelled")
      const again = yield* ask("POST", `/executions/${execution_id}/cancel`)
      assert.deepStrictEqual([again.status, again.json.error.code], [409, "invalid_state"])
      const unknown = yield* ask("POST", `/executions/${"0".repeat(32)}/cancel`)
      assert.deepStrictEqual([unknown.status, unknown.json.error.code], [404, "execution_not_found"])
    }))

  it.effect("talks in a session, which only its own agent answers in", () =>
    Effect.gen(function*() {
      const { agent_id, ask, chat } = yield* client()
      const first = yield* chat("say One")
      assert.strictEqual(first.status, 200, first.text)
      const { execution_id, session_id } = first.json
      assert.deepInclude(first.json, { agent_id, status: "completed", turn_count: 1 })
      assert.isNotEmpty(execution_id)
      const second = (yield* chat("say Two", { session_id })).json
      assert.deepInclude(second, { session_id, turn_count: 2 })
      const { call } = yield* Host
      const other = (yield* ask("GET", "/agents")).json[0]
      assert.strictEqual(other.id, agent_id)
      const missing = yield* chat("say no", { session_id: "0".repeat(32) })
      assert.deepStrictEqual([missing.status, missing.json.error.code], [404, "session_not_found"])
      const info = (yield* ask("GET", `/sessions/${session_id}`)).json
      assert.deepInclude(info, { session_id, agent_id, turn_count: 2, message_count: 4 })
      assert.isNumber(info.created_at)
      const list = (yield* ask("GET", `/sessions?agent_id=${agent_id}`)).json
      assert.deepStrictEqual(list.map((one: { session_id: string }) => one.session_id), [session_id])
      const said = (yield* ask("GET", `/users/me/conversations/${session_id}/messages?limit=2&offset=1`)).json
      assert.deepStrictEqual(
        said.map(({ content, role }: { content: string; role: string }) => [role, content]),
        [["assistant", "One"], ["user", "say Two"]]
      )
      assert.strictEqual((yield* ask("GET", "/users/me/conversations")).json[0].conversation_id, session_id)
      assert.deepStrictEqual((yield* ask("DELETE", `/sessions/${session_id}`)).json, { deleted: true })
      assert.strictEqual((yield* ask("GET", `/sessions/${session_id}`)).status, 404)
      assert.strictEqual((yield* chat("say no", { session_id })).status, 404)
      assert.strictEqual((yield* call("GET", "/v1/sessions", {})).json.error.code, "auth_required")
    }))

  it.effect("refuses another agent's session", () =>
    Effect.gen(function*() {
      const { ask, chat, user } = yield* client()
      const { call } = yield* Host
      const { session_id } = (yield* chat("say One")).json
      const [agent] = (yield* call("GET", "/agent", { user })).json.agents
      const { chat_model_config } = agent.data
      const made = (yield* call("POST", "/agent", { user, body: { name: "Other", chat_model_config } })).json
      const mixed = yield* ask("POST", `/agents/${made.agent_id}/chat`, { message: "say no", session_id })
      assert.deepStrictEqual([mixed.status, mixed.json.error.code], [409, "session_agent_mismatch"])
      // By its name, too.
      assert.strictEqual((yield* ask("POST", "/agents/Other/invoke", { message: "say Yes" })).json.status, "completed")
    }))

  it.effect("is streamed the session first, then words and tools, and the usage at the end", () =>
    Effect.gen(function*() {
      const { stream } = yield* client({ tools: ["Calculate"] })
      const watching = yield* stream("call Calculate {\"expression\":\"6*7\"}\nthen\nsay Done")
      const frames = framesIn(yield* watching.ended)
      const names = frames.map(({ event }) => event)
      assert.strictEqual(names[0], "session")
      assert.strictEqual(names.at(-1), "done")
      assert.includeMembers(names, ["tool_call", "tool_result", "token"])
      const { execution_id } = frames[0]!.data
      assert.strictEqual(watching.headers.get("x-execution-id"), execution_id)
      assert.deepInclude(frames.find(({ event }) => event === "tool_call")!.data, { name: "Calculate" })
      assert.include(frames.find(({ event }) => event === "tool_result")!.data.output, "42")
      const done = frames.at(-1)!.data
      assert.deepInclude(done, { status: "completed", turn_count: 1 })
      assert.deepInclude(done.usage, { tool_calls: 1, llm_calls: 2 })
      const failing = framesIn(yield* (yield* stream("fail invalid_request")).ended)
      assert.deepStrictEqual(failing.slice(-2).map(({ event }) => event), ["error", "done"])
      assert.strictEqual(failing.at(-1)!.data.status, "failed")
    }).pipe(Effect.scoped))

  it.effect("is told of an unknown session by the status, also where it streams", () =>
    Effect.gen(function*() {
      const { stream } = yield* client()
      const watching = yield* stream("say no", { session_id: "0".repeat(32) })
      assert.strictEqual(watching.status, 404)
      assert.include(yield* watching.ended, "session_not_found")
    }).pipe(Effect.scoped))

  it.effect("lists executions by what they belong to, and reads the tree with all costs rolled up", () =>
    Effect.gen(function*() {
      const { agent_id, ask, ended, invoke, user } = yield* client()
      const hub = yield* SessionHub
      const { sessions } = yield* Storage
      const root = (yield* invoke("say Root")).json
      const { session_id } = (yield* ask("GET", `/executions/${root.execution_id}`)).json
      const owner = user as UserId
      /** As an agent does that hands a part of its work to another. */
      const delegate = (parent: string, words: string) =>
        Effect.gen(function*() {
          const session = yield* sessions.get(owner, session_id)
          const { run_id } = yield* hub.send(
            owner,
            {
              agent_id: agent_id as AgentId,
              session_id: session.id as SessionId,
              input: { content: words, name: "user", role: "user", metadata: {} },
              on_busy: "enqueue",
              tools: []
            },
            undefined,
            { source: "agent", source_id: parent }
          )
          return (yield* ended(run_id)).execution_id as RunId
        })
      const child = yield* delegate(root.execution_id, "say Child")
      const grandchild = yield* delegate(child, "say Grandchild")
      const sibling = yield* delegate(root.execution_id, "say Sibling")
      for (const id of [root.execution_id, grandchild]) {
        const tree = (yield* ask("GET", `/executions/${id}/workflow`)).json
        assert.deepStrictEqual(
          tree.map((node: { execution_id: string }) => node.execution_id),
          [root.execution_id, child, sibling, grandchild]
        )
        assert.deepStrictEqual(
          tree.map((node: { delegation_depth: number }) => node.delegation_depth),
          [0, 1, 1, 2]
        )
        assert.strictEqual(tree[0].total_usage.llm_calls, 4)
        assert.strictEqual(tree[1].total_usage.llm_calls, 2)
        assert.strictEqual(tree[0].usage.llm_calls, 1)
        assert.strictEqual(
          tree[0].total_usage.output_tokens,
          tree.reduce((sum: number, node: { usage: { output_tokens: number } }) => sum + node.usage.output_tokens, 0)
        )
        assert.isTrue(tree.every((node: { root_execution_id: string }) => node.root_execution_id === root.execution_id))
      }
      const below = (yield* ask("GET", `/executions?root_execution_id=${root.execution_id}&limit=2`)).json
      assert.strictEqual(below.length, 2)
      yield* invoke("say Apart")
      const both = (yield* ask("GET", `/executions?agent_id=${agent_id}&session_id=${session_id}`)).json
      assert.strictEqual(both.length, 4)
      assert.strictEqual((yield* ask("GET", "/executions?agent_id=nobody")).json.length, 0)
      assert.strictEqual((yield* ask("GET", "/executions?limit=501")).status, 422)
    }))

  it.effect("sees agents without their prompts, tools, and what is wrong with a name", () =>
    Effect.gen(function*() {
      const { agent_id, ask } = yield* client({ system_prompt: "A secret prompt.", description: "Helps" })
      const list = yield* ask("GET", "/agents")
      assert.notInclude(list.text, "secret prompt")
      assert.deepInclude(list.json[0], {
        id: agent_id,
        display_name: "Ada",
        description: "Helps",
        model: "demo-script",
        enabled: true
      })
      assert.deepStrictEqual((yield* ask("GET", "/agents/Ada")).json, list.json[0])
      const missing = yield* ask("GET", "/agents/nobody")
      assert.deepStrictEqual([missing.status, missing.json.error.code], [404, "agent_not_found"])
      const tools = (yield* ask("GET", "/tools")).json
      assert.include(tools.map(({ name }: { name: string }) => name), "Calculate")
      const tool = (yield* ask("GET", "/tools/Calculate")).json
      assert.deepInclude(tool, { name: "Calculate", source: "code" })
      assert.isObject(tool.parameters.properties)
      assert.strictEqual((yield* ask("GET", "/tools/nothing")).status, 404)
      assert.deepStrictEqual((yield* ask("GET", "/skills")).json, [])
      const setup = yield* ask("GET", `/agents/${agent_id}/setup-schema`)
      assert.deepStrictEqual([setup.status, setup.json.error.code], [400, "not_personal_agent"])
      const config = yield* ask("GET", `/agents/${agent_id}/config`)
      assert.deepStrictEqual([config.status, config.json.error.code], [404, "config_not_found"])
    }))

  it.effect("has schedules made, paused, triggered and deleted, and gets the execution of a trigger", () =>
    Effect.gen(function*() {
      yield* Effect.forkScoped((yield* Scheduler).run)
      const { agent_id, ask, ended } = yield* client()
      const body = { agent_id, name: "daily", cron_expr: "0 9 * * *", message: "say Morning", input: { city: "Kiel" } }
      const made = yield* ask("POST", "/schedules", body)
      assert.strictEqual(made.status, 201, made.text)
      const { schedule_id } = made.json
      const twice = yield* ask("POST", "/schedules", body)
      assert.deepStrictEqual([twice.status, twice.json.error.code], [409, "schedule_conflict"])
      const bad = yield* ask("POST", "/schedules", { ...body, name: "bad", cron_expr: "not a cron" })
      assert.deepStrictEqual([bad.status, bad.json.error.code], [400, "schedule_validation_error"])
      const stray = yield* ask("POST", "/schedules", { ...body, agent_id: "nobody" })
      assert.deepStrictEqual([stray.status, stray.json.error.code], [404, "agent_not_found"])
      const shown = (yield* ask("GET", `/schedules/${schedule_id}`)).json
      assert.deepInclude(shown, {
        name: "daily",
        cron_expr: "0 9 * * *",
        timezone: "UTC",
        source: "admin",
        message: "say Morning",
        input: { city: "Kiel" },
        enabled: true
      })
      assert.strictEqual((yield* ask("POST", `/schedules/${schedule_id}/pause`)).json.status, "paused")
      assert.strictEqual((yield* ask("GET", "/schedules")).json[0].enabled, false)
      assert.strictEqual((yield* ask("POST", `/schedules/${schedule_id}/resume`)).json.status, "resumed")
      const triggered = yield* ask("POST", `/schedules/${schedule_id}/trigger`)
      assert.strictEqual(triggered.status, 202, triggered.text)
      assert.isNotNull(triggered.json.execution_id)
      const done = yield* ended(triggered.json.execution_id)
      assert.deepInclude(done, { status: "completed", source: "schedule" })
      assert.strictEqual((yield* ask("GET", "/agents/Ada")).json.schedules[0], "daily")
      assert.strictEqual((yield* ask("DELETE", `/schedules/${schedule_id}`)).json.status, "deleted")
      assert.strictEqual((yield* ask("GET", `/schedules/${schedule_id}`)).status, 404)
    }).pipe(Effect.scoped))

  it.effect("never reads a secret of an MCP server, and has none sent to another host", () =>
    Effect.gen(function*() {
      const { ask, user } = yield* client()
      const { mcpServers } = yield* Storage
      const body = {
        name: "search",
        transport: "streamable_http",
        url: "https://one.example/mcp?token=SECRET-1",
        headers: { "x-key": "SECRET-2" }
      }
      const made = yield* ask("POST", "/admin/mcp-servers", body)
      assert.strictEqual(made.status, 200, made.text)
      const { id } = made.json
      const place = `/admin/mcp-servers/${id}`
      assert.deepInclude(made.json, { name: "search", header_keys: ["x-key"], auth_type: "static_header" })
      for (const path of ["/admin/mcp-servers", place]) assert.notInclude((yield* ask("GET", path)).text, "SECRET")
      const twice = yield* ask("POST", "/admin/mcp-servers", body)
      assert.strictEqual(twice.status, 409)
      // Elsewhere they were not given for, whether the mask is sent along or the headers are left out.
      const elsewhere = "https://two.example/mcp"
      for (const change of [{ url: elsewhere }, { url: elsewhere, headers: { "x-key": "********" } }]) {
        const refused = yield* ask("PUT", place, change)
        assert.deepStrictEqual([refused.status, refused.json.error.code], [422, "secrets_masked"], refused.text)
      }
      const query = yield* ask("PUT", place, { url: "https://two.example/mcp?********", headers: {} })
      assert.strictEqual(query.json.error.code, "secrets_masked")
      // At the same host the mask stands for what is stored.
      const kept = yield* ask("PUT", place, { headers: { "x-key": "********", "x-more": "SECRET-3" }, enabled: false })
      assert.strictEqual(kept.status, 200, kept.text)
      assert.deepInclude(kept.json, { header_keys: ["x-key", "x-more"], enabled: false })
      const none = yield* ask("PUT", place, { headers: { "x-other": "********" } })
      assert.strictEqual(none.json.error.code, "secrets_masked")
      const moved = yield* ask("PUT", place, { url: elsewhere, headers: {} })
      assert.deepInclude(moved.json, { url: elsewhere, header_keys: [], auth_type: "none" }, moved.text)
      const stored = yield* Effect.option(mcpServers.get(user as UserId, id))
      assert.notInclude(JSON.stringify(Option.getOrNull(stored)), "SECRET")
      const mixed = yield* ask("POST", "/admin/mcp-servers", { name: "a", transport: "stdio", url: elsewhere })
      assert.strictEqual(mixed.status, 422)
      const program = yield* ask("POST", "/admin/mcp-servers", { name: "a", transport: "stdio", command: "node" })
      assert.strictEqual(program.status, 403, program.text)
      assert.deepStrictEqual((yield* ask("DELETE", place)).json, { deleted: true })
    }))

  it.effect("reads every failure in one envelope, whatever fails", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { agent_id, ask, headers, invoke } = yield* client()
      const path = `/v1/agents/${agent_id}/invoke`
      const answers = [
        yield* call("GET", "/v1/agents"),
        yield* call("GET", "/v1/agents", { headers: { authorization: "Bearer stoa_nothing" } }),
        yield* call("POST", path, { headers: { ...headers, "content-type": "application/json" }, text: "{" }),
        yield* call("POST", path, { headers: { ...headers, "content-type": "text/plain" }, text: "{}" }),
        yield* invoke(""),
        yield* ask("POST", `/agents/${agent_id}/invoke`, {}),
        yield* ask("GET", "/executions/x"),
        yield* ask("DELETE", "/agents"),
        yield* ask("POST", "/reload")
      ]
      assert.deepStrictEqual(answers.map(({ status }) => status), [401, 401, 400, 415, 422, 422, 404, 405, 403])
      for (const { json, text } of answers) {
        assert.deepStrictEqual(Object.keys(json).filter((name) => name !== "warnings"), ["error"], text)
        assert.isString(json.error.code, text)
        assert.isString(json.error.message, text)
        assert.isNull(json.error.execution_id, text)
      }
      assert.deepStrictEqual(answers.slice(0, 2).map(({ json }) => json.error.code), [
        "auth_required",
        "invalid_credentials"
      ])
      assert.strictEqual(answers[4]!.json.error.details[0].path, "message")
      const health = yield* call("GET", "/v1/health")
      assert.deepInclude(health.json, { status: "ok" })
    }))
})

layer(TestHost.layer({ onlyHealth: true }), { excludeTestServices: true })("A process that only works", (it) => {
  it.effect("says how it is, and answers nothing else", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      assert.strictEqual((yield* call("GET", "/health")).status, 200)
      assert.strictEqual((yield* call("GET", "/readiness")).status, 200)
      for (const path of ["/agent", "/v1/agents", "/docs"]) {
        const refused = yield* call("GET", path, { user: "ada" })
        assert.strictEqual(refused.status, 404, path)
        assert.include(refused.text, "worker_only")
      }
    }))
})
