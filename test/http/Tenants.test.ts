/** Nobody sees or touches what is not theirs. Generated from the API: an endpoint that is added is covered. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { createHash } from "node:crypto"
import { AgentId, SessionId, UserId } from "../../src/domain/Ids.ts"
import type { Job } from "../../src/domain/Job.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Storage } from "../../src/services/Storage.ts"
import { type Endpoint, endpoints, fill } from "../support/endpoints.ts"
import { elicitationOf, mcpServerOf } from "../support/fixtures.ts"
import { block, png } from "../support/pictures.ts"
import { leftTask } from "../support/tasks.ts"
import * as TestHost from "../support/TestHost.ts"
import { skillZip } from "../support/zips.ts"

const { TestHost: Host } = TestHost

/** Open to everybody; whatever else there is asks who it is. */
const open = new Set([
  "agents.form",
  "agents.sections",
  "credentials.schemas",
  "health.health",
  "health.liveness",
  "health.readiness",
  "hubLists.mcpHubs",
  "hubLists.skillHubs",
  "models.list",
  "models.get",
  "models.embeddings",
  "models.speech"
])

/** What the operator offers in hubs is for everybody. */
const withIds = endpoints.filter(({ group, name, params }) => params.length > 0 && !open.has(name) && group !== "hubs")

/** An id of the right shape that nobody has. */
const nobodysOf = (param: string) => "0".repeat(param === "hash" ? 64 : 32)
const nobodys = nobodysOf("")

let adas = 0

/** An Ada with one thing of each kind that a path can name, and a run that has begun and waits. */
const adasWorld = Effect.gen(function*() {
  const { call } = yield* Host
  const { issue } = yield* ApiKeys
  const user = `ada-${adas++}`
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Ada's" } })).json
  const data = { type: "openai_compatible_credential", base_url: "http://127.0.0.1:9/v1", api_key: "sk-ada" }
  yield* call("POST", "/credential", { user, body: { data } })
  const demo = { data: { type: "demo_credential" } }
  const { credential_id } = (yield* call("POST", "/credential", { user, body: demo })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
  const schedule = { name: "Ada's", agent_id, chat_model_config, cron_expression: "@daily" }
  const { schedule_id } = (yield* call("POST", "/schedule", { user, body: schedule })).json
  const notification = { name: "Ada's", kind: "webhook", url: "https://hooks.example.com/ada" }
  const { notification_id } = (yield* call("POST", "/notification", { user, body: notification })).json
  const { delivery_id } = (yield* call("POST", `/notification/${notification_id}/test`, { user })).json
  const { jobs } = yield* Storage
  const [{ id: job_id }] = (yield* jobs.list(user as UserId, { limit: 1, cursor: undefined })).items as [Job]
  const { id: task_id } = yield* leftTask({
    id: SessionId.make(session_id),
    user_id: UserId.make(user),
    agent_id: AgentId.make(agent_id)
  })
  const picture = png(30_000)
  const content = [{ type: "text", text: "say my secret plan\nsleep 3000000" }, block(picture)]
  const body = { agent_id, session_id, input: { content } }
  const { run_id } = (yield* call("POST", "/chat", { user, body, headers: { prefer: "respond-async" } })).json
  const { id: key_id } = yield* issue({ user_id: user as UserId, name: "", scopes: ["read"], expires_at: null })
  yield* call("GET", `/sessions/${session_id}/messages`, { user }).pipe(
    Effect.repeat({ until: ({ json }): boolean => json.messages[1]?.content[0]?.text.endsWith("plan") === true })
  )
  const file = `/workspace/files?session_id=${session_id}&path=f`
  yield* call("PUT", file, { user, text: "a secret", headers: { "content-type": "text/plain" } })
  const { workspaces } = (yield* call("GET", "/workspaces", { user })).json
  const workspace_key = workspaces[0].id
  const { elicitations, mcpServers } = yield* Storage
  const owner = user as UserId
  const { id: elicitation_id } = yield* elicitations.insert(
    elicitationOf({ id: SessionId.make(session_id), user_id: owner })
  )
  const { id: mcp_id } = yield* mcpServers.insert(mcpServerOf(owner))
  const { name: mcp_name } = yield* mcpServers.insert(mcpServerOf(owner, { workspace: workspace_key }))
  const upload = { user, body: skillZip("secret"), headers: { "content-type": "application/zip" } }
  const { id: skill_id } = (yield* call("POST", "/skill/upload", upload)).json
  yield* call("POST", `/workspace/skill/upload?session_id=${session_id}`, upload)
  const model = { provider: "demo_credential", name: "demo-chat" }
  const hash = createHash("sha256").update(picture).digest("hex")
  const ids: Readonly<Record<string, string>> = {
    hash,
    agent_id,
    credential_id,
    session_id,
    schedule_id,
    notification_id,
    delivery_id,
    job_id,
    run_id,
    task_id,
    key_id,
    workspace_key,
    mcp_id,
    mcp_name,
    elicitation_id,
    skill_id,
    skill_name: "secret",
    ...model
  }
  return { user, ids }
})

/** All that an Ada can see of it. */
const seenBy = Effect.fnUntraced(function*(user: string) {
  const { call } = yield* Host
  const { sessions } = (yield* call("GET", "/sessions", { user })).json
  const paths = [
    "/agent",
    "/credential",
    "/sessions",
    "/session-keys",
    "/runs",
    "/schedule",
    "/notification",
    "/workspaces",
    "/mcp",
    "/skill",
    ...sessions.flatMap(({ id }: { id: string }) => [
      `/sessions/${id}/messages`,
      `/sessions/${id}/runs`,
      `/background-tasks/${id}?status=all`,
      `/sessions/${id}/elicitations`,
      `/workspace/mcp?session_id=${id}`,
      `/workspace/skill?session_id=${id}`
    ])
  ]
  return yield* Effect.forEach(paths, (path) => Effect.map(call("GET", path, { user }), ({ json }) => json))
})

/** Servers and skills of a workspace are named by the session too. */
const pathOf = (endpoint: Endpoint, ids: Readonly<Record<string, string>>) =>
  `${fill(endpoint, ids)}${
    endpoint.params.includes("mcp_name") || endpoint.params.includes("skill_name")
      ? `?session_id=${ids["session_id"]}`
      : ""
  }`

const say = (endpoint: Endpoint, path: string, call: TestHost.Call) =>
  Effect.flatMap(
    Host,
    (host) => host.call(endpoint.method, path, { ...call, ...(endpoint.body !== undefined && { body: endpoint.body }) })
  )

/** Without what differs for every request, and with one word for every id. */
const shape = ({ json, status }: TestHost.Answer, id: string) => ({
  status,
  json: { ...json, request_id: "", detail: json.detail.replaceAll(id, "<id>") }
})

layer(TestHost.layer(), { excludeTestServices: true })("Tenants", (it) => {
  for (const endpoint of withIds) {
    it.effect(`${endpoint.name} answers for another's id what it answers for nobody's, and changes nothing`, () =>
      Effect.gen(function*() {
        const { ids, user } = yield* adasWorld
        assert.containsAllKeys(ids, [...endpoint.params], "Ada has no thing of that kind yet: add one to adasWorld")
        const before = yield* seenBy(user)
        const last = endpoint.params.at(-1)!
        const foreign = yield* say(endpoint, pathOf(endpoint, ids), { user: "grace" })
        const missing = yield* say(endpoint, pathOf(endpoint, { ...ids, [last]: nobodysOf(last) }), { user: "grace" })
        // Keys and jobs are an admin's, and Grace is none; so is the vault, which no id names.
        assert.strictEqual(foreign.status, ["keys", "jobs"].includes(endpoint.group) ? 403 : 404, foreign.text)
        assert.deepStrictEqual(shape(foreign, ids[last]!), shape(missing, nobodysOf(last)))
        assert.notInclude(foreign.text, user)
        assert.deepStrictEqual(yield* seenBy(user), before)
      }))
  }

  it.effect("answers for another's agent, session or credential in a body or query as for nobody's", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { ids, user: ada } = yield* adasWorld
      const user = "grace"
      const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Grace's" } })).json
      const before = yield* seenBy(ada)
      const config = { type: "demo_credential", credential_id: ids.credential_id, model: "demo-chat" }
      const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id } })).json
      const attempts: ReadonlyArray<readonly [string, string, unknown?]> = [
        ["GET", `/sessions?agent_id=${ids.agent_id}`],
        ["GET", `/runs?agent_id=${ids.agent_id}`],
        ["GET", `/runs?session_id=${ids.session_id}`],
        ["GET", `/runs?schedule_id=${ids.schedule_id}`],
        ["POST", "/sessions", { agent_id: ids.agent_id }],
        ["POST", "/sessions", { agent_id, chat_model_config: config }],
        ["PATCH", `/sessions/${session_id}`, { chat_model_config: config }],
        ["POST", "/sessions", { agent_id, fallback_chat_model_config: [config] }],
        ["PATCH", `/sessions/${session_id}`, { fallback_chat_model_config: config }],
        ["POST", "/agent", { name: "Grace's second", fallback_chat_model_configs: [config] }],
        ["PATCH", `/agent/${agent_id}`, { fallback_chat_model_configs: [config] }],
        ["GET", `/sessions/${session_id}?agent_id=${ids.agent_id}`],
        ["POST", "/chat", { agent_id: ids.agent_id, session_id: ids.session_id, input: { content: "hi" } }],
        ["POST", "/chat", { agent_id, session_id: ids.session_id, input: { content: "hi" } }],
        ["POST", "/chat", { agent_id: ids.agent_id, session_id, input: { content: "hi" } }],
        ["POST", "/embedding", { credential_id: ids.credential_id, model: "demo-embedding", input: "hi" }],
        ["GET", `/workspace/status?session_id=${ids.session_id}`],
        ["GET", `/workspace/directories?session_id=${ids.session_id}`],
        ["GET", `/workspace/files?session_id=${ids.session_id}&path=f`],
        ["GET", `/workspace/files?session_id=${session_id}&agent_id=${ids.agent_id}&path=f`],
        ["PUT", `/workspace/files?session_id=${ids.session_id}&path=f`, "x"],
        ["DELETE", `/workspace/files?session_id=${ids.session_id}&path=f`],
        ["POST", `/workspace/files/download-token?session_id=${ids.session_id}&path=f`],
        ["GET", `/model?provider=demo_credential&credential_id=${ids.credential_id}`],
        ["GET", `/model/demo_credential/demo-chat?credential_id=${ids.credential_id}`]
      ]
      for (const [method, path, body] of attempts) {
        const answer = yield* call(method, path, { user, body })
        assert.deepInclude(answer.json, { status: 404, code: "not_found" }, `${method} ${path}`)
      }
      assert.deepStrictEqual(yield* seenBy(ada), before)
    }))

  it.effect("shows a credential's own models only to who says who it is", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const { ids, user } = yield* adasWorld
      const chatOnly = yield* issue({ user_id: user as UserId, name: "", scopes: ["chat"], expires_at: null })
      for (const path of ["/model?provider=demo_credential&", "/model/demo_credential/demo-chat?"]) {
        const of = `${path}credential_id=${ids.credential_id}`
        assert.strictEqual((yield* call("GET", of)).status, 401)
        assert.strictEqual((yield* call("GET", of, { user })).status, 200)
        const headers = { authorization: `Bearer ${chatOnly.key}` }
        assert.deepInclude((yield* call("GET", of, { headers })).json, { status: 403, code: "scope_missing" })
      }
    }))

  it.effect("lists each user only their own", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      yield* adasWorld
      for (const { method, name, params, path } of endpoints) {
        if (
          method !== "GET" || params.length > 0 || !name.endsWith(".list") || name === "models.list" ||
          name === "keys.list" || name === "jobs.list"
        ) continue
        const { json, status } = yield* call("GET", path, { user: "newcomer" })
        assert.strictEqual(status, 200, name)
        assert.strictEqual(json.total, 0, name)
      }
    }))

  it.effect("sums each user only their own calls", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { ids, user } = yield* adasWorld
      yield* call("POST", `/sessions/${ids.session_id}/interrupt`, { user })
      const path = "/usage?group_by=session,agent,credential"
      const hers = yield* call("GET", path, { user })
      assert.deepInclude(hers.json.totals, { calls: 1, errors: 0 })
      assert.deepInclude(hers.json.usage[0], { session_id: ids.session_id, credential_id: ids.credential_id })
      const { json, text } = yield* call("GET", path, { user: "newcomer" })
      assert.deepInclude(json, { usage: [], next_cursor: null })
      assert.strictEqual(json.totals.calls, 0)
      const cursor = Buffer.from(JSON.stringify(["", "", ""])).toString("base64url")
      assert.strictEqual((yield* call("GET", `${path}&cursor=${cursor}`, { user: "newcomer" })).text, text)
    }))

  it.effect("asks who it is on every endpoint but the open ones", () =>
    Effect.gen(function*() {
      const { ids, user: ada } = yield* adasWorld
      const before = yield* seenBy(ada)
      for (const endpoint of endpoints) {
        const answer = yield* say(endpoint, fill(endpoint, ids), {})
        if (open.has(endpoint.name)) assert.notStrictEqual(answer.status, 401, endpoint.name)
        else assert.deepInclude(answer.json, { status: 401, code: "unauthenticated" }, endpoint.name)
        assert.strictEqual(endpoint.isBehindAuthentication, !open.has(endpoint.name), endpoint.name)
      }
      assert.deepStrictEqual(yield* seenBy(ada), before)
    }))

  it.effect("refuses a revoked, an unknown and a broken key on every endpoint, whatever X-User-ID says", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const { ids, user: ada } = yield* adasWorld
      const admin = yield* issue({ user_id: "root" as UserId, name: "", scopes: ["admin"], expires_at: null })
      const mine = yield* issue({
        user_id: ada as UserId,
        name: "",
        scopes: ["read", "write", "chat"],
        expires_at: null
      })
      yield* call("DELETE", `/keys/${mine.id}`, { headers: { authorization: `Bearer ${admin.key}` } })
      const before = yield* seenBy(ada)
      for (
        const authorization of [
          `Bearer ${mine.key}`,
          `Bearer ${mine.key.slice(0, -1)}`,
          "Bearer",
          "Basic YTpi",
          "Bearer x y"
        ]
      ) {
        for (const endpoint of endpoints.filter(({ isBehindAuthentication }) => isBehindAuthentication)) {
          const answer = yield* say(endpoint, fill(endpoint, ids), { user: ada, headers: { authorization } })
          assert.strictEqual(answer.status, 401, `${endpoint.name} ${authorization}`)
        }
      }
      assert.deepStrictEqual(yield* seenBy(ada), before)
    }))

  it.effect("every endpoint says which scope it needs, or that it is open", () =>
    Effect.sync(() => {
      for (const { isBehindAuthentication, name, scope } of endpoints) {
        assert.notStrictEqual(scope, undefined, `${name} says nothing: annotate it with RequiredScope`)
        assert.strictEqual(scope !== null, isBehindAuthentication, name)
      }
    }))

  it.effect("needs the scope that the endpoint is for", () =>
    Effect.gen(function*() {
      const { issue } = yield* ApiKeys
      const ids: Readonly<Record<string, string>> = Object.fromEntries(
        ["agent_id", "credential_id", "session_id", "run_id", "key_id"].map((name) => [name, nobodys])
      )
      const scopes = ["read", "write", "chat", "admin"] as const
      const neededBy: Record<string, Array<string>> = {}
      for (const scope of scopes) {
        const { key } = yield* issue({ user_id: "ada" as UserId, name: "", scopes: [scope], expires_at: null })
        for (const endpoint of endpoints.filter(({ isBehindAuthentication }) => isBehindAuthentication)) {
          const answer = yield* say(endpoint, fill(endpoint, ids), { headers: { authorization: `Bearer ${key}` } })
          // Some bodies need more than their endpoint.
          if (answer.json?.code !== "scope_missing") (neededBy[endpoint.name] ??= []).push(scope)
        }
      }
      for (const { group, method, name, scope } of endpoints) {
        if (scope == null) continue
        assert.deepStrictEqual(neededBy[name], [scope], name)
        if (["admin", "jobs", "keys", "vault"].includes(group)) assert.strictEqual(scope, "admin", name)
        else if (method === "GET" || name === "workspaces.token") assert.strictEqual(scope, "read", name)
        else assert.include(["write", "chat"], scope, name)
      }
    }))

  it.effect("answers every path with and without a trailing slash", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const ids = { agent_id: nobodys, credential_id: nobodys, session_id: nobodys, run_id: nobodys, key_id: nobodys }
      for (const endpoint of endpoints) {
        const path = fill(endpoint, ids)
        const options = { user: "ada", ...(endpoint.body !== undefined && { body: {} }) }
        const plain = yield* call(endpoint.method, path, options)
        const slashed = yield* call(endpoint.method, `${path}/`, options)
        assert.strictEqual(slashed.status, plain.status, endpoint.name)
        assert.notStrictEqual(slashed.json?.code, "no_such_path", endpoint.name)
      }
    }))
})
