/** What an admin sees of the tenants, over HTTP. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

layer(TestHost.layer(), { excludeTestServices: true })("An admin", (it) => {
  it.effect("sees the tenants and what they use, page by page; nobody else does", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const { key } = yield* issue({ user_id: "root" as UserId, name: "", scopes: ["admin"], expires_at: null })
      const get = (path: string) => call("GET", path, { headers: { authorization: `Bearer ${key}` } })
      const talk = Effect.fnUntraced(function*(user: string, times: number) {
        const post = (path: string, body: unknown) => Effect.map(call("POST", path, { user, body }), ({ json }) => json)
        const { agent_id } = yield* post("/agent", { name: "A" })
        const { credential_id } = yield* post("/credential", { data: { type: "demo_credential" } })
        const chat_model_config = { type: "demo_credential", credential_id, model: "demo-chat" }
        const { session_id } = yield* post("/sessions", { agent_id, chat_model_config })
        for (let i = 0; i < times; i++) yield* post("/chat/reply", { agent_id, session_id, input: { content: "hi" } })
      })
      yield* talk("ada", 2)
      yield* talk("bob", 1)
      const { json, status } = yield* get("/admin/tenants")
      assert.strictEqual(status, 200)
      const [ada, bob, root] = json.tenants
      assert.deepInclude(ada, { user_id: "ada", agents: 1, credentials: 1, sessions: 1, runs: 2, keys: 0 })
      assert.strictEqual(ada.usage.calls, 2)
      assert.isBelow(Math.abs(Date.now() - Date.parse(ada.last_active_at)), 600_000)
      assert.deepInclude(bob, { user_id: "bob", runs: 1 })
      assert.deepInclude(root, { user_id: "root", keys: 1, agents: 0, last_active_at: null })
      const first = yield* get("/admin/tenants?limit=1")
      assert.deepStrictEqual(first.json.tenants, [ada])
      const second = yield* get(`/admin/tenants?limit=1&cursor=${first.json.next_cursor}`)
      assert.deepStrictEqual(second.json.tenants, [bob])
      const past = yield* get("/admin/tenants?from=2026-01-01&to=2026-01-02")
      assert.strictEqual(past.json.tenants[0].usage.calls, 0)

      const usage = yield* get("/admin/usage")
      assert.deepStrictEqual(usage.json.group_by, ["user"])
      assert.deepStrictEqual(
        usage.json.usage.map(({ calls, user_id }: { calls: number; user_id: string }) => [user_id, calls]),
        [["ada", 2], ["bob", 1]]
      )
      assert.strictEqual(usage.json.totals.calls, 3)
      const ofBob = yield* get("/admin/usage?user_id=bob&group_by=user,model&limit=1")
      assert.strictEqual(ofBob.json.usage.length, 1)
      assert.deepInclude(ofBob.json.usage[0], { user_id: "bob", model: "demo-chat", calls: 1 })
      assert.strictEqual(ofBob.json.totals.calls, 1)
      const paged = yield* get("/admin/usage?limit=1")
      const rest = yield* get(`/admin/usage?limit=1&cursor=${paged.json.next_cursor}`)
      assert.strictEqual(rest.json.usage[0].user_id, "bob")

      for (const path of ["/admin/tenants", "/admin/usage"]) {
        assert.strictEqual((yield* call("GET", path, { user: "ada" })).status, 403)
        assert.strictEqual((yield* call("GET", path)).status, 401)
      }
      // A tenant's own report knows no other tenants.
      assert.strictEqual((yield* call("GET", "/usage?group_by=user", { user: "ada" })).status, 422)
    }))
})
