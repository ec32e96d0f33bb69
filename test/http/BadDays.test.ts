/** Providers that are down, slow or full, and sessions that answer all the same: over HTTP, with servers of the tests' own. */
import { assert, layer } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { eventsOf } from "../../src/domain/Frames.ts"
import { isNamed } from "../support/events.ts"
import * as Fake from "../support/FakeOpenAi.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

interface Provider {
  readonly baseUrl: string
  /** Requests so far, and most of them that went on at the same time. */
  readonly asked: () => number
  readonly atOnce: () => number
}

/** A provider on loopback that answers every request in this way; `close` ends what still goes on. */
const provider = (answer: (response: ServerResponse) => void): Effect.Effect<Provider, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<Provider & { readonly close: () => void }>((resume) => {
        let asked = 0
        let now = 0
        let most = 0
        const server = createServer((request, response) => {
          asked++
          most = Math.max(most, ++now)
          // An answer is over with its last byte, or with its connection.
          let isOver = false
          const over = () => {
            if (!isOver) now--
            isOver = true
          }
          response.on("finish", over).on("close", over)
          request.resume().on("end", () => answer(response))
        })
        server.listen(0, "127.0.0.1", () => {
          const { port } = server.address() as AddressInfo
          resume(Effect.succeed({
            baseUrl: `http://127.0.0.1:${port}/v1`,
            asked: () => asked,
            atOnce: () => most,
            close: () => {
              server.closeAllConnections()
              server.close()
            }
          }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ asked, atOnce, baseUrl }) => ({ asked, atOnce, baseUrl })
  )

const down = provider((response) => {
  response.writeHead(503, { "content-type": "application/json" }).end("{}")
})

/** Says its words one by one, so long apart. */
const slow = (words: ReadonlyArray<string>, millis: number) =>
  provider((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" })
    response.flushHeaders()
    const events = [...words.map(Fake.text), Fake.finish("stop"), Fake.usage(7, words.length), "[DONE]"]
    const next = () => {
      const event = events.shift()
      const text = `data: ${typeof event === "string" ? event : JSON.stringify(event)}\n\n`
      if (events.length === 0) return void response.end(text)
      response.write(text)
      setTimeout(next, millis)
    }
    setTimeout(next, millis)
  })

/** Where nobody listens any more. */
const gone = Effect.map(Effect.scoped(down), ({ baseUrl }) => baseUrl)

let users = 0

const world = Effect.gen(function*() {
  const { call } = yield* Host
  const user = `user-${users++}`
  const post = (path: string, body: unknown) => Effect.map(call("POST", path, { user, body }), ({ json }) => json)
  const model = Effect.fnUntraced(function*(name: string, base_url: string, settings: object = {}) {
    const data = { type: "openai_compatible_credential", base_url, api_key: `sk-${name}`, ...settings }
    const { credential_id } = yield* post("/credential", { data })
    return { type: "openai_compatible_credential", credential_id: String(credential_id), model: name }
  })
  const session = Effect.fnUntraced(function*(config: object, agent: object = {}) {
    const { agent_id } = yield* post("/agent", { name: "A", ...agent })
    const { session_id } = yield* post("/sessions", { agent_id, ...config })
    return { agent_id: String(agent_id), session_id: String(session_id) }
  })
  const say = (ids: object) =>
    Effect.map(
      call("POST", "/chat", { user, body: { ...ids, input: { content: "Hello?" } } }),
      ({ text }) => eventsOf(text.slice(text.indexOf("id: "))).map(({ event }) => event)
    )
  return { user, model, session, say }
})

type Events = Effect.Effect.Success<ReturnType<Effect.Effect.Success<typeof world>["say"]>>

const said = (events: Events) => events.map((event) => event.type === "TEXT_BLOCK_DELTA" ? event.delta : "").join("")

const endOf = (events: Events) => {
  const last = events.at(-1)
  return last?.type === "REPLY_END" ? last : assert.fail(`The stream ends with ${last?.type}`)
}

layer(TestHost.layer(), { excludeTestServices: true })("Bad days", (it) => {
  it.scoped("A session answers while its first provider is down and its second is slow", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { model, say, session, user } = yield* world
      const second = yield* slow(["I ", "am ", "here."], 200)
      const [a, b] = [yield* model("first", yield* gone), yield* model("second", second.baseUrl)]
      const ids = yield* session({ chat_model_config: a, fallback_chat_model_config: b })
      const events = yield* say(ids)
      assert.strictEqual(said(events), "I am here.")
      assert.deepInclude(endOf(events), { finished_reason: "completed", error: null })
      assert.deepStrictEqual(
        events.flatMap((event) =>
          event.type === "MODEL_CALL_START"
            ? [["start", event.model_name, event.credential_id as string]]
            : event.type === "MODEL_CALL_END"
            ? [["end", event.stop_reason]]
            : isNamed(event, "model_switched")
            ? [["custom", event.name]]
            : []
        ),
        [
          ["start", "first", a.credential_id],
          ["end", "error"],
          ["custom", "model_switched"],
          ["start", "second", b.credential_id],
          ["end", "end_turn"]
        ]
      )
      const switched: object | undefined = events.find((event) => isNamed(event, "model_switched"))?.value
      assert.deepInclude(switched, { from: a, to: b, reply_id: endOf(events).reply_id })
      assert.nestedPropertyVal(switched, "error.type", "connection")
      assert.notInclude(JSON.stringify(events), "sk-")
      const { usage } = (yield* call("GET", "/usage?group_by=model,credential", { user })).json
      assert.strictEqual(usage.length, 2)
      assert.deepInclude(usage[0], { model: "first", credential_id: a.credential_id, calls: 1, errors: 1 })
      assert.deepInclude(usage[1], { model: "second", calls: 1, errors: 0, input_tokens: 7, output_tokens: 3 })
    }))

  it.scoped("a round that another model answered counts once towards max_iters", () =>
    Effect.gen(function*() {
      const { model, say, session } = yield* world
      const second = yield* Fake.make
      second.answer(
        { events: [Fake.callStart(0, "c1", "CurrentTime"), Fake.callArguments(0, "{}"), Fake.finish("tool_calls")] },
        { events: [Fake.text("Fine."), Fake.finish("stop")] }
      )
      const config = {
        chat_model_config: yield* model("first", yield* gone),
        fallback_chat_model_config: yield* model("second", second.baseUrl)
      }
      const events = yield* say(yield* session(config, { react_config: { max_iters: 2 } }))
      assert.strictEqual(said(events), "Fine.")
      assert.strictEqual(endOf(events).finished_reason, "completed")
    }))

  it.scoped("a provider that fails again and again is left alone, and the fallback answers at once", () =>
    Effect.gen(function*() {
      const { model, say, session } = yield* world
      const [first, second] = [yield* down, yield* slow(["Fine."], 1)]
      const ids = yield* session({
        chat_model_config: yield* model("first", first.baseUrl),
        fallback_chat_model_config: [yield* model("second", second.baseUrl)]
      })
      for (let i = 0; i < 3; i++) assert.strictEqual(said(yield* say(ids)), "Fine.")
      const asked = first.asked()
      assert.isAtLeast(asked, 5)
      const events = yield* say(ids)
      assert.strictEqual(said(events), "Fine.")
      assert.strictEqual(first.asked(), asked)
      const switched: object | undefined = events.find((event) => isNamed(event, "model_switched"))?.value
      assert.nestedPropertyVal(switched, "error.type", "upstream")
      assert.include(JSON.stringify(switched), "left alone")
    }))

  it.scoped("when all fail, the reply ends with the last one's error", () =>
    Effect.gen(function*() {
      const { model, say, session } = yield* world
      const refusing = yield* provider((response) => response.writeHead(401).end("{}"))
      const ids = yield* session({
        chat_model_config: yield* model("first", yield* gone),
        fallback_chat_model_config: [yield* model("second", refusing.baseUrl)]
      })
      const end = endOf(yield* say(ids))
      assert.deepInclude(end, { finished_reason: "error" })
      assert.deepInclude(end.error, { type: "authentication", code: "authentication" })
      assert.strictEqual(refusing.asked(), 1)
    }))

  it.scoped("what was wrong with the request itself is not asked of the next", () =>
    Effect.gen(function*() {
      const { model, say, session } = yield* world
      const refusing = yield* provider((response) => response.writeHead(400).end("{}"))
      const second = yield* slow(["Fine."], 1)
      const ids = yield* session({
        chat_model_config: yield* model("first", refusing.baseUrl),
        fallback_chat_model_config: [yield* model("second", second.baseUrl)]
      })
      assert.deepInclude(endOf(yield* say(ids)).error, { type: "invalid_request" })
      assert.strictEqual(second.asked(), 0)
    }))

  it.scoped("an agent's fallbacks serve the sessions that name none; an empty list is none", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { model, say, session, user } = yield* world
      const second = yield* slow(["Fine."], 1)
      const chat_model_config = yield* model("first", yield* gone)
      const agent = { fallback_chat_model_configs: [yield* model("second", second.baseUrl)] }
      const ids = yield* session({ chat_model_config }, agent)
      assert.strictEqual(said(yield* say(ids)), "Fine.")
      const path = `/sessions/${ids.session_id}`
      const none = yield* call("PATCH", path, { user, body: { fallback_chat_model_config: [] } })
      assert.deepStrictEqual(none.json.config.fallback_chat_model_config, [])
      assert.strictEqual(endOf(yield* say(ids)).finished_reason, "error")
      const kept = yield* call("PATCH", path, { user, body: { name: "N" } })
      assert.deepStrictEqual(kept.json.config.fallback_chat_model_config, [])
      const again = yield* call("PATCH", path, { user, body: { fallback_chat_model_config: null } })
      assert.isNull(again.json.config.fallback_chat_model_config)
      assert.strictEqual(said(yield* say(ids)), "Fine.")
    }))

  it.scoped("fallbacks are checked like the model itself, and a wrong one is named by its place", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { model, session, user } = yield* world
      const good = yield* model("good", "http://127.0.0.1:9/v1")
      const { agent_id, session_id } = yield* session({})
      const bad = { ...good, type: "demo_credential" }
      const missing = { ...good, credential_id: "0".repeat(32) }
      const doors: ReadonlyArray<readonly [string, string, object, string]> = [
        ["POST", "/sessions", { agent_id }, "fallback_chat_model_config"],
        ["PATCH", `/sessions/${session_id}`, {}, "fallback_chat_model_config"],
        ["POST", "/agent", { name: "B" }, "fallback_chat_model_configs"],
        ["PATCH", `/agent/${agent_id}`, {}, "fallback_chat_model_configs"]
      ]
      for (const [method, path, rest, field] of doors) {
        const ask = (value: unknown) => call(method, path, { user, body: { ...rest, [field]: value } })
        const wrong = yield* ask([good, bad])
        assert.deepStrictEqual([wrong.status, wrong.json.errors?.[0].path], [422, `${field}.1.type`], path)
        assert.strictEqual((yield* ask([good, missing])).status, 404, path)
        assert.strictEqual((yield* ask(Array.from({ length: 6 }, () => good))).status, 422, path)
        assert.isBelow((yield* ask(Array.from({ length: 5 }, () => good))).status, 300, path)
      }
    }))

  it.scoped("a credential's own limit makes calls wait their turn", () =>
    Effect.gen(function*() {
      const { model, say, session } = yield* world
      const only = yield* slow(["Fine."], 20)
      const chat_model_config = yield* model("only", only.baseUrl, { max_concurrency: 1 })
      const all = yield* Effect.all(Array.from({ length: 3 }, () => session({ chat_model_config })))
      const answers = yield* Effect.forEach(all, say, { concurrency: "unbounded" })
      assert.deepStrictEqual(answers.map(said), ["Fine.", "Fine.", "Fine."])
      assert.deepStrictEqual([only.asked(), only.atOnce()], [3, 1])
    }))

  it.scoped("a credential of every type takes limits, shows them, and refuses wrong ones", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { user } = yield* world
      const { schemas } = (yield* call("GET", "/credential/schemas", { user })).json
      for (const { properties } of schemas) {
        assert.deepInclude(properties.max_concurrency, { type: "integer", minimum: 1 })
        assert.deepInclude(properties.requests_per_minute, { type: "integer", minimum: 1 })
      }
      const data = { type: "demo_credential", max_concurrency: 3, requests_per_minute: 100 }
      const { credential_id } = (yield* call("POST", "/credential", { user, body: { data } })).json
      assert.deepInclude((yield* call("GET", `/credential/${credential_id}`, { user })).json.data, data)
      const wrong = yield* call("POST", "/credential", { user, body: { data: { ...data, max_concurrency: 0 } } })
      assert.deepStrictEqual([wrong.status, wrong.json.errors[0].path], [422, "data.max_concurrency"])
    }))
})
