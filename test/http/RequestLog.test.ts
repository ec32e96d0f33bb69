import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger, LogLevel, Schedule } from "effect"
import * as TestHost from "../support/TestHost.ts"

const { Logged, TestHost: Door } = TestHost

const planted = "sk-planted-4711"

/** Lines that tell of a request; the annotations are their last part. */
const told = (lines: ReadonlyArray<string>, what: string) =>
  lines.filter((line) => line.includes(what)).map((line): Record<string, unknown> =>
    Object.fromEntries(JSON.parse(line.slice(line.lastIndexOf(" [[") + 1)))
  )

const seen = (lines: ReadonlyArray<string>, what: string) =>
  Effect.sync(() => told(lines, what)).pipe(
    Effect.filterOrFail((found) => found.length > 0, () => new Error(`Not in the log: ${what}`)),
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("10 seconds"),
    Effect.orDie
  )

const settings = { user: "ada" }

layer(
  TestHost.layer({ logRequests: true }).pipe(
    Layer.provideMerge(TestHost.logged),
    Layer.provide(Logger.minimumLogLevel(LogLevel.Info))
  ),
  { excludeTestServices: true }
)("A line of the log", (it) => {
  it.effect("tells of each request what it was, what came of it, who asked, and nothing that was sent", () =>
    Effect.gen(function*() {
      const { call } = yield* Door
      const lines = yield* Logged
      const answer = yield* call("GET", `/agent?limit=7&cursor=${planted}`, {
        ...settings,
        headers: { "x-request-id": "req-1", "x-planted": planted }
      })
      const [line] = yield* seen(lines, "req-1")
      assert.deepInclude(line, {
        request_id: "req-1",
        user_id: "ada",
        method: "GET",
        path: "/agent",
        status: answer.status
      })
      assert.isAtLeast(Number(line!["duration_ms"]), 0)
      assert.strictEqual(line!["bytes"], answer.text.length)
      yield* call("POST", "/agent", { ...settings, body: { name: planted }, headers: { "x-request-id": "req-2" } })
      assert.lengthOf(yield* seen(lines, "req-2"), 1)
      assert.notInclude(lines.join("\n"), planted)
    }))

  it.effect("names the problem of a request that was refused, also of one that nobody may ask", () =>
    Effect.gen(function*() {
      const { call } = yield* Door
      const lines = yield* Logged
      yield* call("GET", "/agent", { headers: { "x-request-id": "req-3" } })
      assert.deepInclude((yield* seen(lines, "req-3"))[0], { status: 401, code: "unauthenticated" })
      yield* call("GET", "/nope", { headers: { "x-request-id": "req-4" } })
      assert.deepInclude((yield* seen(lines, "req-4"))[0], { status: 404, code: "no_such_path", path: "/nope" })
    }))

  it.effect("is not written for those who only ask whether the server lives", () =>
    Effect.gen(function*() {
      const { call } = yield* Door
      const lines = yield* Logged
      for (const path of ["/liveness", "/readiness/", "/health"]) {
        yield* call("GET", path, { headers: { "x-request-id": "probe-1" } })
      }
      yield* call("GET", "/agent", { ...settings, headers: { "x-request-id": "req-5" } })
      yield* seen(lines, "req-5")
      assert.isEmpty(told(lines, "probe-1"))
    }))

  it.scoped("comes for a stream when it has ended, with its session, and for an input with its run", () =>
    Effect.gen(function*() {
      const { call, watch } = yield* Door
      const lines = yield* Logged
      const { agent_id } = (yield* call("POST", "/agent", { ...settings, body: { name: "Friday" } })).json
      const { credential_id } =
        (yield* call("POST", "/credential", { ...settings, body: { data: { type: "demo_credential" } } })).json
      const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
      const { session_id } =
        (yield* call("POST", "/sessions", { ...settings, body: { agent_id, chat_model_config } })).json
      const watching = yield* watch("GET", `/sessions/${session_id}/stream`, {
        ...settings,
        headers: { "x-request-id": "stream-1" }
      })
      const chat = yield* watch("POST", "/chat", {
        ...settings,
        body: { agent_id, session_id, input: { content: `say ${planted}` } },
        headers: { "x-request-id": "chat-1" }
      })
      yield* chat.ended
      const [sent] = yield* seen(lines, "\"chat-1\"")
      assert.deepInclude(sent, { status: 200, session_id, user_id: "ada", path: "/chat" })
      assert.isString(sent!["run_id"])
      assert.isEmpty(told(lines, "stream-1"))
      watching.leave()
      assert.deepInclude((yield* seen(lines, "stream-1"))[0], { status: 200, session_id, user_id: "ada" })
      assert.notInclude(lines.join("\n"), planted)
    }))

  it.effect("says once in a while why requests cannot be served, and how often that came", () =>
    Effect.gen(function*() {
      const { call, setReady } = yield* Door
      const lines = yield* Logged
      yield* setReady(false)
      for (let i = 0; i < 5; i++) {
        assert.strictEqual((yield* call("POST", "/agent", { ...settings, body: {} })).status, 503)
      }
      yield* setReady(true)
      const warnings = lines.filter((line) => line.startsWith("WARN"))
      assert.isAtLeast(warnings.length, 1)
      assert.isBelow(warnings.length, 5)
      assert.include(warnings[0], "starting or shutting down")
      assert.include(warnings[0], "\"unavailable\"")
    }))
})

layer(TestHost.layer().pipe(Layer.provideMerge(TestHost.logged)), { excludeTestServices: true })(
  "Without a log of requests",
  (it) => {
    it.effect("there is no line of one that was answered", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const lines = yield* Logged
        yield* call("GET", "/agent", settings)
        yield* Effect.sleep("50 millis")
        assert.isEmpty(told(lines, "/agent"))
      }))
  }
)
