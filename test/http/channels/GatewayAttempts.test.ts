/** Executions whose input is sent again, as clients of the Agent Gateway see them, and schedules that are made at once. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { AgentId, SessionId, UserId } from "../../../src/domain/Ids.ts"
import { SessionHub } from "../../../src/services/SessionHub.ts"
import { Waker } from "../../../src/services/Waker.ts"
import { eventually } from "../../support/live.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

interface Shown {
  readonly id: string
  readonly retried_from?: string
  readonly session_id: string
}

layer(TestHost.layer(), { excludeTestServices: true })("An execution that is tried again", (it) => {
  const client = Effect.gen(function*() {
    const { call } = yield* TestHost.TestHost
    const { agent_id, credential_id, key, user } = yield* tenant()
    const headers = { authorization: `Bearer ${key}` }
    const ask = (method: string, path: string, body?: unknown) =>
      call(method, `/v1${path}`, { headers, ...body !== undefined && { body } })
    const begin = Effect.map(
      ask("POST", `/agents/${agent_id}/invoke`, { message: "fail rate_limit", options: { async: true } }),
      ({ json }) => json.execution_id as string
    )
    const look = (id: string) => Effect.map(ask("GET", `/executions/${id}`), ({ json }) => json)
    return { agent_id, ask, begin, call, credential_id, look, user }
  })

  it.effect("has failed as soon as it is given up, however early", () =>
    Effect.gen(function*() {
      const { begin, call, credential_id, look, user } = yield* client
      const id = yield* begin
      yield* eventually("it has failed once", look(id), ({ error, status }) => status === "queued" && error !== null)
      const gone = yield* call("DELETE", `/credential/${credential_id}?force=true`, { user })
      assert.isBelow(gone.status, 300, gone.text)
      yield* Effect.forkScoped((yield* Waker).run)
      const given = yield* eventually("it is given up", look(id), ({ status }) => status !== "queued")
      assert.strictEqual(given.status, "failed")
      assert.isNotNull(given.completed_at)
    }).pipe(Effect.scoped))

  it.effect("has in its tree what a later attempt has started, and what all of them have cost", () =>
    Effect.gen(function*() {
      yield* Effect.forkScoped((yield* Waker).run)
      const hub = yield* SessionHub
      const { agent_id, ask, begin, call, look, user } = yield* client
      const id = yield* begin
      const runs = Effect.map(call("GET", "/runs", { user }), ({ json }) => json.runs as ReadonlyArray<Shown>)
      const all = yield* eventually("it is sent again", runs, (all) => all.some((run) => run.retried_from === id))
      const later = all.find((run) => run.retried_from === id)!
      const { run_id } = yield* hub.send(
        user as UserId,
        {
          agent_id: agent_id as AgentId,
          session_id: later.session_id as SessionId,
          input: { content: "say Child", name: "user", role: "user", metadata: {} },
          on_busy: "enqueue",
          tools: []
        },
        undefined,
        { source: "agent", source_id: later.id }
      )
      yield* eventually("the child ends", look(run_id), ({ status }) => status === "completed")
      for (const from of [id, run_id, later.id]) {
        const { json: tree } = yield* ask("GET", `/executions/${from}/workflow`)
        assert.deepStrictEqual(tree.map((node: { execution_id: string }) => node.execution_id), [id, run_id])
        assert.strictEqual(tree[1].parent_execution_id, id)
        assert.isAtLeast(tree[0].usage.llm_calls, 2)
        assert.strictEqual(tree[0].total_usage.llm_calls, tree[0].usage.llm_calls + 1)
      }
    }).pipe(Effect.scoped))

  it.effect("is no schedule: of several with one name that are made at once, one is made", () =>
    Effect.gen(function*() {
      const { agent_id, ask } = yield* client
      const body = { agent_id, name: "twice", cron_expr: "0 9 * * *", message: "say Morning" }
      const made = yield* Effect.all([1, 2, 3].map(() => ask("POST", "/schedules", body)), { concurrency: 3 })
      assert.deepStrictEqual(made.map(({ status }) => status).toSorted(), [201, 409, 409])
      assert.strictEqual((yield* ask("GET", "/schedules")).json.length, 1)
      const long = { ...body, name: "long", input: { text: "a".repeat(64 * 1024) } }
      const refused = yield* ask("POST", "/schedules", long)
      assert.deepStrictEqual([refused.status, refused.json.error.code], [400, "schedule_validation_error"])
    }))
})
