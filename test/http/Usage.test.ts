/** What a client reads of its calls, over HTTP. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let users = 0

/** A user with a demo session, and a way to talk in it until the reply has ended. */
const world = Effect.gen(function*() {
  const { call } = yield* Host
  const user = `user-${users++}`
  const post = (path: string, body: unknown) => Effect.map(call("POST", path, { user, body }), ({ json }) => json)
  const { agent_id } = yield* post("/agent", { name: "A" })
  const { credential_id } = yield* post("/credential", { data: { type: "demo_credential" } })
  const session = (model: string) =>
    Effect.map(
      post("/sessions", { agent_id, chat_model_config: { type: "demo_credential", credential_id, model } }),
      ({ session_id }): string => session_id
    )
  const say = (session_id: string, content: string) => post("/chat", { agent_id, session_id, input: { content } })
  const usage = (query = "") => call("GET", `/usage${query}`, { user })
  return { user, session, say, usage, credential_id }
})

layer(TestHost.layer(), { excludeTestServices: true })("Usage", (it) => {
  it.effect("sums the last 30 days by day", () =>
    Effect.gen(function*() {
      const { say, session, usage } = yield* world
      const id = yield* session("demo-script")
      yield* say(id, "say one two three")
      yield* say(id, "call Calculate {\"expression\":\"6*7\"}\nthen\nsay done")
      const { json, status } = yield* usage()
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(json.group_by, ["day"])
      assert.strictEqual(Date.parse(json.to) - Date.parse(json.from), 30 * 86_400_000)
      assert.isAbove(Date.parse(json.to), Date.now())
      assert.strictEqual(json.usage.length, 1)
      const { day, ...sum } = json.usage[0]
      assert.match(day, /^\d{4}-\d\d-\d\d$/)
      assert.deepStrictEqual(sum, json.totals)
      assert.deepInclude(sum, { calls: 3, errors: 0, cost: 0, unpriced_calls: 0 })
    }))

  it.effect("sums by up to three kinds at once, page by page", () =>
    Effect.gen(function*() {
      const { credential_id, say, session, usage } = yield* world
      const [a, b] = [yield* session("demo-script"), yield* session("demo-chat")]
      yield* say(a, "say x")
      yield* say(a, "fail rate_limit later")
      yield* say(b, "hello")
      const whole = (yield* usage("?group_by=session,model,credential")).json
      const rows = [
        { model: "demo-chat", credential_id, session_id: b, calls: 1, errors: 0 },
        { model: "demo-script", credential_id, session_id: a, calls: 2, errors: 1 }
      ]
      assert.strictEqual(whole.usage.length, 2)
      rows.forEach((row, i) => assert.deepInclude(whole.usage[i], row))
      assert.deepInclude(whole.totals, { calls: 3, errors: 1 })
      const first = (yield* usage("?group_by=run&limit=2")).json
      const second = (yield* usage(`?group_by=run&limit=2&cursor=${first.next_cursor}`)).json
      assert.deepStrictEqual([first.usage.length, second.usage.length, second.next_cursor], [2, 1, null])
      assert.deepStrictEqual(second.totals, first.totals)
    }))

  it.effect("knows what a call cost by the prices on its model's card, the credential's own too", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { say, session, usage, user } = yield* world
      const prices = { input: 2_000_000, output: 1_000_000 }
      const data = { type: "demo_credential", models: [{ type: "chat_model", name: "demo-script", prices }] }
      const { credential_id } = (yield* call("POST", "/credential", { user, body: { data } })).json
      const id = yield* session("demo-script")
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      yield* call("PATCH", `/sessions/${id}`, { user, body: { chat_model_config } })
      yield* say(id, "say one two three")
      const { totals } = (yield* usage()).json
      assert.isAbove(totals.input_tokens, 0)
      assert.deepInclude(totals, {
        calls: 1,
        unpriced_calls: 0,
        cost: totals.input_tokens * 2 + totals.output_tokens
      })
    }))

  it.effect("keeps the sums of a session that is deleted", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { say, session, usage, user } = yield* world
      const id = yield* session("demo-script")
      yield* say(id, "say x")
      const before = (yield* usage("?group_by=session")).json
      assert.strictEqual((yield* call("DELETE", `/sessions/${id}`, { user })).status, 204)
      assert.deepStrictEqual((yield* usage("?group_by=session")).json, before)
    }))

  it.effect("counts an interrupted call as no error", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { session, usage, user } = yield* world
      const id = yield* session("demo-script")
      const { agent_id } = (yield* call("GET", `/sessions/${id}`, { user })).json
      const body = { agent_id, session_id: id, input: { content: "say a\nsleep 600000" } }
      yield* call("POST", "/chat", { user, body, headers: { prefer: "respond-async" } })
      yield* call("POST", `/sessions/${id}/interrupt`, { user })
      assert.deepInclude((yield* usage()).json.totals, { calls: 1, errors: 0 })
    }))

  it.effect("takes days and times, and says what is wrong with others", () =>
    Effect.gen(function*() {
      const { say, session, usage } = yield* world
      yield* say(yield* session("demo-script"), "say x")
      const past = (yield* usage("?from=2020-01-01&to=2020-02-01T12:30Z")).json
      assert.deepInclude(past, { from: "2020-01-01T00:00:00.000Z", to: "2020-02-01T12:30:00.000Z", usage: [] })
      const wrongs: ReadonlyArray<readonly [string, number, string | undefined]> = [
        ["?from=yesterday", 422, "from"],
        ["?from=2020-13-01", 422, "from"],
        ["?to=2020-01-01T00:00:00%2B02:00", 422, "to"],
        ["?from=2020-02-01&to=2020-01-01", 422, "from"],
        ["?from=2020-01-01&to=2020-01-01", 422, "from"],
        ["?from=2020-01-01&to=2021-06-01", 422, "from"],
        ["?group_by=colour", 422, "group_by"],
        ["?group_by=day,day", 422, "group_by"],
        ["?group_by=day,model,run,agent", 422, "group_by"],
        ["?group_by=", 422, "group_by"],
        ["?limit=0", 422, "limit"],
        ["?cursor=nonsense", 400, undefined],
        [`?group_by=day,model&cursor=${Buffer.from("[\"a\"]").toString("base64url")}`, 400, undefined]
      ]
      for (const [query, status, path] of wrongs) {
        const answer = yield* usage(query)
        assert.strictEqual(answer.status, status, query)
        if (path !== undefined) assert.strictEqual(answer.json.errors[0].path, path, query)
        else assert.strictEqual(answer.json.code, "invalid_cursor")
      }
    }))
})
