/** Notifications as their owners meet them, and what their receivers get. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import type { UserId } from "../../src/domain/Ids.ts"
import * as Host from "../../src/layers/Host.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Jobs } from "../../src/services/Jobs.ts"
import { Scheduler } from "../../src/services/Scheduler.ts"
import { patience } from "../support/Patience.ts"
import { receiver, signatureOf } from "../support/Receiver.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

let users = 0

/** Waits until it is so. */
const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (a: A) => boolean) =>
  Effect.repeat(Effect.delay(look, 10), { until: isSo }).pipe(Effect.timeout(patience(20_000)))

/** What an admin's requests carry. */
const admin = Effect.gen(function*() {
  const { issue } = yield* ApiKeys
  const { key } = yield* issue({ user_id: "root" as UserId, name: "", scopes: ["admin"], expires_at: null })
  return { headers: { authorization: `Bearer ${key}` } }
})

/** A tenant with an agent and sessions, and calls of its own. */
const tenant = Effect.gen(function*() {
  const { call } = yield* Door
  const user = `told-${users++}`
  const ask = (method: string, path: string, body?: object, headers?: Record<string, string>) =>
    call(method, path, { user, ...body !== undefined && { body }, ...headers !== undefined && { headers } })
  const agent = Effect.map(ask("POST", "/agent", { name: "Friday" }), ({ json }): string => json.agent_id)
  const agent_id = yield* agent
  const { credential_id } = (yield* ask("POST", "/credential", { data: { type: "demo_credential" } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const session = (of = agent_id) =>
    Effect.map(ask("POST", "/sessions", { agent_id: of, chat_model_config }), ({ json }): string => json.session_id)
  const session_id = yield* session()
  const say = (text: string, to = session_id, of = agent_id) =>
    ask("POST", "/chat", { agent_id: of, session_id: to, input: { content: text } }, { accept: "application/json" })
  const notify = (more: object) =>
    Effect.map(ask("POST", "/notification", { name: "N", kind: "webhook", ...more }), ({ json, status, text }) => {
      assert.strictEqual(status, 201, text)
      return json as { readonly notification_id: string; readonly secret: string }
    })
  const deliveries = (id: string, query = "") =>
    Effect.map(ask("GET", `/notification/${id}/deliveries${query}`), ({ json }) => json.deliveries)
  /** Once so many jobs were done for the tenant. */
  const jobsDone = Effect.fnUntraced(function*(count: number) {
    const { json } = yield* until(
      call("GET", `/jobs?user_id=${user}&status=done`, yield* admin),
      ({ json }) => json.total === count
    )
    return json.jobs as ReadonlyArray<{ readonly id: string; readonly kind: string }>
  })
  return { jobsDone, user, ask, agent, agent_id, session, session_id, chat_model_config, say, notify, deliveries }
})

const host = Host.over(Host.memory, {
  schedule_min_seconds: 0.1,
  outbound: OutboundGuarded.layer({ hosts: [], loopback: true })
})

/** With the loops of a server. */
const looping = Layer.scopedContext(
  Effect.tap(Layer.build(host), (context) =>
    Effect.all([
      Effect.forkScoped(Context.get(context, Jobs).run),
      Effect.forkScoped(Context.get(context, Scheduler).run)
    ]))
)

layer(TestHost.layer({ host: looping }), { excludeTestServices: true, timeout: patience(60_000) })(
  "Notifications",
  (it) => {
    it.scoped("tell a webhook of each run once, signed, in the shape of Standard Webhooks", () =>
      Effect.gen(function*() {
        const { agent_id, ask, deliveries, notify, say, session_id } = yield* tenant
        const hook = yield* receiver
        const { notification_id, secret } = yield* notify({ url: `${hook.url}/in?token=hidden` })
        assert.match(secret, /^whsec_[A-Za-z0-9+/=]{44}$/)
        yield* say("say all is well")
        yield* until(Effect.sync(() => hook.got.length), (length) => length > 0)
        const [got] = hook.got
        assert.strictEqual(got!.path, "/in?token=hidden")
        assert.strictEqual(got!.headers["webhook-signature"], signatureOf(secret, got!))
        assert.approximately(Number(got!.headers["webhook-timestamp"]), Date.now() / 1000, 60)
        assert.strictEqual(got!.json.type, "run.completed")
        assert.deepInclude(got!.json.data.run, {
          session_id,
          status: "ended",
          finished_reason: "completed",
          reply: "all is well",
          waiting_for: []
        })
        assert.deepStrictEqual(got!.json.data.agent, { id: agent_id, name: "Friday" })
        assert.strictEqual(got!.json.data.text, "Friday has finished\n\nall is well")
        const [delivery] = yield* until(
          deliveries(notification_id),
          (found) => found[0]?.status === "delivered"
        )
        assert.deepInclude(delivery, {
          id: got!.headers["webhook-id"],
          event: "run.completed",
          session_id,
          target: `${hook.url}/in`,
          next_attempt_at: null
        })
        assert.deepInclude(delivery.attempts[0], { status: 204, error: null })
        // Nothing that is shown has the secret or the query.
        for (const path of ["/notification", `/notification/${notification_id}`]) {
          const { text } = yield* ask("GET", path)
          assert.notInclude(text, "hidden")
          assert.notInclude(text, secret)
          assert.notInclude(text, "sealed")
        }
        yield* Effect.sleep(100)
        assert.strictEqual(hook.got.length, 1)
      }))

    it.scoped("are about what they name: events, an agent, a session; and nobody else's", () =>
      Effect.gen(function*() {
        const mine = yield* tenant
        const other = yield* tenant
        const hook = yield* receiver
        const second = yield* mine.agent
        const inSecond = yield* mine.session(second)
        const inFirst = yield* mine.session()
        const about = {
          "of all": {},
          "of failures": { events: ["run.failed"] },
          "of the second agent": { agent_id: second },
          "of one session": { session_id: mine.session_id },
          "off": { enabled: false }
        }
        for (const [name, more] of Object.entries(about)) {
          yield* mine.notify({ url: `${hook.url}/${encodeURIComponent(name)}`, ...more })
        }
        yield* other.say("say other")
        yield* mine.say("say one")
        yield* mine.say("say two", inSecond, second)
        yield* mine.say("fail three", inFirst)
        const seen = () =>
          hook.got.map(({ json, path }) => `${decodeURIComponent(path.slice(1))}: ${json.data.run.reply || json.type}`)
            .toSorted()
        const expected = [
          "of all: one",
          "of all: run.failed",
          "of all: two",
          "of failures: run.failed",
          "of one session: one",
          "of the second agent: two"
        ]
        yield* until(Effect.sync(seen), (all) => all.length >= expected.length)
        yield* Effect.sleep(100)
        assert.deepStrictEqual(seen(), expected)
      }))

    it.scoped("tell when a run waits for a person, each time that it does", () =>
      Effect.gen(function*() {
        const { ask, notify, say, session_id } = yield* tenant
        const hook = yield* receiver
        yield* notify({ url: hook.url, events: ["run.waiting", "run.completed"] })
        const tools = [{ name: "look", description: "Looks", input_schema: { type: "object" } }]
        yield* ask("POST", "/chat", {
          session_id,
          agent_id: (yield* ask("GET", `/sessions/${session_id}`)).json.agent_id,
          input: { content: "call look {}\nthen\ncall look {}\nthen\nsay done" },
          tools
        }, { accept: "application/json" })
        for (const round of [1, 2]) {
          yield* until(Effect.sync(() => hook.got.length), (length) => length === round)
          const { data, type } = hook.got[round - 1]!.json
          assert.strictEqual(type, "run.waiting")
          assert.strictEqual(data.run.waiting_for.length, 1)
          assert.strictEqual(data.text, "Friday waits for an answer\n\nWaits: look")
          const [{ id }] = data.run.waiting_for
          yield* ask("POST", "/chat", {
            session_id,
            agent_id: data.agent.id,
            input: {
              type: "EXTERNAL_EXECUTION_RESULT",
              reply_id: (yield* ask("GET", `/sessions/${session_id}/messages`)).json.messages.at(-1).id,
              execution_results: [{ type: "tool_result", id, name: "look", output: "seen", state: "success" }]
            }
          }, { accept: "application/json" })
        }
        yield* until(Effect.sync(() => hook.got.length), (length) => length === 3)
        assert.strictEqual(hook.got[2]!.json.type, "run.completed")
        void say
      }))

    it.scoped("tell of fires that had no run", () =>
      Effect.gen(function*() {
        const { agent_id, ask, chat_model_config, notify } = yield* tenant
        const hook = yield* receiver
        yield* notify({ url: hook.url, events: ["schedule.missed"] })
        // A session of a schedule that cannot be made: the model went away.
        const { schedule_id } = (yield* ask("POST", "/schedule", {
          name: "Digest",
          agent_id,
          interval_seconds: 86_400,
          description: "say hi",
          chat_model_config
        })).json
        yield* ask("DELETE", `/credential/${chat_model_config.credential_id}?force=true`)
        yield* ask("POST", `/schedule/${schedule_id}/trigger`)
        yield* until(Effect.sync(() => hook.got.length), (length) => length === 1)
        const { data, type } = hook.got[0]!.json
        assert.strictEqual(type, "schedule.missed")
        assert.deepStrictEqual(data.schedule, { id: schedule_id, name: "Digest" })
        assert.deepInclude(data.fire, { status: "failed" })
        assert.isNull(data.run)
        assert.include(data.text, "Friday (Digest) did not run")
      }))

    it.scoped("say what became of each message: refused for good, switched off, tried again, and sent once more by hand", () =>
      Effect.gen(function*() {
        const { ask, deliveries, notify, say } = yield* tenant
        const hook = yield* receiver
        const answers: Record<string, number> = { refused: 403, gone: 410, busy: 503, inward: 302 }
        hook.answer = ({ url = "" }, response) => {
          const status = answers[url.slice(1)] ?? 204
          response.writeHead(status, { location: "http://169.254.169.254/latest", "retry-after": "7" }).end(
            "secret text"
          )
        }
        const ids: Record<string, string> = {}
        for (const name of Object.keys(answers)) {
          ids[name] = (yield* notify({ url: `${hook.url}/${name}` })).notification_id
        }
        yield* say("say hello")
        const one = (name: string) =>
          Effect.map(
            until(deliveries(ids[name]!), (found) => (found[0]?.attempts.length ?? 0) > 0),
            ([delivery]) => delivery
          )
        assert.deepInclude(yield* one("refused"), { status: "refused", next_attempt_at: null })
        assert.deepInclude(yield* one("inward"), { status: "refused" })
        assert.include((yield* one("inward")).attempts[0].error, "redirect")
        const busy = yield* one("busy")
        assert.strictEqual(busy.status, "pending")
        assert.approximately(Date.parse(busy.next_attempt_at), Date.now() + 6_000, 5_000)
        assert.strictEqual((yield* one("gone")).status, "refused")
        const { json: gone } = yield* ask("GET", `/notification/${ids["gone"]}`)
        assert.deepInclude(gone, { enabled: false })
        assert.include(gone.disabled_reason, "410")
        const { text } = yield* ask("GET", `/notification/${ids["refused"]}/deliveries`)
        assert.notInclude(text, "secret text")

        // By hand: not while it is tried, and with the same id and bytes.
        const path = (name: string, id: string) => `/notification/${ids[name]}/deliveries/${id}/resend`
        assert.strictEqual((yield* ask("POST", path("busy", busy.id))).status, 409)
        const { id } = yield* one("refused")
        assert.strictEqual((yield* ask("POST", path("gone", id))).status, 404)
        answers["refused"] = 200
        const again = yield* ask("POST", path("refused", id))
        assert.deepStrictEqual([again.status, again.json], [202, { delivery_id: id }])
        const [sent] = yield* until(deliveries(ids["refused"]!), ([found]) => found.status === "delivered")
        assert.deepStrictEqual(sent.attempts.map(({ status }: { status: number }) => status), [403, 200])
        const [first, second] = hook.got.filter(({ path }) => path === "/refused")
        assert.strictEqual(first!.body, second!.body)
        assert.strictEqual(first!.headers["webhook-id"], second!.headers["webhook-id"])
      }))

    it.scoped("are tried out by a message of their own, in Slack's form without a mention that a model has written", () =>
      Effect.gen(function*() {
        const { ask, deliveries, jobsDone, notify, say } = yield* tenant
        const hook = yield* receiver
        const { notification_id, secret } = yield* notify({
          kind: "slack",
          url: `${hook.url}/services/T0/B0/hidden`,
          template: "{{agent_name}}: {{reply}} {{unknown}}"
        })
        assert.isNull(secret)
        const { json: record } = yield* ask("GET", `/notification/${notification_id}`)
        assert.strictEqual(record.target, hook.url)
        yield* ask("PATCH", `/notification/${notification_id}`, { enabled: false })
        const { json, status } = yield* ask("POST", `/notification/${notification_id}/test`)
        assert.strictEqual(status, 202)
        yield* until(deliveries(notification_id, "?status=delivered"), ({ length }) => length === 1)
        assert.strictEqual((yield* deliveries(notification_id))[0].id, json.delivery_id)
        yield* say("say not told")
        yield* jobsDone(2)
        yield* ask("PATCH", `/notification/${notification_id}`, { enabled: true })
        yield* say("say <!channel> & <@U1>")
        yield* until(Effect.sync(() => hook.got.length), (length) => length === 2)
        assert.deepStrictEqual(hook.got[1]!.json, { text: "Friday: &lt;!channel&gt; &amp; &lt;@U1&gt; {{unknown}}" })
      }))

    it.effect("say which field is wrong, and take no more than there may be", () =>
      Effect.gen(function*() {
        const { ask } = yield* tenant
        const other = yield* tenant
        const url = "https://hooks.example.com/x"
        const wrong: ReadonlyArray<readonly [object, string]> = [
          [{ kind: "webhook" }, "url"],
          [{ kind: "webhook", url: "nonsense" }, "url"],
          [{ kind: "webhook", url: "ftp://example.com" }, "url"],
          [{ kind: "webhook", url: "http://169.254.169.254/latest" }, "url"],
          [{ kind: "webhook", url: "https://user:word@example.com" }, "url"],
          [{ kind: "webhook", url, secret: "word" }, "secret"],
          [{ kind: "webhook", url, to: "a@b.c" }, "to"],
          [{ kind: "slack", url, secret: `whsec_${"A".repeat(44)}` }, "secret"],
          [{ kind: "email", to: "a@b.example" }, "kind"],
          [{ kind: "email", to: "a@b\r\nBcc: c@d" }, "to"],
          [{ kind: "webhook", url, events: [] }, "events"],
          [{ kind: "webhook", url, agent_id: other.agent_id }, "agent_id"],
          [{ kind: "webhook", url, session_id: other.session_id }, "session_id"],
          [{ kind: "webhook", url, schedule_id: "nobody" }, "schedule_id"],
          [{ kind: "pigeon", url }, "kind"]
        ]
        for (const [body, path] of wrong) {
          const { json, status, text } = yield* ask("POST", "/notification", { name: "N", ...body })
          assert.strictEqual(status, 422, text)
          assert.strictEqual(json.errors[0].path, path, text)
        }
        const ids = yield* Effect.forEach(Array.from({ length: 50 }), () =>
          Effect.map(ask("POST", "/notification", { name: "N", kind: "webhook", url }), ({ json }) =>
            json.notification_id as string))
        const full = yield* ask("POST", "/notification", { name: "N", kind: "webhook", url })
        assert.deepStrictEqual([full.status, full.json.code], [429, "too_many_notifications"])
        for (const id of ids) {
          assert.strictEqual((yield* other.ask("GET", `/notification/${id}`)).status, 404)
        }
        assert.strictEqual((yield* other.ask("PATCH", `/notification/${ids[0]}`, { name: "X" })).status, 404)
        assert.strictEqual((yield* other.ask("POST", `/notification/${ids[0]}/test`)).status, 404)
        assert.strictEqual((yield* ask("DELETE", `/notification/${ids[0]}`)).status, 204)
        assert.strictEqual((yield* ask("GET", `/notification/${ids[0]}/deliveries`)).status, 404)
      }))

    it.effect("are made once for a key, and answered with the secret again", () =>
      Effect.gen(function*() {
        const { ask } = yield* tenant
        const body = { name: "N", kind: "webhook", url: "https://hooks.example.com/x" }
        const key = { "idempotency-key": "n1" }
        const [first, second] = yield* Effect.all([
          ask("POST", "/notification", body, key),
          ask("POST", "/notification", body, key)
        ], { concurrency: 2 })
        assert.strictEqual(first.status, 201)
        assert.deepStrictEqual(first.json, second.json)
        assert.strictEqual((yield* ask("GET", "/notification")).json.total, 1)
      }))

    it.scoped("are done as jobs that admins see, and no tenant does", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const { jobsDone, notify, say } = yield* tenant
        const hook = yield* receiver
        yield* notify({ url: hook.url })
        yield* say("say hello")
        const jobs = yield* jobsDone(2)
        assert.deepStrictEqual(jobs.map(({ kind }) => kind).toSorted(), ["delivery", "notice"])
        const { id } = jobs[0]!
        assert.strictEqual((yield* call("GET", `/jobs/${id}`, yield* admin)).json.status, "done")
        assert.strictEqual((yield* call("POST", `/jobs/${id}/retry`, yield* admin)).status, 409)
        assert.strictEqual((yield* call("GET", `/jobs/${id}`, { user: "somebody" })).status, 403)
      }))
  }
)
