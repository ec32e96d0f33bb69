/** What a client sees of a context that is summarised. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0
const freshUser = () => `compacting-${owners++}`

const settled = Effect.gen(function*() {
  const { call } = yield* Host
  const user = freshUser()
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
  const { credential_id } =
    (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
  const ended = (run_id: string) =>
    Effect.map(
      Effect.repeat(Effect.delay(call("GET", `/runs/${run_id}`, { user }), "20 millis"), {
        until: ({ json }): boolean => json.status === "ended",
        times: patience(1_500)
      }),
      ({ json }) => json
    )
  const say = (content: string) =>
    Effect.map(
      call("POST", "/chat/reply", { user, body: { agent_id, session_id, input: { content } } }),
      ({ json }) => json
    )
  return { user, session_id, ended, say }
})

layer(TestHost.layer(), { excludeTestServices: true })("A compaction", (it) => {
  it.effect("is one run for a key, however often it is asked for, and a model is given its summary then", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { ended, say, session_id, user } = yield* settled
      for (const content of ["say one", "say two", "say three"]) yield* say(content)
      const compact = (key: string) =>
        call("POST", `/sessions/${session_id}/compact`, { user, headers: { "idempotency-key": key } })
      const answers = yield* Effect.all(Array.from({ length: 10 }, () => compact("k")), { concurrency: "unbounded" })
      for (const { headers, json, status } of answers) {
        assert.strictEqual(status, 202)
        assert.deepStrictEqual(json, answers[0]!.json)
        assert.strictEqual(headers["location"], `/runs/${json.run_id}`)
      }
      const run = yield* ended(answers[0]!.json.run_id)
      assert.deepInclude(run, { finished_reason: "completed", compact: true, input: [] })
      const { json } = yield* call("GET", `/sessions/${session_id}/messages`, { user })
      assert.include(json.messages.at(-1).content[0].text, "was summarised")
      assert.strictEqual(json.total, 7)
      // The summary, what the compaction said, and this question.
      assert.deepInclude(JSON.parse((yield* say("context")).content[0].text), { messages: 3 })
      // Sent again it is a compaction again.
      const again = yield* call("POST", `/runs/${run.id}/retry`, { user })
      assert.isTrue((yield* ended(again.json.run_id)).compact)
      assert.strictEqual((yield* compact("k")).json.run_id, run.id)
    }))

  it.effect("is refused for a session that is not there, is somebody else's, or has no model", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { session_id, user } = yield* settled
      const compact = (user: string, id: string) => call("POST", `/sessions/${id}/compact`, { user })
      assert.strictEqual((yield* compact(freshUser(), session_id)).status, 404)
      assert.strictEqual((yield* compact(user, "nothing")).status, 404)
      const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
      const bare = (yield* call("POST", "/sessions", { user, body: { agent_id } })).json
      assert.deepInclude((yield* compact(user, bare.session_id)).json, { status: 409, code: "model_not_configured" })
    }))
})
