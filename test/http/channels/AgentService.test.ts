/**
 * The newest Agent Service below its mount: the calls of its web UI in the order in which they were recorded. Every answer
 * and every event is read by strict validators of that version.
 */
import SwaggerParser from "@apidevtools/swagger-parser"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { endpoints, fill } from "../../support/endpoints.ts"
import { eventually } from "../../support/live.ts"
import * as TestHost from "../../support/TestHost.ts"
import { eventsIn, origin, page, text } from "../../support/webui.ts"

const { TestHost: Host } = TestHost

const base = "/agent-service"

/** A page with an agent and a session whose model plays a script. */
const chatting = Effect.gen(function*() {
  const ui = yield* page(base)
  const { credential_id } = yield* ui.ask("POST", "/credential/", { data: { type: "demo_credential" } })
  const { agent_id } = yield* ui.ask("POST", "/agent/", { name: "Friday" })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters: {} }
  const { session_id } = yield* ui.ask("POST", "/sessions/", { agent_id, chat_model_config })
  const S = `agent_id=${agent_id}&session_id=${session_id}`
  const say = (said: string, more: object = {}) =>
    ui.send("POST", "/chat/", { agent_id, session_id, input: [text(said)], ...more })
  const transcript = ui.ask("GET", `/sessions/${session_id}/messages?agent_id=${agent_id}&limit=50`)
  const follow = ui.watch("GET", `${base}/sessions/${session_id}/stream?agent_id=${agent_id}`, {
    user: ui.user,
    headers: { origin }
  })
  const status = ui.ask("GET", `/sessions/${session_id}/status?agent_id=${agent_id}`)
  return { ...ui, S, agent_id, credential_id, chat_model_config, session_id, say, transcript, follow, status }
})

layer(TestHost.layer(), { excludeTestServices: true })("The newest web UI, below /agent-service", (it) => {
  it.effect("gets what its pages need, and what is not served is 404 with a sentence that it can read", () =>
    Effect.gen(function*() {
      const { S, agent_id, ask, chat_model_config, comesLater, follow, say, send, session_id, transcript } =
        yield* chatting
      yield* ask("GET", "/health")
      yield* ask("GET", "/agent/schema/v2")
      assert.deepInclude((yield* ask("GET", "/agent/")).agents[0], { id: agent_id, editable: true, source: "user" })
      assert.isTrue((yield* ask("GET", "/credential/")).credentials[0].editable)
      for (const path of ["/model/", "/embedding-model/", "/tts-model/"]) {
        yield* ask("GET", `${path}?provider=demo_credential`)
      }
      const at = `/sessions/${session_id}?agent_id=${agent_id}`
      assert.strictEqual((yield* ask("PATCH", at, { chat_model_config, cwd: "/w" })).id, session_id)
      const [item] = (yield* ask("GET", `/sessions/?agent_id=${agent_id}`)).sessions
      assert.hasAllKeys(item, ["session", "status", "is_running", "team"])
      assert.deepInclude(item, { is_running: false, status: "idle", team: null })
      assert.deepInclude(item.session, { id: session_id, agent_id })
      // The stream is open before anything is said.
      const stream = yield* follow
      assert.deepInclude(yield* transcript, { messages: [], total: 0, has_more: false })
      const started = yield* say("say alpha")
      assert.deepStrictEqual([started.status, started.json], [200, { status: "started", session_id }])
      const events = eventsIn(yield* stream.until((seen) => seen.includes("REPLY_END")))
      assert.strictEqual(
        events.filter(({ type }) => type === "TEXT_BLOCK_DELTA").map(({ delta }) => delta).join(""),
        "alpha"
      )
      const { messages } = yield* transcript
      assert.deepStrictEqual(messages.map(({ role }: { role: string }) => role), ["user", "assistant"])
      const older = yield* ask("GET", `/sessions/${session_id}/messages?limit=50&before=${messages[1].id}`)
      assert.lengthOf(older.messages, 1)
      assert.strictEqual((yield* send("POST", `/sessions/${session_id}/interrupt?agent_id=${agent_id}`)).status, 202)
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
      assert.isNull((yield* ask("GET", `/workspace/status?${S}`)).git)
      assert.deepStrictEqual((yield* ask("GET", `/workspace/directories?${S}&path=`)).entries, [])
      yield* ask("DELETE", `/sessions/${session_id}?agent_id=${agent_id}`)
      yield* ask("DELETE", `/agent/${agent_id}`)
    }).pipe(Effect.scoped))

  it.effect("uploads a file and shows it by an address with a token, as a page's link does", () =>
    Effect.gen(function*() {
      const { S, ask, user } = yield* chatting
      const { call } = yield* Host
      const file = `${base}/workspace/files?${S}&path=f.txt`
      const put = yield* call("PUT", file, { user, text: "hello", headers: { "content-type": "text/plain" } })
      assert.isBelow(put.status, 300, put.text)
      const { token } = yield* ask("POST", `/workspace/files/download-token?${S}&path=f.txt`)
      assert.strictEqual((yield* call("GET", file)).status, 401)
      const read = yield* call("GET", `${file}&token=${encodeURIComponent(token)}`)
      assert.deepStrictEqual([read.status, read.text], [200, "hello"])
    }))

  it.effect("that is loaded again in the middle of a reply reads it from the stream alone, and once", () =>
    Effect.gen(function*() {
      const { follow, say, status, transcript } = yield* chatting
      const before = yield* follow
      yield* say("say begun\nsleep 1500\nsay ended")
      yield* before.until((seen) => seen.includes("begun"))
      before.leave()
      const page = yield* transcript
      assert.deepInclude(page, { is_running: true, total: 1 })
      assert.deepStrictEqual(page.messages.map(({ role }: { role: string }) => role), ["user"])
      const again = yield* follow
      const seen = yield* again.until((all) => all.includes("REPLY_END"))
      const said = eventsIn(seen).filter(({ type }) => type === "TEXT_BLOCK_DELTA").map(({ delta }) => delta).join("")
      assert.match(said, /^begun.*ended$/s)
      // Leaving has stopped nothing.
      yield* eventually("the run has ended", status, (now) => now.status === "idle")
      const whole = yield* transcript
      assert.deepInclude(whole, { is_running: false, total: 2 })
      assert.include(JSON.stringify(whole.messages[1].content), "ended")
    }).pipe(Effect.scoped))

  it.effect("sees a reply that waits for its word in the transcript, answers, and reads the rest", () =>
    Effect.gen(function*() {
      const { agent_id, follow, say, session_id, send, status, transcript } = yield* chatting
      const tools = [{ name: "launch", effect: "write" }]
      const stream = yield* follow
      yield* say("call launch {}\nthen\nsay done", { tools })
      yield* stream.until((seen) => seen.includes("REQUIRE_USER_CONFIRM"))
      yield* eventually("it waits", status, (now) => now.status === "awaiting_permission")
      const { messages } = yield* transcript
      const [, reply] = messages
      const tool_call = reply.content.find(({ type }: { type: string }) => type === "tool_call")
      const input = {
        type: "USER_CONFIRM_RESULT",
        reply_id: reply.id,
        confirm_results: [{ confirmed: false, tool_call, rules: null }]
      }
      const answered = yield* send("POST", "/chat/", { agent_id, session_id, input })
      assert.deepInclude(answered.json, { status: "started", session_id })
      assert.include(yield* stream.until((seen) => seen.includes("REPLY_END")), "done")
    }).pipe(Effect.scoped))

  it.effect("takes a second input behind the first, each once for a key, and refuses what is nobody's", () =>
    Effect.gen(function*() {
      const { agent_id, say, send, session_id, status, transcript, user } = yield* chatting
      const { call } = yield* Host
      yield* say("sleep 300\nsay one")
      assert.strictEqual((yield* say("say two")).status, 200)
      assert.strictEqual((yield* say("say three", { on_busy: "reject" })).status, 409)
      const body = { agent_id, session_id, input: [text("say four")] }
      const headers = { "idempotency-key": "four" }
      const twice = yield* Effect.all(
        Array.from({ length: 4 }, () => call("POST", `${base}/chat`, { user, headers, body })),
        { concurrency: 4 }
      )
      assert.deepStrictEqual(twice.map((answer) => answer.status), [200, 200, 200, 200])
      yield* eventually("all is said", status, (now) => now.status === "idle")
      assert.lengthOf((yield* transcript).messages, 6)
      const foreign = yield* call("POST", `${base}/chat`, { user: "eve", body })
      assert.deepInclude(foreign.json, { status: 404, code: "not_found" })
      const broken = yield* send("POST", "/chat/", { agent_id, session_id })
      assert.strictEqual(broken.status, 422)
      assert.match(broken.json.detail, /input/)
    }))

  it.effect("leaves out a structured output that its classes could not read", () =>
    Effect.gen(function*() {
      const { say, status, transcript } = yield* chatting
      yield* say("json [1]", { output_schema: { anyOf: [{ type: "array", items: { type: "integer" } }] } })
      yield* say("json {\"a\":1}", { output_schema: { type: "object" } })
      yield* eventually("all is said", status, (now) => now.status === "idle")
      const { messages } = yield* transcript
      assert.notProperty(messages[1], "structured_output")
      assert.include(JSON.stringify(messages[1].content), "[1]")
      assert.deepStrictEqual(messages[3].structured_output, { a: 1 })
    }))
})

layer(TestHost.layer(), { excludeTestServices: true })("Below /agent-service", (it) => {
  it.effect("every other endpoint of the root answers as it does there", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const ids = new Proxy<Record<string, string>>({}, { get: () => "0".repeat(32) })
      const own = new Set(["chat.send", "sessions.list", "messages.list"])
      const shape = ({ json, status }: TestHost.Answer) => ({ status, code: json?.code, detail: json?.detail })
      const compare = Effect.fnUntraced(function*(endpoint: (typeof endpoints)[number]) {
        const path = fill(endpoint, ids)
        const asked = { user: "grace", body: endpoint.method === "GET" ? undefined : {} }
        const here = yield* call(endpoint.method, `${base}${path}`, asked)
        const there = yield* call(endpoint.method, path, asked)
        if (own.has(endpoint.name)) assert.strictEqual(here.status, there.status, endpoint.name)
        else assert.deepStrictEqual(shape(here), shape(there), endpoint.name)
      })
      yield* Effect.forEach(endpoints, compare, { concurrency: 8, discard: true })
      assert.strictEqual((yield* call("GET", `${base}/agent`)).json.code, "unauthenticated")
      const card = yield* call("GET", `${base}/hub/mcp/none/cards/a/b`, { user: "grace" })
      assert.strictEqual(card.json.code, "not_found")
      for (const path of ["/v1/models", "/docs", "/agent-service/agent", "", "//agent"]) {
        const { json } = yield* call("GET", `${base}${path}`, { user: "grace" })
        assert.strictEqual(json?.code, "no_such_path", path)
      }
      const { headers, status } = yield* call("DELETE", `${base}/chat`, { user: "grace" })
      assert.deepStrictEqual([status, headers["allow"]], [405, "POST"])
    }))

  it.effect("a document of its own lists all of it", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { json } = yield* call("GET", "/docs/agent_service.json")
      const root = (yield* call("GET", "/openapi.json")).json
      assert.deepStrictEqual(
        Object.keys(json.paths).toSorted(),
        Object.keys(root.paths).map((path) => `${base}${path}`).toSorted()
      )
      const answer = json.paths[`${base}/chat`].post.responses["200"].content["application/json"].schema
      assert.deepStrictEqual(answer, { $ref: "#/components/schemas/ChatStarted" })
      yield* Effect.promise(() => SwaggerParser.validate(structuredClone(json)))
    }))
})
