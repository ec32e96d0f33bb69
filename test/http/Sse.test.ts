import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { connect } from "node:net"
import { eventsOf } from "../../src/domain/Frames.ts"
import { Timestamp, UserId } from "../../src/domain/Ids.ts"
import * as Host from "../../src/layers/Host.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Rooms } from "../../src/services/Rooms.ts"
import { SessionHub } from "../../src/services/SessionHub.ts"
import { kindOf } from "../support/events.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

let owners = 0

/** A user with a session that talks to the demo model. */
const talk = Effect.fnUntraced(function*(model = "demo-script", parameters: Record<string, unknown> = {}) {
  const { call } = yield* Door
  const user = `owner-${owners++}`
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
  const { credential_id } =
    (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model, parameters }
  const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
  return {
    user,
    session_id,
    stream: `/sessions/${session_id}/stream`,
    body: (content: string) => ({ agent_id, session_id, input: { content } })
  }
})

const seqsOf = (text: string) => eventsOf(text).map(({ seq }) => seq)

const upTo = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

const lastOf = (text: string) => eventsOf(text).at(-1)?.event.type

/** How many subscribers each session has at the door. */
const subscribers = new Map<string, number>()

const counting = Layer.effect(
  SessionHub,
  Effect.map(SessionHub, (hub) =>
    SessionHub.of({
      ...hub,
      attach: (session, sink, subscription) => {
        const count = (by: number) =>
          Effect.sync(() => subscribers.set(session.id, (subscribers.get(session.id) ?? 0) + by))
        return Effect.zipRight(
          Effect.acquireRelease(count(1), () => count(-1)),
          hub.attach(session, sink, subscription)
        )
      }
    }))
)

layer(TestHost.layer({ host: Layer.provideMerge(counting, Host.layerMemory) }), { excludeTestServices: true })(
  "Streams",
  (it) => {
    it.scoped("begin at once, say what they are, and hold frames of an id and a line of JSON", () =>
      Effect.gen(function*() {
        const { watch } = yield* Door
        const { body, user } = yield* talk()
        const chat = yield* watch("POST", "/chat", { user, body: body("think hm\nsay hello\nworld") })
        const text = yield* chat.ended
        assert.strictEqual(chat.status, 200)
        assert.deepInclude(Object.fromEntries(chat.headers), {
          "content-type": "text/event-stream; charset=utf-8",
          "cache-control": "no-cache",
          "x-accel-buffering": "no",
          "x-content-type-options": "nosniff"
        })
        assert.isNull(chat.headers.get("content-encoding"))
        assert.isNotNull(chat.headers.get("x-request-id"))
        assert.isTrue(text.startsWith(": ok\n"))
        assert.isTrue(text.endsWith("\n\n"))
        assert.notInclude(text, "\r")
        for (const frame of text.slice(": ok\n".length, -2).split("\n\n")) {
          assert.match(frame, /^id: [1-9]\d*\ndata: \{[^\n]*\}$/)
        }
        assert.deepStrictEqual(seqsOf(text), upTo(seqsOf(text).length))
        assert.strictEqual(kindOf(eventsOf(text)[0]!.event), "user_message")
        assert.strictEqual(lastOf(text), "REPLY_END")
      }))

    it.scoped("are whole for a client that knows no chunks, and for one that asks for two at once", () =>
      Effect.gen(function*() {
        const { raw } = yield* Door
        const { body, user } = yield* talk()
        const request = (version: string, connection: string) => {
          const text = JSON.stringify(body("say hello\nworld"))
          return `POST /chat HTTP/${version}\r\nhost: localhost\r\nx-user-id: ${user}\r\nconnection: ${connection}\r\n` +
            `content-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n${text}`
        }
        const old = yield* raw(request("1.0", "close"))
        assert.notProperty(old.headers, "transfer-encoding")
        assert.isTrue(old.text.startsWith(": ok\n"))
        const length = seqsOf(old.text).length
        assert.deepStrictEqual(seqsOf(old.text), upTo(length))
        const both = yield* raw(request("1.1", "keep-alive"), request("1.1", "close"))
        const frames = both.text.split("\r\n").filter((line) => line.startsWith("id: ")).join("")
        assert.includeMembers(seqsOf(frames), upTo(3 * length, length + 1))
      }))

    it.scoped("begin before anything has happened", () =>
      Effect.gen(function*() {
        const { watch } = yield* Door
        const { stream, user } = yield* talk()
        const watching = yield* watch("GET", stream, { user })
        assert.strictEqual(yield* watching.until((text) => text !== ""), ": ok\n")
      }))

    it.scoped("show everybody the same bytes, whenever they come", () =>
      Effect.gen(function*() {
        const { watch } = yield* Door
        const { body, stream, user } = yield* talk("demo-chat", { delay_ms: 5 })
        const early = yield* watch("GET", stream, { user })
        const chat = yield* watch("POST", "/chat", { user, body: body("hello") })
        yield* chat.until((text) => text.includes("TEXT_BLOCK_DELTA"))
        const joining = yield* watch("GET", stream, { user })
        const replaying = yield* watch("GET", `${stream}?after=0`, { user })
        const whole = yield* chat.ended
        const late = yield* watch("GET", `${stream}?after=0`, { user })
        for (const watching of [early, joining, replaying, late]) {
          assert.strictEqual(yield* watching.until((text) => text.includes("REPLY_END")), whole)
        }
      }))

    it.scoped("go on after the last id, by query or header, and the header wins", () =>
      Effect.gen(function*() {
        const { watch } = yield* Door
        const { body, stream, user } = yield* talk()
        const whole = yield* (yield* watch("POST", "/chat", { user, body: body("say hello") })).ended
        const last = seqsOf(whole).at(-1)!
        const after = (path: string, headers: Record<string, string> = {}) =>
          Effect.gen(function*() {
            const watching = yield* watch("GET", stream + path, { user, headers })
            return seqsOf(yield* watching.until((text) => text.includes("REPLY_END")))
          })
        assert.deepStrictEqual(yield* after("?after=3"), upTo(last, 4))
        assert.deepStrictEqual(yield* after("", { "last-event-id": "4" }), upTo(last, 5))
        assert.deepStrictEqual(yield* after("?after=2", { "last-event-id": "4" }), upTo(last, 5))
        const live = yield* watch("GET", `${stream}?after=${last}`, { user })
        yield* (yield* watch("POST", "/chat", { user, body: body("say again") })).ended
        assert.deepStrictEqual(
          seqsOf(yield* live.until((text) => text.includes("REPLY_END"))),
          upTo(last + seqsOf(live.text()).length, last + 1)
        )
      }))

    it.effect("refuse a cursor that is none, with the range of those that are", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const { stream, user } = yield* talk()
        for (const cursor of ["abc", "-1", "1.5", "", "1e3", "0x1", "9".repeat(16), "%20", "1%00"]) {
          const { json } = yield* call("GET", `${stream}?after=${cursor}`, { user })
          assert.deepInclude(json, { status: 400, code: "invalid_cursor" }, cursor)
          assert.include(json.detail, "from 0 to 0")
        }
        const { json } = yield* call("GET", stream, { user, headers: { "last-event-id": "x" } })
        assert.deepInclude(json, { status: 400, code: "invalid_cursor" })
        assert.deepInclude((yield* call("GET", `${stream}?after=1`, { user })).json, {
          status: 409,
          code: "cursor_ahead"
        })
      }))

    it.effect("answer HEAD with their headers alone", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const { session_id, stream, user } = yield* talk()
        const { headers, status, text } = yield* call("HEAD", stream, { user })
        assert.deepInclude({ status, text }, { status: 200, text: "" })
        assert.include(headers["content-type"], "text/event-stream")
        assert.strictEqual(subscribers.get(session_id) ?? 0, 0)
      }))

    it.scoped("are left at once, and leaving does not stop the run", () =>
      Effect.gen(function*() {
        const { call, watch } = yield* Door
        const { body, session_id, stream, user } = yield* talk()
        const watching = yield* watch("GET", stream, { user })
        const chat = yield* watch("POST", "/chat", { user, body: body("say one\nsleep 2000\nsay two") })
        yield* chat.until((text) => text.includes("TEXT_BLOCK_DELTA"))
        assert.strictEqual(subscribers.get(session_id), 2)
        chat.leave()
        watching.leave()
        yield* Effect.sleep("10 millis").pipe(
          Effect.repeat({ until: () => subscribers.get(session_id) === 0 }),
          Effect.timeout(patience(1_000))
        )
        const status = Effect.map(call("GET", `/sessions/${session_id}/status`, { user }), ({ json }) => json.status)
        assert.strictEqual(yield* status, "running")
        const again = yield* watch("GET", `${stream}?after=0`, { user })
        const { event } = eventsOf(yield* again.until((text) => text.includes("REPLY_END"))).at(-1)!
        assert.deepInclude(event, { type: "REPLY_END", finished_reason: "completed" })
      }))

    it.scoped("replay a long history, in order and without a gap", () =>
      Effect.gen(function*() {
        const { call, watch } = yield* Door
        const { body, session_id, stream, user } = yield* talk()
        for (let i = 0; i < 4; i++) {
          const lines = Array.from({ length: 20 }, () => `say ${"x".repeat(10_000)}`).join("\n")
          yield* call("POST", "/chat", { user, body: body(lines), headers: { accept: "application/json" } })
        }
        const { json } = yield* call("GET", `/sessions/${session_id}/runs`, { user })
        const last = json.runs[0].last_seq
        const watching = yield* watch("GET", `${stream}?after=0`, { user })
        const text = yield* watching.until((text) => text.includes(`id: ${last}\n`) && text.endsWith("\n\n"))
        assert.isAbove(text.length, 1_000_000)
        assert.deepStrictEqual(seqsOf(text), upTo(last))
      }))

    it.scoped("tell what went wrong in the stream, ending it properly", () =>
      Effect.gen(function*() {
        const { watch } = yield* Door
        const { body, user } = yield* talk()
        const text = yield* (yield* watch("POST", "/chat", { user, body: body("say a\nfail rate_limit") })).ended
        assert.deepInclude(eventsOf(text).at(-1)!.event, { type: "REPLY_END", finished_reason: "error" })
      }))

    it.scoped("end with their session, and the connection serves the next request", () =>
      Effect.gen(function*() {
        const { call, port } = yield* Door
        const { session_id, stream, user } = yield* talk()
        const told = yield* Effect.acquireUseRelease(
          Effect.sync(() => connect(port, "127.0.0.1")),
          (socket) =>
            Effect.gen(function*() {
              let got = ""
              const seen = (what: string) =>
                Effect.async<void>((resume) => {
                  const look = () => {
                    if (got.includes(what)) resume(Effect.void)
                  }
                  socket.on("data", look)
                  socket.on("close", () => resume(Effect.die(new Error(`The connection ended: ${got}`))))
                  look()
                })
              socket.on("data", (chunk) => got += chunk.toString())
              socket.on("error", () => {})
              socket.write(`GET ${stream} HTTP/1.1\r\nHost: localhost\r\nX-User-ID: ${user}\r\n\r\n`)
              yield* seen(": ok\n")
              assert.strictEqual((yield* call("DELETE", `/sessions/${session_id}`, { user })).status, 204)
              yield* seen(": session deleted\n")
              yield* seen("0\r\n\r\n")
              socket.write("GET /liveness HTTP/1.1\r\nHost: localhost\r\n\r\n")
              yield* seen("0\r\n\r\nHTTP/1.1 200 OK\r\n")
              return got
            }),
          (socket) => Effect.sync(() => socket.destroy())
        )
        assert.match(told, /: session deleted\n\r\n0\r\n\r\nHTTP\/1.1 200 OK/)
      }))

    it.scoped("end within five seconds of their API key, revoked or expired, with a comment that says so", () =>
      Effect.gen(function*() {
        const { call, watch } = yield* Door
        const { stream, user } = yield* talk()
        const { issue } = yield* ApiKeys
        const admin = yield* issue({ user_id: UserId.make("admin"), name: "", scopes: ["admin"], expires_at: null })
        const keyOf = (expires_at: Timestamp | null) =>
          issue({ user_id: UserId.make(user), name: "", scopes: ["read"], expires_at })
        const soon = Timestamp.make(new Date(Date.now() + 2_000).toISOString())
        const [revoked, expiring, other] = [yield* keyOf(null), yield* keyOf(soon), yield* keyOf(null)]
        const watching = ({ key }: { readonly key: string }) =>
          watch("GET", stream, { headers: { authorization: `Bearer ${key}` } })
        const [one, two, three] = [yield* watching(revoked), yield* watching(expiring), yield* watching(other)]
        const headers = { authorization: `Bearer ${admin.key}` }
        assert.strictEqual((yield* call("DELETE", `/keys/${revoked.id}`, { headers })).status, 200)
        for (const { ended } of [one, two]) assert.include(yield* ended, ": key no longer valid\n")
        assert.strictEqual(three.text(), ": ok\n")
      }))

    it.scoped("end with their API key like a request that waits for a reply, which is answered with a 401 then", () =>
      Effect.gen(function*() {
        const { call } = yield* Door
        const { body, session_id, user } = yield* talk()
        const { issue } = yield* ApiKeys
        const admin = yield* issue({ user_id: UserId.make("admin"), name: "", scopes: ["admin"], expires_at: null })
        const key = () => issue({ user_id: UserId.make(user), name: "", scopes: ["chat"], expires_at: null })
        const [revoked, other] = [yield* key(), yield* key()]
        const asking = (path: string, { key }: { readonly key: string }, text: string) =>
          Effect.fork(call("POST", path, {
            headers: { authorization: `Bearer ${key}`, accept: "application/json" },
            body: body(text)
          }))
        const one = yield* asking("/chat", revoked, "sleep 600000")
        const waiting = Effect.map(
          call("GET", `/sessions/${session_id}/runs`, { user }),
          ({ json }) => (json.runs as ReadonlyArray<unknown>).length
        )
        const until = (wanted: number) =>
          Effect.repeat(Effect.delay(waiting, "10 millis"), { until: (count) => count === wanted })
        // The one that never ends comes first: the others wait behind it.
        yield* until(1)
        const two = yield* asking("/chat/reply", revoked, "say two")
        const three = yield* asking("/chat/reply", other, "say three")
        yield* until(3)
        const headers = { authorization: `Bearer ${admin.key}` }
        assert.strictEqual((yield* call("DELETE", `/keys/${revoked.id}`, { headers })).status, 200)
        for (const fiber of [one, two]) {
          const { json, status } = yield* Fiber.join(fiber)
          assert.deepStrictEqual([status, json.code], [401, "unauthenticated"])
        }
        // The runs go on: who has another key may ask for them.
        assert.strictEqual(yield* waiting, 3)
        assert.strictEqual((yield* call("POST", `/sessions/${session_id}/interrupt`, { user })).status, 202)
        assert.strictEqual((yield* Fiber.join(three)).status, 200)
      }))

    it.scoped("end with a comment when the server stops, and their connections with them", () =>
      Effect.gen(function*() {
        const { port } = yield* Door
        const { stream, user } = yield* talk()
        const { close } = yield* Rooms
        const { setReady } = yield* Door
        const ended = yield* Deferred.make<string>()
        const socket = connect(port, "127.0.0.1")
        let got = ""
        const begun = new Promise<void>((resolve) =>
          socket.on("data", (chunk) => {
            got += chunk.toString()
            if (got.includes(": ok")) resolve()
          })
        )
        socket.on("close", () => Deferred.unsafeDone(ended, Effect.succeed(got)))
        socket.write(`GET ${stream} HTTP/1.1\r\nHost: localhost\r\nX-User-ID: ${user}\r\n\r\n`)
        yield* Effect.promise(() => begun)
        yield* setReady(false)
        yield* close("stopping")
        const text = yield* Effect.timeout(Deferred.await(ended), patience(1_000))
        yield* setReady(true)
        assert.include(text, ": stopping\n")
      }))
  }
)
