/** Nobody sees or touches what is not theirs through a channel either. Generated from the routes: one that is added is covered. */
import { assert, layer } from "@effect/vitest"
import { Arbitrary, Context, Effect, FastCheck, Schema } from "effect"
import type { UserId } from "../../../src/domain/Ids.ts"
import { RequiredScope } from "../../../src/http/api/Operation.ts"
import { ApiKeys } from "../../../src/services/ApiKeys.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

const scopes = ["read", "write", "chat", "admin"] as const

/** A body that the route takes; undefined when it takes none. */
const bodyOf = (ast: (typeof routes)[number]["ast"]): unknown => {
  if (ast === undefined) return undefined
  const schema = Schema.make<unknown, unknown, never>(ast)
  const [value] = FastCheck.sample(Arbitrary.make(Schema.typeSchema(schema)), { numRuns: 1, seed: 4711 })
  return JSON.parse(JSON.stringify(Schema.encodeSync(schema)(value)))
}

const routes = TestHost.channels.flatMap(({ name: channel, routes }) =>
  routes.map(({ annotations, body, method, path }) => ({
    channel,
    method,
    path: path as string,
    name: `${channel}: ${method} ${path}`,
    scope: Context.get(annotations as Context.Context<RequiredScope>, RequiredScope),
    params: [...path.matchAll(/:(\w+)|\*/g)].map(([all, name]) => name ?? all),
    ast: body
  }))
)

type Route = (typeof routes)[number]

const say = (route: Route, ids: Readonly<Record<string, string>>, call: TestHost.Call) =>
  Effect.flatMap(Host, (host) => {
    const path = route.path.replaceAll(/:(\w+)|\*/g, (all, name?: string) => {
      const id = ids[name ?? all]
      assert.isDefined(id, `Ada has nothing that is called ${name ?? all}: add it to adasIds`)
      return name === undefined ? id! : encodeURIComponent(id!)
    })
    return host.call(route.method, path, { ...call, ...route.ast !== undefined && { body: bodyOf(route.ast) } })
  })

/** What paths of channels name, each a thing of Ada's. */
const adasWorld = Effect.gen(function*() {
  const { call, url } = yield* Host
  const { agent_id, credential_id, user } = yield* tenant({ client_tools: [{ name: "weather" }], name: "Adas" })
  const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id } })).json
  const made = (path: string, body: object) =>
    Effect.map(call("POST", path, { user, body }), ({ json, text }) => {
      assert.isDefined(json.id ?? json.task_id, text)
      return json
    })
  const model = `agent/${agent_id}`
  const completion = yield* made("/v1/chat/completions", {
    model,
    store: true,
    messages: [{ role: "user", content: "say Adas" }]
  })
  const response = yield* made("/v1/responses", { model, input: "say Adas" })
  const items = [{ role: "user", content: "Adas" }]
  const conversation = yield* made("/v1/conversations", { items })
  const [item] = (yield* call("GET", `/v1/conversations/${conversation.id}/items`, { user })).json.data
  const input = [{ role: "user", content: [{ type: "text", text: "say Adas" }] }]
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  yield* call("POST", "/agent", { user, body: { name: "Adas own", chat_model_config } })
  const task = yield* made("/process/task", { model: "Adas own", session_id: "mine", input })
  const message = { messageId: "m", role: "ROLE_USER", parts: [{ text: "say Adas" }] }
  const sent = yield* call("POST", `/a2a/agents/${agent_id}/message:send`, {
    user,
    headers: { "a2a-version": "1.0" },
    body: { message }
  })
  assert.isDefined(sent.json.task, sent.text)
  const thread_id = `thread-${agent_id}`
  const messages = [{ id: "1", role: "user", content: "say Adas" }]
  yield* call("POST", `/ag-ui/agents/${agent_id}`, { user, body: { threadId: thread_id, runId: "r", messages } })
  yield* call("POST", "/langgraph/threads", { user, body: { thread_id, metadata: { of: "Adas" } } })
  yield* call("POST", `/langgraph/threads/${thread_id}/runs/wait`, {
    user,
    body: { assistant_id: agent_id, input: { messages: "say Adas" } }
  })
  const [{ run_id }] = (yield* call("GET", `/langgraph/threads/${thread_id}/runs`, { user })).json
  const { checkpoint: { checkpoint_id } } = (yield* call("GET", `/langgraph/threads/${thread_id}/state`, { user })).json
  yield* call("POST", "/ui-messages", {
    user,
    body: {
      id: "adas-chat",
      agent: "Adas own",
      messages: [{ id: "1", role: "user", parts: [{ type: "text", text: "say Adas" }] }]
    }
  })
  const { schedule_id } = (yield* call("POST", "/v1/schedules", {
    user,
    body: { agent_id: "Adas own", name: "Adas", cron_expr: "0 9 * * *", message: "say Adas" }
  })).json
  const server = yield* made("/v1/admin/mcp-servers", {
    name: "adas",
    transport: "streamable_http",
    url: "https://adas.example/mcp"
  })
  const registered = yield* made("/a2a/registry", {
    url: `${url}/a2a/agents/${agent_id}/.well-known/agent-card.json`,
    headers: { "x-user-id": user }
  })
  const { execution_id } = (yield* call("POST", "/v1/agents/Adas%20own/invoke", {
    user,
    body: { message: "say Adas" }
  })).json
  const ids: Readonly<Record<string, string>> = {
    agent: agent_id,
    task: sent.json.task.id,
    operation: "message:recall",
    config: "Adas-receiver",
    registered: registered.id,
    agent_id,
    chat_id: "adas-chat",
    schedule_id,
    execution_id,
    mcp_id: server.id,
    skill_id: "f".repeat(32),
    session_id,
    completion_id: completion.id,
    response_id: response.id,
    conversation_id: conversation.id,
    item_id: item.id,
    task_id: task.task_id,
    tool_id: `${agent_id}.tools`,
    thread_id,
    run_id,
    checkpoint_id,
    assistant_id: agent_id,
    "*": `agent/${agent_id}`
  }
  const seen = Effect.forEach(
    ["/agent", "/sessions", "/runs", "/credential", "/schedule", "/v1/admin/mcp-servers", "/a2a/registry"],
    (path) => Effect.map(call("GET", path, { user }), ({ text }) => text)
  )
  return { ids, user, seen }
})

/** Without what differs for every request, and with one word for every id. */
const shape = ({ status, text }: TestHost.Answer, ids: Readonly<Record<string, string>>) => ({
  status,
  text: Object.values(ids).toSorted((a, b) => b.length - a.length).reduce((all, id) => all.replaceAll(id, "<id>"), text)
    .replace(/"request_id":"[^"]*"/, "")
})

layer(TestHost.layer(), { excludeTestServices: true })("Through every channel", (it) => {
  it.effect("another's id is answered as nobody's, and changes nothing", () =>
    Effect.gen(function*() {
      const ada = yield* adasWorld
      const grace = (yield* tenant({ name: "Graces" })).user
      const before = yield* ada.seen
      const nobodys = Object.fromEntries(
        Object.entries(ada.ids).map(([name, id]) => [name, id.replaceAll(/[0-9a-f]{32}/g, "0".repeat(32))])
      )
      for (const route of routes.filter(({ params }) => params.length > 0)) {
        const foreign = yield* say(route, ada.ids, { user: grace })
        const missing = yield* say(route, nobodys, { user: grace })
        assert.strictEqual(foreign.status, 404, `${route.name} ${foreign.text}`)
        assert.deepStrictEqual(shape(foreign, ada.ids), shape(missing, nobodys), route.name)
        assert.notInclude(foreign.text, "Adas", route.name)
      }
      assert.deepStrictEqual(yield* ada.seen, before)
    }))

  it.effect("a list has only one's own", () =>
    Effect.gen(function*() {
      const ada = yield* adasWorld
      for (const route of routes.filter(({ method, params }) => method === "GET" && params.length === 0)) {
        const { text } = yield* say(route, {}, { user: "newcomer" })
        for (const id of Object.values(ada.ids)) assert.notInclude(text, id, route.name)
        assert.notInclude(text, "Adas", route.name)
      }
    }))

  it.effect("everybody is asked who it is where a scope is needed, and has to have that one", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const { ids, seen, user } = yield* adasWorld
      const before = yield* seen
      const keys = yield* Effect.forEach(scopes, (scope) =>
        Effect.map(
          issue({ user_id: "stranger" as UserId, name: "", scopes: [scope], expires_at: null }),
          ({ key }) => ({ scope, headers: { authorization: `Bearer ${key}` } })
        ))
      const gone = yield* issue({ user_id: user, name: "", scopes: ["read", "write", "chat"], expires_at: null })
      const admin = keys.find(({ scope }) => scope === "admin")!
      yield* call("DELETE", `/keys/${gone.id}`, { headers: admin.headers })
      for (const route of routes) {
        if (route.scope === null) {
          assert.strictEqual((yield* say(route, ids, {})).status, 200, route.name)
          continue
        }
        assert.strictEqual((yield* say(route, ids, {})).status, 401, route.name)
        const headers = { authorization: `Bearer ${gone.key}` }
        assert.strictEqual((yield* say(route, ids, { user, headers })).status, 401, route.name)
        const admitted = yield* Effect.filter(
          keys,
          ({ headers }) => Effect.map(say(route, ids, { headers }), ({ status }) => status !== 403)
        )
        assert.deepStrictEqual(admitted.map(({ scope }) => scope), [route.scope], route.name)
      }
      assert.deepStrictEqual(yield* seen, before)
    }))
})
