/** Looking back on runs and sessions, as clients ask for it. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0

/** A user with a session in which a run has ended. */
const settled = Effect.gen(function*() {
  const { call } = yield* Host
  const user = `owner-${owners++}`
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
  const { credential_id } =
    (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { session_id } =
    (yield* call("POST", "/sessions", { user, body: { agent_id, name: "Walks", chat_model_config } })).json
  const say = (content: string) =>
    Effect.gen(function*() {
      const body = { agent_id, session_id, input: { content } }
      const { run_id } = (yield* call("POST", "/chat/async", { user, body })).json
      yield* Effect.repeat(Effect.delay(call("GET", `/runs/${run_id}`, { user }), "20 millis"), {
        until: ({ json }): boolean => json.status === "ended",
        times: patience(1_500)
      })
      return String(run_id)
    })
  return { agent_id, session_id, user, run_id: yield* say("say Good morning"), say }
})

layer(TestHost.layer(), { excludeTestServices: true })("Runs", (it) => {
  it.effect("are sent again once for a key, however often that is asked, and the new one is told", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { run_id, say, user } = yield* settled
      const retry = (id: string) => call("POST", `/runs/${id}/retry`, { user, headers: { "idempotency-key": "k" } })
      const answers = yield* Effect.all(Array.from({ length: 20 }, () => retry(run_id)), { concurrency: "unbounded" })
      for (const { headers, json, status } of answers) {
        assert.strictEqual(status, 202)
        assert.deepStrictEqual(json, answers[0]!.json)
        assert.strictEqual(headers["location"], `/runs/${json.run_id}`)
      }
      const { json } = yield* call("GET", "/runs?q=morning", { user })
      assert.deepStrictEqual(json.runs.map(({ id }: { id: string }) => id), [answers[0]!.json.run_id, run_id])
      const other = yield* say("say other")
      assert.deepInclude((yield* retry(other)).json, { status: 422, code: "idempotency_mismatch" })
    }))

  it.effect("are not listed by a filter that is wrong, and it is named", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { user } = yield* settled
      for (
        const [query, path] of [
          ["status=gone", "status"],
          ["source=moon", "source"],
          ["from=yesterday", "from"],
          ["from=2026-01-02&to=2026-01-01", "from"],
          ["q=", "q"],
          ["q=%20", "q"],
          [`q=${"x".repeat(257)}`, "q"]
        ]
      ) {
        const { json, status } = yield* call("GET", `/runs?${query}`, { user })
        assert.deepStrictEqual([status, json.errors[0].path], [422, path], query)
      }
      assert.strictEqual((yield* call("GET", "/sessions?q=%20", { user })).status, 422)
    }))

  it.effect("are exported with their session, in both formats, under its name", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { session_id, user } = yield* settled
      const markdown = yield* call("GET", `/sessions/${session_id}/export`, { user })
      assert.match(markdown.headers["content-type"]!, /^text\/markdown/)
      assert.include(markdown.headers["content-disposition"], "attachment; filename=\"Walks.md\"")
      assert.include(markdown.text, "say Good morning")
      const { headers, json } = yield* call("GET", `/sessions/${session_id}/export?format=json`, { user })
      assert.strictEqual(headers["content-type"], "application/json")
      assert.deepStrictEqual(
        [json.session.id, json.messages.map(({ role }: { role: string }) => role)],
        [session_id, ["user", "assistant"]]
      )
      assert.strictEqual((yield* call("GET", `/sessions/${session_id}/export?format=pdf`, { user })).status, 422)
    }))
})
