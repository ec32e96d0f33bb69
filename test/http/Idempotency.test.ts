import { assert, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { AgentDraft } from "../../src/domain/Agent.ts"
import { UserId } from "../../src/domain/Ids.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { type Collection, type Owned, Storage } from "../../src/services/Storage.ts"
import { endpoints } from "../support/endpoints.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0
const someone = () => UserId.make(`owner-${owners++}`)

const secret = "sk-planted-4711"

/** What each of the endpoints gets, and how many it has made of that. */
const settled = Effect.gen(function*() {
  const { call } = yield* Host
  const storage = yield* Storage
  const { issue } = yield* ApiKeys
  const user = someone()
  const { key } = yield* issue({
    user_id: user,
    name: "",
    scopes: ["read", "write", "chat", "admin"],
    expires_at: null
  })
  const headers = { authorization: `Bearer ${key}` }
  const must = (path: string, body: object) => Effect.map(call("POST", path, { headers, body }), ({ json }) => json)
  const { agent_id } = yield* must("/agent", { name: "Friday" })
  const { credential_id } = yield* must("/credential", { data: { type: "demo_credential" } })
  const sessionOn = (delay_ms: number) =>
    must("/sessions", {
      agent_id,
      chat_model_config: { type: "demo_credential", credential_id, model: "demo-chat", parameters: { delay_ms } }
    })
  const { session_id } = yield* sessionOn(0)
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-chat" }
  const chat = { agent_id, session_id, input: { content: "say one two three four five" } }
  const count = <A extends Owned, Columns extends string>({ list }: Collection<A, Columns>) =>
    Effect.map(Effect.orDie(list(user, { limit: 200, cursor: undefined })), ({ total }) => total)
  const posts = {
    "agents.create": { path: "/agent", body: { name: "Monday" }, made: count(storage.agents) },
    "credentials.create": {
      path: "/credential",
      body: { data: { type: "openai_compatible_credential", base_url: "http://127.0.0.1:9/v1", api_key: secret } },
      made: count(storage.credentials)
    },
    "sessions.create": { path: "/sessions", body: { agent_id, name: "one" }, made: count(storage.sessions) },
    "schedules.create": {
      path: "/schedule",
      body: { name: "one", agent_id, cron_expression: "@daily", chat_model_config },
      made: count(storage.schedules)
    },
    "notifications.create": {
      path: "/notification",
      body: { name: "one", kind: "webhook", url: "https://hooks.example.com/x" },
      made: count(storage.notifications)
    },
    "keys.create": { path: "/keys", body: { user_id: user, name: "laptop" }, made: count(storage.keys) },
    "chat.send": { path: "/chat", body: chat, made: count(storage.runs) },
    "chat.stream": { path: "/chat/stream", body: chat, made: count(storage.runs) },
    "chat.reply": { path: "/chat/reply", body: chat, made: count(storage.runs) },
    "chat.async": { path: "/chat/async", body: chat, made: count(storage.runs) }
  }
  const post = (path: string, body: unknown, key: string, more: Record<string, string> = {}) =>
    call("POST", path, { body, headers: { ...headers, "idempotency-key": key, ...more } })
  return { user, headers, posts, post, chat, sessionOn, runs: count(storage.runs) }
})

/** What a client sees of an answer, but for what belongs to the one request. */
const seen = ({ headers: { date: _, "x-request-id": __, ...headers }, status, text }: TestHost.Answer) => ({
  headers,
  status,
  text
})

const fifty = <A, E, R>(ask: (i: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: 50 }), (_, i) => ask(i), { concurrency: "unbounded" })

layer(TestHost.layer(), { excludeTestServices: true })("Idempotency-Key", (it) => {
  it.effect("is taken by every endpoint that makes or starts something, and documented there", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { posts } = yield* settled
      const { json: { paths } } = yield* call("GET", "/openapi.json")
      const takes = endpoints.filter(({ method, path }) =>
        paths[path.replace(/:(\w+)/g, "{$1}")][method.toLowerCase()].parameters
          .some((parameter: { in: string; name: string; required: boolean }) =>
            parameter.in === "header" && parameter.name === "idempotency-key" && !parameter.required
          )
      )
      // These make nothing, or have no body: test/http/{Schedules,Runs,Compaction,SessionKeys}.test.ts send them twice.
      assert.sameMembers(takes.map(({ name }) => name), [
        ...Object.keys(posts),
        "schedules.trigger",
        "runs.retry",
        "sessions.compact",
        "sessionKeys.reset"
      ])
    }))

  for (
    const name of [
      "agents.create",
      "credentials.create",
      "sessions.create",
      "schedules.create",
      "notifications.create",
      "keys.create",
      "chat.send",
      "chat.stream",
      "chat.reply",
      "chat.async"
    ] as const
  ) {
    it.effect(`fifty at once have one effect and get fifty equal answers: ${name}`, () =>
      Effect.gen(function*() {
        const { post, posts } = yield* settled
        const { body, made, path } = posts[name]
        const before = yield* made
        const answers = yield* fifty(() => post(path, body, "k"))
        assert.isBelow(answers[0]!.status, 300, answers[0]!.text)
        for (const answer of answers) assert.deepStrictEqual(seen(answer), seen(answers[0]!))
        assert.strictEqual((yield* made) - before, 1)
        assert.deepStrictEqual(seen(yield* post(`${path}/`, body, "k")), seen(answers[0]!))
        assert.strictEqual((yield* made) - before, 1)
        yield* post(path, body, "another")
        assert.strictEqual((yield* made) - before, 2)
      }))

    it.effect(`is refused with another body, and is another's own: ${name}`, () =>
      Effect.gen(function*() {
        const { post, posts } = yield* settled
        const { body, made, path } = posts[name]
        const first = yield* post(path, body, "k")
        const before = yield* made
        const other = name.startsWith("chat.") ? { ...body, on_busy: "reject" } : name === "credentials.create"
          ? { data: { type: "demo_credential" } }
          : { ...body, name: "two" }
        const refused = yield* post(path, other, "k")
        assert.deepInclude(refused.json, { status: 422, code: "idempotency_mismatch" })
        assert.notInclude(refused.text, secret)
        const elsewhere = path === "/agent" ? posts["sessions.create"] : posts["agents.create"]
        assert.deepInclude((yield* post(elsewhere.path, elsewhere.body, "k")).json, { code: "idempotency_mismatch" })
        assert.strictEqual(yield* made, before)
        const another = yield* settled
        const own = another.posts[name]
        const theirs = yield* another.post(path, own.body, "k")
        assert.strictEqual(theirs.status, first.status)
        assert.notStrictEqual(theirs.text, first.text)
      }))
  }

  it.effect("gives the same run whichever kind of answer is asked for", () =>
    Effect.gen(function*() {
      const { chat, headers, post, runs } = yield* settled
      const { call } = yield* Host
      const before = yield* runs
      const accepted = yield* post("/chat/async", chat, "k")
      assert.strictEqual(accepted.status, 202)
      assert.strictEqual(accepted.headers["location"], `/runs/${accepted.json.run_id}`)
      const reply = yield* post("/chat/reply", chat, "k")
      assert.match(reply.headers["content-type"]!, /^application\/json/)
      const stream = yield* post("/chat/stream", chat, "k")
      assert.match(stream.headers["content-type"]!, /^text\/event-stream/)
      assert.strictEqual((yield* post("/chat", chat, "k")).text, stream.text)
      const run = yield* call("GET", `/runs/${accepted.json.run_id}`, { headers })
      assert.strictEqual(run.json.reply_id, reply.json.id)
      assert.include(stream.text, reply.json.id)
      assert.strictEqual((yield* runs) - before, 1)
    }))

  it.effect("keeps no secret in clear: neither the key that is issued nor what a body held", () =>
    Effect.gen(function*() {
      const { post, posts, user } = yield* settled
      const { claims } = yield* Storage
      const issued = yield* post("/keys", posts["keys.create"].body, "one")
      yield* post("/credential", posts["credentials.create"].body, "two")
      const { items } = yield* claims.list(user, { limit: 10, cursor: undefined })
      assert.strictEqual(items.length, 2)
      const stored = JSON.stringify(items)
      for (const text of [secret, issued.json.key, issued.json.key.split("_").slice(2).join("_")]) {
        assert.notInclude(stored, text)
      }
      assert.strictEqual((yield* post("/keys", posts["keys.create"].body, "one")).json.key, issued.json.key)
    }))

  it.effect("gives the run's stream from its start, whoever comes back: while it goes on, after it, and as 202 or JSON", () =>
    Effect.gen(function*() {
      const { call, watch } = yield* Host
      const { chat, headers, post, runs, sessionOn } = yield* settled
      const { session_id } = yield* sessionOn(20)
      const body = { ...chat, session_id, input: { content: "repeat 20 word " } }
      const keyed = { ...headers, "idempotency-key": "k" }
      const first = yield* watch("POST", "/chat", { body, headers: keyed })
      yield* first.until((text) => text.includes("TEXT_BLOCK_DELTA"))
      first.leave()
      const second = yield* watch("POST", "/chat", { body, headers: keyed })
      const whole = yield* second.ended
      assert.include(whole, "REPLY_END")
      assert.match(whole, /^: ok\nid: 1\n/)
      const again = yield* post("/chat", body, "k")
      const events = (text: string) => text.split("\n").filter((line) => !line.startsWith(":"))
      assert.deepStrictEqual(events(again.text), events(whole))
      const accepted = yield* post("/chat", body, "k", { prefer: "respond-async" })
      assert.strictEqual(accepted.status, 202)
      assert.deepInclude(accepted.json, { session_id, seq: 0 })
      const reply = yield* post("/chat", body, "k", { accept: "application/json" })
      assert.strictEqual(reply.json.role, "assistant")
      assert.strictEqual(yield* runs, 1)
      const later = yield* call("POST", "/chat", { body, headers })
      assert.include(later.text, "REPLY_END")
      assert.deepStrictEqual(events((yield* post("/chat", body, "k")).text), events(whole))
    }).pipe(Effect.scoped))

  it.effect("gives a waiting input its one place in the queue", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { chat, headers, post, runs, sessionOn } = yield* settled
      const { session_id } = yield* sessionOn(10)
      const body = { ...chat, session_id }
      yield* call("POST", "/chat", {
        body: { ...body, input: { content: "repeat 50 word " } },
        headers: { ...headers, prefer: "respond-async" }
      })
      const answers = yield* fifty(() => post("/chat", body, "k", { prefer: "respond-async" }))
      for (const answer of answers) assert.deepStrictEqual(answer.json, answers[0]!.json)
      assert.strictEqual(yield* runs, 2)
      const streams = yield* fifty(() => post("/chat", body, "k"))
      for (const { text } of streams) {
        assert.include(text, "run_queued")
        assert.strictEqual(text.match(/"REPLY_END"/g)?.length, 1)
      }
      assert.strictEqual(yield* runs, 2)
    }))

  it.effect("is no bar after a refusal: the same key may then be tried again", () =>
    Effect.gen(function*() {
      const { post, runs, chat } = yield* settled
      const missing = yield* post("/chat", { ...chat, session_id: "none" }, "k")
      assert.strictEqual(missing.status, 404)
      assert.strictEqual((yield* post("/chat", chat, "k")).status, 200)
      assert.strictEqual(yield* runs, 1)
    }))

  it.effect("is 1 to 255 printable ASCII characters, and comes once", () =>
    Effect.gen(function*() {
      const { raw } = yield* Host
      const { headers, post, posts } = yield* settled
      const { body, made, path } = posts["agents.create"]
      const before = yield* made
      for (const key of ["", "x".repeat(256), "\u00e9"]) {
        const refused = yield* post(path, body, key)
        assert.deepInclude(refused.json, { status: 400, code: "invalid_idempotency_key" }, key)
      }
      const text = JSON.stringify(body)
      const doubled = yield* raw(
        [
          `POST ${path} HTTP/1.1`,
          "Host: localhost",
          `Authorization: ${headers.authorization}`,
          "Content-Type: application/json",
          `Content-Length: ${text.length}`,
          "Idempotency-Key: a",
          "Idempotency-Key: b",
          "Connection: close",
          "",
          text
        ].join("\r\n")
      )
      assert.deepInclude(doubled.json, { status: 400, code: "doubled_header" })
      assert.strictEqual(yield* made, before)
      assert.strictEqual((yield* post(path, body, "x".repeat(255))).status, 201)
    }))

  it.effect("is an optional header of the derived client", () =>
    Effect.gen(function*() {
      const { client } = yield* Host
      const { agents } = yield* client(someone())
      const make = (key?: string) =>
        agents.create({
          headers: key === undefined ? {} : { "idempotency-key": key },
          payload: Schema.decodeSync(AgentDraft)({ name: "Friday" })
        })
      assert.deepStrictEqual(yield* make("k"), yield* make("k"))
      assert.notDeepEqual(yield* make(), yield* make())
    }))
})
