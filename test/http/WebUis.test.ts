/**
 * The calls of the Agent Service's two web UIs, in the order in which they were
 * recorded, with what each page reads of an answer. Calls that come with later
 * parts of the server are answered with a sentence that a page can show.
 */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { atAddress } from "../support/mcp/Address.ts"
import * as TestHost from "../support/TestHost.ts"
import { eventsIn, origin, page, text } from "../support/webui.ts"

layer(TestHost.layer(), { excludeTestServices: true })("A web UI", (it) => {
  describe("of 2.0.0", () => {
    it.effect("gets what its pages need, from an empty server to an answer and a reload", () =>
      Effect.gen(function*() {
        const { ask, send } = yield* page()
        // The page of credentials.
        assert.deepStrictEqual(yield* ask("GET", "/credential/"), { credentials: [], total: 0, next_cursor: null })
        const { schemas } = yield* ask("GET", "/credential/schemas")
        const [type] = schemas.map(({ properties }: { properties: { type: { const: string } } }) =>
          properties.type.const
        )
        assert.strictEqual(type, "demo_credential")
        const { credential_id } = yield* ask("POST", "/credential/", { data: { type, name: "", max_concurrency: "4" } })
        const [credential] = (yield* ask("GET", "/credential/")).credentials
        assert.deepInclude(credential.data, { type, name: "Demo", max_concurrency: 4 })
        yield* ask("PATCH", `/credential/${credential_id}`, { data: { ...credential.data, name: "Mine" } })
        // The page of agents.
        const { agent_id } = yield* ask("POST", "/agent/", {
          name: "Friday",
          system_prompt: "You are helpful.",
          context_config: { trigger_ratio: 0.8, reserve_ratio: 0.1, tool_result_limit: 3000 },
          react_config: { max_iters: 20, stop_on_reject: false }
        })
        const { agents } = yield* ask("GET", "/agent/")
        assert.strictEqual(agents[0].id, agent_id)
        yield* ask("PATCH", `/agent/${agent_id}`, { name: "Saturday" })
        // The page of a chat.
        const { models } = yield* ask("GET", `/model/?provider=${type}`)
        const model = models.find(({ name }: { name: string }) => name === "demo-script")
        for (const field of ["label", "status", "input_types", "context_size", "parameter_schema"]) {
          assert.property(model, field)
        }
        const { session_id } = yield* ask("POST", "/sessions/", { agent_id })
        const chat_model_config = { type, credential_id, model: "demo-script", parameters: {} }
        const record = yield* ask("PATCH", `/sessions/${session_id}?agent_id=${agent_id}`, { chat_model_config })
        assert.deepStrictEqual(record.config.chat_model_config, chat_model_config)
        const [listed] = (yield* ask("GET", `/sessions/?agent_id=${agent_id}`)).sessions
        assert.strictEqual(listed.id, session_id)
        assert.deepStrictEqual(listed.config.chat_model_config, chat_model_config)
        const transcript = `/sessions/${session_id}/messages?agent_id=${agent_id}&offset=0&limit=50`
        assert.deepInclude(yield* ask("GET", transcript), { messages: [], is_running: false })
        const chat = { agent_id, session_id, input: [text("say hello\ncall pause {\"seconds\": 0}")] }
        const events = eventsIn((yield* send("POST", "/chat/", chat)).text)
        assert.strictEqual(events.filter(({ type }) => type === "REPLY_END").length, 1)
        // It resumes by reading everything again.
        const { is_running, messages } = yield* ask("GET", transcript)
        assert.isFalse(is_running)
        assert.deepStrictEqual(messages.map(({ role }: { role: string }) => role), ["user", "assistant"])
        assert.include(JSON.stringify(messages[1].content), "hello")
        yield* ask("PATCH", `/sessions/${session_id}?agent_id=${agent_id}`, { permission_mode: "bypass" })
        // The page of schedules.
        const { schedule_id } = yield* ask("POST", "/schedule/", {
          name: "Daily",
          description: "say good morning",
          cron_expression: "54 3 * * *",
          timezone: "UTC",
          agent_id,
          chat_model_config,
          enabled: true,
          stateful: false,
          permission_mode: "dont_ask"
        })
        const [schedule] = (yield* ask("GET", "/schedule/")).schedules
        assert.deepInclude(schedule, { id: schedule_id, agent_id })
        assert.deepInclude(schedule.data, { name: "Daily", cron_expression: "54 3 * * *", source: "USER" })
        assert.deepStrictEqual((yield* ask("GET", `/schedule/${schedule_id}/sessions`)).sessions, [])
        yield* ask("DELETE", `/schedule/${schedule_id}`)
        const S = `agent_id=${agent_id}&session_id=${session_id}`
        // The page of skills. Folders of the server are for admins.
        assert.deepStrictEqual(yield* ask("GET", `/workspace/skill?${S}`), [])
        const refused = yield* send("POST", `/workspace/skill?${S}`, { skill_path: "/srv/skills/pdf" })
        assert.strictEqual(refused.status, 403)
        assert.match(refused.json.detail, /^[A-Z].+\.$/)
        yield* ask("DELETE", `/workspace/skill/x?${S}`)
        yield* Effect.scoped(Effect.gen(function*() {
          const { url } = yield* atAddress()
          assert.deepStrictEqual(yield* ask("GET", `/workspace/mcp?${S}`), [])
          const mcp_config = { type: "http_mcp", url, headers: null, timeout: null }
          const server = { name: "notes", is_stateful: true, mcp_config }
          assert.isNull(yield* ask("POST", `/workspace/mcp?${S}`, server))
          const [shown] = yield* ask("GET", `/workspace/mcp?${S}`)
          assert.deepInclude(shown, { ...server, is_healthy: true })
          assert.hasAllKeys(shown.tools[0], ["name", "description"])
          yield* ask("DELETE", `/workspace/mcp/notes?${S}`)
        }))
        yield* ask("DELETE", `/sessions/${session_id}?agent_id=${agent_id}`)
        yield* ask("DELETE", `/agent/${agent_id}`)
        yield* ask("DELETE", `/credential/${credential_id}`)
      }))

    it.effect("that is loaded again while a reply is made sees it as far as it is, and then whole", () =>
      Effect.gen(function*() {
        const { ask, user, watch } = yield* page()
        const { credential_id } = yield* ask("POST", "/credential/", { data: { type: "demo_credential" } })
        const { agent_id } = yield* ask("POST", "/agent/", { name: "Friday" })
        const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters: {} }
        const { session_id } = yield* ask("POST", "/sessions/", { agent_id, chat_model_config })
        const chat = { agent_id, session_id, input: [text("say begun\nsleep 1500\nsay ended")] }
        const left = yield* watch("POST", "/chat/", { user, body: chat })
        yield* left.until((seen) => seen.includes("begun"))
        left.leave()
        const transcript = `/sessions/${session_id}/messages?agent_id=${agent_id}&offset=0&limit=50`
        const reload = Effect.map(ask("GET", transcript), ({ is_running, messages }) => ({
          is_running,
          said: messages.map(({ content }: { content: unknown }) => JSON.stringify(content)) as ReadonlyArray<string>
        }))
        const first = yield* reload
        assert.isTrue(first.is_running)
        assert.strictEqual(first.said.length, 2)
        assert.include(first.said[1], "begun")
        assert.notInclude(first.said[1], "ended")
        yield* Effect.repeat(Effect.delay(reload, "100 millis"), { until: ({ is_running }) => !is_running })
        const last = yield* reload
        assert.strictEqual(last.said.length, 2)
        assert.include(last.said[1], "ended")
      }).pipe(Effect.scoped))
  })

  describe("of the newest version", () => {
    it.effect("gets what its pages need, and shares a session with a client of 2.0.0", () =>
      Effect.gen(function*() {
        const { ask, comesLater, send, user, watch } = yield* page()
        yield* ask("GET", "/health")
        const { schema } = yield* ask("GET", "/agent/schema/v2")
        const defaults = Object.fromEntries(
          Object.entries<{ default?: unknown; properties?: Record<string, { default?: unknown }> }>(schema.properties)
            .map(([name, { default: plain, properties }]) => [
              name,
              properties === undefined
                ? plain
                : Object.fromEntries(Object.entries(properties).map(([key, field]) => [key, field.default]))
            ])
        )
        const { agent_id } = yield* ask("POST", "/agent/", { ...defaults, name: "Friday" })
        const [agent] = (yield* ask("GET", "/agent/")).agents
        assert.deepInclude(agent, { id: agent_id, editable: true, source: "user" })
        const { credential_id } = yield* ask("POST", "/credential/", { data: { type: "demo_credential" } })
        assert.isTrue((yield* ask("GET", "/credential/")).credentials[0].editable)
        yield* ask("GET", "/model/?provider=demo_credential")
        yield* ask("GET", "/embedding-model/?provider=demo_credential")
        assert.strictEqual((yield* ask("GET", "/tts-model/?provider=demo_credential")).total, 0)
        const { session_id } = yield* ask("POST", "/sessions/", { agent_id })
        const chat_model_config = {
          type: "demo_credential",
          credential_id,
          model: "demo-script",
          parameters: { delay_ms: 1 }
        }
        const patched = yield* ask("PATCH", `/sessions/${session_id}?agent_id=${agent_id}`, { chat_model_config })
        assert.strictEqual(patched.id, session_id)
        const moved = yield* ask("PATCH", `/sessions/${session_id}?agent_id=${agent_id}`, { cwd: "/w/src" })
        assert.strictEqual(moved.config.cwd, "/w/src")
        const [item] = (yield* ask("GET", `/sessions/?agent_id=${agent_id}`)).sessions
        assert.deepInclude(item, { is_running: false, status: "idle", team: null })
        assert.strictEqual(item.session.id, session_id)
        assert.strictEqual(item.session.config.cwd, "/w/src")
        // The stream is open before anything is said.
        const stream = yield* watch("GET", `/sessions/${session_id}/stream?agent_id=${agent_id}`, {
          user,
          headers: { origin }
        })
        const transcript = `/sessions/${session_id}/messages?agent_id=${agent_id}&limit=50`
        assert.deepInclude(yield* ask("GET", transcript), { messages: [], has_more: false })
        yield* send("POST", "/chat/", { agent_id, session_id, input: [text("say alpha")] })
        // An older client says something in the same session, and both see the same.
        const old = yield* send("POST", "/chat/", { agent_id, session_id, input: text("say beta") })
        const seen = yield* stream.until((all) => all.split("REPLY_END").length > 2)
        const own = old.text.slice(old.text.indexOf("id: "))
        assert.include(seen, own)
        const newest = yield* ask("GET", transcript)
        assert.strictEqual(newest.messages.length, 4)
        assert.deepStrictEqual(
          newest.messages,
          (yield* ask("GET", `/sessions/${session_id}/messages?agent_id=${agent_id}&offset=0&limit=50`)).messages
        )
        assert.strictEqual(
          (yield* ask("GET", `${transcript}&before=${newest.messages[2].id}`)).messages.length,
          2
        )
        assert.strictEqual((yield* ask("GET", `/sessions/${session_id}/status?agent_id=${agent_id}`)).status, "idle")
        assert.strictEqual((yield* send("POST", `/sessions/${session_id}/interrupt?agent_id=${agent_id}`)).status, 202)
        const S = `agent_id=${agent_id}&session_id=${session_id}`
        for (
          const path of [
            "/knowledge_bases/?page=1&page_size=128",
            "/knowledge_bases/middleware/parameters_schema",
            "/channels/types",
            "/channels/"
          ]
        ) yield* comesLater("GET", path)
        for (
          const path of [`/workspace/mcp?${S}`, "/mcp", `/workspace/skill?${S}`, "/skill", "/hub/mcp", "/hub/skill"]
        ) {
          assert.deepStrictEqual(yield* ask("GET", path), [])
        }
        assert.deepInclude(yield* ask("GET", "/schedule/"), { schedules: [], total: 0 })
        assert.strictEqual((yield* ask("GET", `/workspace/status?${S}`)).git, null)
        assert.deepStrictEqual((yield* ask("GET", `/workspace/directories?${S}&path=`)).entries, [])
      }).pipe(Effect.scoped))
  })
})
