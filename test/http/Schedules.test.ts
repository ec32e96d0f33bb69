/** Schedules as clients of the API meet them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Scheduler } from "../../src/services/Scheduler.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let users = 0

/** A tenant with an agent, a credential, and schedules that fire once a day. */
const tenant = Effect.gen(function*() {
  const { call } = yield* Host
  const user = `clockmaker-${users++}`
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
  const { credential_id } = (yield* call("POST", "/credential", {
    user,
    body: { data: { type: "demo_credential" } }
  })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters: {} }
  const draft = { name: "Morning", agent_id, cron_expression: "54 3 * * *", timezone: "UTC", chat_model_config }
  const ask = (method: string, path: string, body?: object, headers?: Record<string, string>) =>
    call(method, path, { user, ...body !== undefined && { body }, ...headers !== undefined && { headers } })
  const create = (more: object = {}) => ask("POST", "/schedule/", { ...draft, ...more })
  const created = (more: object = {}) =>
    Effect.map(create(more), ({ json, status, text }): string => {
      assert.strictEqual(status, 201, text)
      return json.schedule_id
    })
  return { user, agent_id, chat_model_config, draft, ask, create, created }
})

/** Once the newest fire of the schedule is at this. */
const fired = (ask: Effect.Effect.Success<typeof tenant>["ask"], id: string, status: string) =>
  Effect.gen(function*() {
    for (;;) {
      const { json } = yield* ask("GET", `/schedule/${id}/fires`)
      if (json.fires[0]?.status === status) return json.fires[0]
      yield* Effect.sleep(20)
    }
  }).pipe(Effect.timeout(patience(20_000)))

layer(TestHost.layer(), { excludeTestServices: true, timeout: patience(60_000) })("Schedules", (it) => {
  it.scoped("have the shapes that clients of the Agent Service read and send", () =>
    Effect.gen(function*() {
      const { agent_id, ask, chat_model_config, user } = yield* tenant
      const made = yield* ask("POST", "/schedule/", {
        name: "Night watch",
        description: "say all is well",
        cron_expression: "54 3 * * *",
        timezone: "UTC",
        agent_id,
        chat_model_config,
        enabled: true,
        stateful: false,
        permission_mode: "dont_ask"
      })
      assert.strictEqual(made.status, 201)
      assert.deepStrictEqual(Object.keys(made.json), ["schedule_id"])
      const id = made.json.schedule_id
      assert.strictEqual(made.headers["location"], `/schedule/${id}`)

      const { json: listed } = yield* ask("GET", "/schedule/")
      assert.strictEqual(listed.total, 1)
      const [schedule] = listed.schedules
      assert.deepInclude(schedule, { id, user_id: user, agent_id })
      assert.isString(schedule.created_at)
      assert.isString(schedule.updated_at)
      assert.deepInclude(schedule.data, {
        name: "Night watch",
        description: "say all is well",
        enabled: true,
        timezone: "UTC",
        cron_expression: "54 3 * * *",
        ended_at: null,
        chat_model_config,
        stateful: false,
        permission_mode: "dont_ask",
        source: "USER",
        source_session_id: null
      })
      assert.isString(schedule.data.started_at)

      const changed = yield* ask("PATCH", `/schedule/${id}`, { name: "Day watch", enabled: false, stateful: true })
      assert.strictEqual(changed.status, 200)
      assert.deepInclude(changed.json.data, { name: "Day watch", enabled: false, stateful: true, timezone: "UTC" })
      assert.deepInclude(changed.json, { status: "paused", next_fire_at: null })

      const { json: sessions } = yield* ask("GET", `/schedule/${id}/sessions`)
      assert.deepInclude(sessions, { sessions: [], total: 0 })
      const removed = yield* ask("DELETE", `/schedule/${id}`)
      assert.deepStrictEqual([removed.status, removed.text], [204, ""])
      assert.strictEqual((yield* ask("GET", `/schedule/${id}`)).status, 404)
    }))

  it.scoped("belong to their owner: to everybody else they do not exist", () =>
    Effect.gen(function*() {
      const { ask: mine, created } = yield* tenant
      const { ask: theirs, create, draft } = yield* tenant
      const id = yield* created()
      for (
        const [method, path, body] of [
          ["GET", ""],
          ["PATCH", "", { name: "taken" }],
          ["DELETE", ""],
          ["GET", "/sessions"],
          ["GET", "/fires"],
          ["GET", "/next"],
          ["POST", "/pause"],
          ["POST", "/resume"],
          ["POST", "/trigger"]
        ] as const
      ) assert.strictEqual((yield* theirs(method, `/schedule/${id}${path}`, body)).status, 404, `${method} ${path}`)
      assert.strictEqual((yield* theirs("GET", "/schedule")).json.total, 0)
      const { json } = yield* mine("GET", `/schedule/${id}`)
      assert.deepInclude(json, { status: "active" })
      assert.strictEqual(json.data.name, "Morning")

      // Nor can they use somebody else's agent or credential.
      const foreignAgent = yield* create({ agent_id: json.agent_id })
      assert.strictEqual(foreignAgent.status, 422)
      assert.strictEqual(foreignAgent.json.errors[0].path, "agent_id")
      const foreignCredential = yield* create({ chat_model_config: json.data.chat_model_config })
      assert.strictEqual(foreignCredential.status, 422)
      assert.match(foreignCredential.json.errors[0].path, /^chat_model_config/)
      assert.strictEqual((yield* create(draft)).status, 201)
    }))

  it.scoped("take the model that their agent has now when they name none, and are refused where neither has one", () =>
    Effect.gen(function*() {
      const { agent_id, ask, chat_model_config, create, created } = yield* tenant
      const none = yield* create({ chat_model_config: undefined })
      assert.strictEqual(none.status, 422)
      assert.strictEqual(none.json.errors[0].path, "chat_model_config")
      assert.include(none.json.errors[0].message, `PATCH /agent/${agent_id}`)
      yield* ask("PATCH", `/agent/${agent_id}`, { chat_model_config })
      for (const chat_model_config_of_draft of [undefined, null]) {
        const id = yield* created({ chat_model_config: chat_model_config_of_draft })
        const { json } = yield* ask("GET", `/schedule/${id}`)
        assert.deepStrictEqual(json.data.chat_model_config, chat_model_config)
      }
    }))

  it.scoped("are refused with the field that is wrong, by a draft, a change and a preview alike", () =>
    Effect.gen(function*() {
      const { ask, create, created } = yield* tenant
      const id = yield* created()
      const never = "0 0 30 2 *"
      const cases: ReadonlyArray<readonly [field: string, wrong: Record<string, unknown>]> = [
        ["cron_expression", { cron_expression: "every day" }],
        ["cron_expression", { cron_expression: "61 * * * *" }],
        ["cron_expression", { cron_expression: never }],
        ["cron_expression", { cron_expression: "* * * * * *" }],
        ["cron_expression", { cron_expression: "x".repeat(257) }],
        ["timezone", { timezone: "Mars/Olympus" }],
        ["interval_seconds", { cron_expression: undefined, interval_seconds: 0.5 }],
        ["once_at", { cron_expression: undefined, once_at: "tomorrow" }],
        ["ended_at", { started_at: "2030-01-02T00:00:00Z", ended_at: "2030-01-01T00:00:00Z" }]
      ]
      for (const [field, wrong] of cases) {
        const what = JSON.stringify(wrong).slice(0, 80)
        const drafted = yield* create(wrong)
        assert.strictEqual(drafted.status, 422, what)
        assert.strictEqual(drafted.json.errors[0].path, field, what)
        const patched = yield* ask("PATCH", `/schedule/${id}`, wrong)
        assert.strictEqual(patched.status, 422, what)
        assert.strictEqual(patched.json.errors[0].path, field, what)
        const query = new URLSearchParams({ cron_expression: "54 3 * * *" })
        for (const [name, value] of Object.entries(wrong)) {
          if (value === undefined) query.delete(name)
          else query.set(name, String(value))
        }
        const previewed = yield* ask("GET", `/schedule/next?${query}`)
        assert.strictEqual(previewed.status, 422, what)
        assert.strictEqual(previewed.json.errors[0].path, field, what)
      }
      for (
        const wrong of [
          { cron_expression: undefined },
          { interval_seconds: 60 },
          { name: "" },
          { overlap: "both" },
          { jitter_seconds: -1 },
          { max_fires: 0 },
          { keep_sessions: 0 },
          { permission_mode: "anything" },
          { output_schema: [] }
        ]
      ) assert.strictEqual((yield* create(wrong)).status, 422, JSON.stringify(wrong))
      assert.strictEqual((yield* ask("GET", "/schedule")).json.total, 1)
      assert.strictEqual((yield* ask("GET", `/schedule/${id}`)).json.data.cron_expression, "54 3 * * *")
    }))

  it.scoped("are listed page by page, and their fires too", () =>
    Effect.gen(function*() {
      const { ask, created } = yield* tenant
      const ids: Array<string> = []
      for (let n = 0; n < 5; n++) ids.push(yield* created({ name: `${n}` }))
      const seen: Array<string> = []
      let cursor = ""
      do {
        const { json } = yield* ask("GET", `/schedule?limit=2${cursor && `&cursor=${cursor}`}`)
        assert.isAtMost(json.schedules.length, 2)
        seen.push(...json.schedules.map((schedule: { readonly id: string }) => schedule.id))
        cursor = json.next_cursor ?? ""
      } while (cursor !== "")
      assert.deepStrictEqual(seen, ids)
      assert.strictEqual((yield* ask("GET", "/schedule?cursor=nothing")).status, 400)
      assert.strictEqual((yield* ask("GET", `/schedule/${ids[0]}/fires?status=never`)).status, 422)
    }))

  it.scoped("say when they fire next, and what a clock change does to that", () =>
    Effect.gen(function*() {
      const { ask, created } = yield* tenant
      const query = new URLSearchParams({
        cron_expression: "30 2 * * *",
        timezone: "Europe/Athens",
        started_at: "2027-03-26T00:00:00",
        count: "5"
      })
      const { json } = yield* ask("GET", `/schedule/next?${query}`)
      assert.strictEqual(json.timezone, "Europe/Athens")
      assert.deepStrictEqual(json.next.map(({ at }: { readonly at: string }) => at.slice(0, 16)), [
        "2027-03-26T00:30",
        "2027-03-27T00:30",
        "2027-03-28T00:30",
        "2027-03-28T23:30",
        "2027-03-29T23:30"
      ])
      assert.isNotEmpty(json.clock_changes)
      const id = yield* created()
      assert.strictEqual((yield* ask("GET", `/schedule/${id}/next?count=3`)).json.next.length, 3)
      yield* ask("POST", `/schedule/${id}/pause`)
      assert.deepStrictEqual((yield* ask("GET", `/schedule/${id}/next`)).json.next, [])
    }))

  it.scoped("fire when they are told to, once for each key, and show what came of it", () =>
    Effect.gen(function*() {
      const scheduler = yield* Scheduler
      yield* Effect.forkScoped(scheduler.run)
      const { ask, created } = yield* tenant
      const id = yield* created({ description: "say hello", enabled: false })
      const trigger = ask("POST", `/schedule/${id}/trigger`, undefined, { "idempotency-key": `key of ${id}` })
      const [first, second] = yield* Effect.all([trigger, trigger], { concurrency: 2 })
      assert.deepStrictEqual([first.status, second.status], [202, 202])
      assert.strictEqual(first.json.fire_id, second.json.fire_id)
      const fire = yield* fired(ask, id, "completed")
      assert.deepInclude(fire, {
        id: first.json.fire_id,
        schedule_id: id,
        trigger: "manual",
        number: null,
        error: null
      })
      assert.strictEqual((yield* ask("GET", `/schedule/${id}/fires?status=completed`)).json.fires.length, 1)
      assert.strictEqual((yield* ask("GET", `/schedule/${id}/fires?status=failed`)).json.fires.length, 0)

      const { json: sessions } = yield* ask("GET", `/schedule/${id}/sessions`)
      assert.deepInclude(sessions.sessions[0], { id: fire.session_id, source: "schedule", source_schedule_id: id })
      const { json: run } = yield* ask("GET", `/runs/${fire.run_id}`)
      assert.deepInclude(run, { source: "schedule", source_id: fire.id, session_id: fire.session_id })
      const { json: transcript } = yield* ask("GET", `/sessions/${fire.session_id}/messages`)
      assert.include(JSON.stringify(transcript.messages), "hello")

      // With the schedule goes what it made.
      assert.strictEqual((yield* ask("DELETE", `/schedule/${id}`)).status, 204)
      assert.strictEqual((yield* ask("GET", `/sessions/${fire.session_id}/messages`)).status, 404)
    }))

  it.scoped("stop what runs when they are deleted", () =>
    Effect.gen(function*() {
      const scheduler = yield* Scheduler
      yield* Effect.forkScoped(scheduler.run)
      const { ask, chat_model_config, created } = yield* tenant
      const slow = { ...chat_model_config, parameters: { delay_ms: 20 } }
      const id = yield* created({ description: "repeat 100000 word ", chat_model_config: slow })
      yield* ask("POST", `/schedule/${id}/trigger`)
      const { run_id } = yield* fired(ask, id, "running")
      assert.strictEqual((yield* ask("DELETE", `/schedule/${id}`)).status, 204)
      assert.strictEqual((yield* ask("GET", `/runs/${run_id}`)).status, 404)
    }))
})
