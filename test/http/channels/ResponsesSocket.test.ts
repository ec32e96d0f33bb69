/** The Responses API over a WebSocket: what its clients get, and what they can do to it. */
import { assert, layer } from "@effect/vitest"
import { Effect, Either } from "effect"
import { once } from "node:events"
import { connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import { ResponsesWS } from "openai/resources/responses/ws"
import type { UserId } from "../../../src/domain/Ids.ts"
import { all } from "../../../src/http/channels/All.ts"
import * as Mounts from "../../../src/http/channels/Mounts.ts"
import * as Server from "../../../src/http/Server.ts"
import { ApiKeys } from "../../../src/services/ApiKeys.ts"
import { Storage } from "../../../src/services/Storage.ts"
import { eventually } from "../../support/live.ts"
import { tenant } from "../../support/openai.ts"
import { problemsOf } from "../../support/responses.ts"
import * as TestHost from "../../support/TestHost.ts"
import { talk, talking, type Told } from "../../support/webSockets.ts"

const { TestHost: Host } = TestHost

const create = (more: object) => ({ type: "response.create", model: "agent/Ada", ...more })

const ends = ({ type }: Told) => /^(?:response\.(?:completed|failed|incomplete)|error)$/.test(type)

const textOf = (events: ReadonlyArray<Told>): string =>
  events.filter(({ type }) => type === "response.output_text.delta").map(({ delta }) => delta).join("")

/** A tenant with a WebSocket, and a way to ask over it. */
const speaking = Effect.gen(function*() {
  const { call, url } = yield* Host
  const own = yield* tenant()
  const { credential_id, user } = own
  const parameters = { delay_ms: 20 }
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script", parameters }
  yield* call("POST", "/agent", { user, body: { name: "Slow", chat_model_config } })
  const headers = { authorization: `Bearer ${own.key}` }
  const at = `${url}/v1/responses`
  const talker = yield* talking(at, { headers })
  const ask = (more: object) =>
    Effect.promise(() => {
      const from = talker.told.length
      talker.send(create(more))
      return talker.until(ends, from)
    })
  return { ...own, talker, ask, at, headers }
})

const shakeHands = (headers: ReadonlyArray<string> = [], path = "/v1/responses") =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: localhost",
    "X-User-ID: ada",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...headers,
    "",
    ""
  ].join("\r\n")

const issued = (user: string, scope: "read" | "chat" | "admin") =>
  Effect.flatMap(
    ApiKeys,
    ({ issue }) => issue({ user_id: user as UserId, name: "", scopes: [scope], expires_at: null })
  )

const runsOf = (user: string) =>
  Effect.flatMap(Storage, ({ runs }) => runs.list(user as UserId, { limit: 100, cursor: undefined }, {}))

layer(TestHost.layer(), { excludeTestServices: true })("A WebSocket of the Responses API", (it) => {
  it.scoped("answers OpenAI's own client with the events of the stream, one response after the other", () =>
    Effect.gen(function*() {
      const { client } = yield* tenant()
      const ws = new ResponsesWS(client)
      const [first, second] = yield* Effect.promise(async () => {
        const told: Array<Array<Told>> = [[], []]
        for (const [i, input] of ["think Hm, well\nsay one two three", "say four"].entries()) {
          ws.send({ type: "response.create", model: "agent/Ada", input })
          for await (const event of ws) {
            if (event.type === "error") throw event.error
            if (event.type !== "message") continue
            told[i]!.push(event.message as Told)
            if (ends(event.message)) break
          }
        }
        return told as [Array<Told>, Array<Told>]
      })
      ws.close()
      assert.deepStrictEqual(problemsOf(first), [])
      assert.deepStrictEqual(problemsOf(second), [])
      assert.strictEqual(textOf(first), "one two three")
      assert.strictEqual(textOf(second), "four")
      const last = first.at(-1)!
      assert.strictEqual(last["type"], "response.completed")
      const stored = yield* Effect.promise(() => client.responses.retrieve(last["response"].id))
      assert.deepEqual(stored.output, last["response"].output)
    }))

  it.scoped("goes on from a response by its id: stored ones anywhere, others on their own connection", () =>
    Effect.gen(function*() {
      const { ask, at, headers } = yield* speaking
      for (const store of [true, false]) {
        const one = yield* ask({ input: "say one", store })
        const { id } = one.at(-1)!["response"]
        const elsewhere = yield* talking(at, { headers })
        elsewhere.send(create({ input: "context", store, previous_response_id: id }))
        const there = yield* Effect.promise(() => elsewhere.until(ends))
        if (store) assert.strictEqual(JSON.parse(textOf(there)).messages, 3)
        else assert.deepInclude(there.at(-1), { type: "error", status: 400, code: "previous_response_not_found" })
        const two = yield* ask({ input: "context", store, previous_response_id: id })
        assert.strictEqual(JSON.parse(textOf(two)).messages, 3)
        const three = yield* ask({ input: "context", store, previous_response_id: two.at(-1)!["response"].id })
        assert.strictEqual(JSON.parse(textOf(three)).messages, 5)
      }
    }))

  it.scoped("forgets a response that is not stored when something else was answered, or going on from it has failed", () =>
    Effect.gen(function*() {
      const { ask } = yield* speaking
      const one = (yield* ask({ input: "say one", store: false })).at(-1)!["response"].id
      yield* ask({ input: "say two", store: false })
      const lost = yield* ask({ input: "say three", store: false, previous_response_id: one })
      assert.deepInclude(lost[0], { type: "error", code: "previous_response_not_found" })
      const four = (yield* ask({ input: "say four", store: false })).at(-1)!["response"].id
      const wrong = { type: "function_call_output", call_id: "nothing", output: "x" }
      const failed = yield* ask({ input: [wrong], store: false, previous_response_id: four })
      assert.deepInclude(failed[0], { type: "error", status: 400 })
      assert.notStrictEqual(failed[0]!["code"], "previous_response_not_found")
      const again = yield* ask({ input: "say five", store: false, previous_response_id: four })
      assert.deepInclude(again[0], { type: "error", code: "previous_response_not_found" })
    }))

  it.scoped("gets the output of a client's tool for a response that is not stored", () =>
    Effect.gen(function*() {
      const { ask } = yield* speaking
      const tools = [{ type: "function", name: "weather", strict: false, parameters: { type: "object" } }]
      const input = "call weather {\"city\":\"Kiel\"}\nthen\nresults"
      const called = (yield* ask({ input, tools, store: false })).at(-1)!["response"]
      const { call_id } = called.output.find(({ type }: Told) => type === "function_call")
      const output = [{ type: "function_call_output", call_id, output: "sunny" }]
      const done = yield* ask({ input: output, tools, store: false, previous_response_id: called.id })
      assert.include(textOf(done), "sunny")
    }))

  it.scoped("tells of what it cannot read or do, and goes on", () =>
    Effect.gen(function*() {
      const { ask, talker } = yield* speaking
      const bad: ReadonlyArray<readonly [unknown, object]> = [
        ["{", { code: "malformed_json" }],
        ["", { code: "malformed_json" }],
        ["[".repeat(100_000), { code: "too_deep" }],
        [`[${"1,".repeat(60_000)}1]`, { code: "too_many_members" }],
        [[], { status: 400 }],
        [null, { status: 400 }],
        [{}, { status: 400 }],
        [{ type: "response.steer" }, { code: "unsupported_event", param: "type" }],
        [create({ input: 5 }), { status: 400 }],
        [create({ input: "hello", background: true }), { param: "background" }],
        [create({ input: "hello", generate: false }), { param: "generate" }],
        [create({ input: "hello", model: "agent/Nobody" }), { status: 404, code: "model_not_found" }],
        [create({ input: "hello", previous_response_id: "resp_x" }), { code: "previous_response_not_found" }],
        [create({ input: "hello", prompt: { id: "x" } }), { param: "prompt" }]
      ]
      for (const [event, expected] of bad) {
        const from = talker.told.length
        talker.send(event)
        const [error] = yield* Effect.promise(() => talker.until(ends, from))
        assert.deepInclude(error, { type: "error", ...expected })
        assert.deepInclude(error!["error"], { message: error!["message"], code: error!["code"] })
      }
      assert.strictEqual(textOf(yield* ask({ input: "say fine" })), "fine")
    }))

  it.scoped("answers what is asked meanwhile afterwards, up to 16, and refuses more", () =>
    Effect.gen(function*() {
      const { talker } = yield* speaking
      for (let i = 0; i < 20; i++) talker.send(create({ input: `say ${i}`, store: false }))
      yield* eventually(
        "all have an answer",
        Effect.sync(() => talker.told.filter(ends).length),
        (count) => count === 20
      )
      const refused = talker.told.filter(({ type }) => type === "error")
      for (const error of refused) assert.deepInclude(error, { status: 429, code: "too_many_waiting" })
      // Those that came while the first was answered; it may have been done before the last ones came.
      assert.isAtLeast(refused.length, 1)
      const answered = talker.told.filter(({ type }) => type !== "error")
      // Nothing of two responses is mixed.
      const responses: Array<Array<Told>> = []
      for (const event of answered) {
        if (event["type"] === "response.created") responses.push([])
        responses.at(-1)!.push(event)
      }
      assert.deepStrictEqual(responses.flatMap(problemsOf), [])
    }))

  it.scoped("stops the answer when it is closed or reset, except in a conversation", () =>
    Effect.gen(function*() {
      const { at, client, headers, user } = yield* speaking
      const { id } = yield* Effect.promise(() => client.conversations.create({}))
      const endings = [(socket: Told) => socket["terminate"](), (socket: Told) => socket["close"]()]
      for (const more of [{}, { conversation: id }]) {
        for (const end of endings) {
          const before = (yield* runsOf(user)).total
          const { send, socket, until } = yield* talking(at, { headers })
          send(create({ model: "agent/Slow", input: "repeat 30 word ", ...more }))
          yield* Effect.promise(() => until(({ type }) => type === "response.output_text.delta"))
          end(socket)
          const { items } = yield* eventually(
            "the run has ended",
            runsOf(user),
            ({ items, total }) => total > before && items.every(({ status }) => status === "ended")
          )
          const newest = items.toSorted((a, b) => a.created_at < b.created_at ? 1 : -1)[0]!
          assert.strictEqual(newest.finished_reason, "conversation" in more ? "completed" : "interrupted")
        }
      }
    }))

  it.scoped("is opened by nobody without a key, without its scope, from a foreign page, or by half a handshake", () =>
    Effect.gen(function*() {
      const { call, port, url } = yield* Host
      const { at, headers, user } = yield* speaking
      const status = (options: object) =>
        Effect.promise(() =>
          talk(at, options).then(({ socket }) => (socket.terminate(), "open"), ({ message }) => message)
        )
      const { key } = yield* issued(user, "read")
      assert.strictEqual(yield* status({ headers: { authorization: "Bearer sk-wrong" } }), "401")
      assert.strictEqual(yield* status({ headers: { authorization: `Bearer ${key}` } }), "403")
      assert.strictEqual(yield* status({ headers, origin: "https://evil.example" }), "403")
      assert.strictEqual(yield* status({ headers, origin: url }), "open")
      assert.strictEqual(yield* status({ headers: { "x-user-id": "ada" } }), "open")
      const plain = yield* call("GET", "/v1/responses", { headers })
      assert.strictEqual(plain.status, 400)
      assert.strictEqual(plain.json.error.code, "upgrade_required")
      const halves = [
        shakeHands().replace("13", "7"),
        shakeHands().replace("dGhlIHNhbXBsZSBub25jZQ==", "short"),
        shakeHands().replace("websocket", "h2c"),
        shakeHands(["Content-Length: 2"]) + "{}",
        shakeHands().replace("HTTP/1.1", "HTTP/1.0"),
        // Behind another request, whose answer it would speak into.
        `GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n${shakeHands(["Connection: close"])}`
      ]
      for (const half of halves) {
        const answer = yield* Effect.promise(async () => {
          const socket = connect(port, "127.0.0.1")
          let text = ""
          socket.on("error", () => {})
          socket.on("data", (chunk) => text += String(chunk))
          socket.write(half)
          for (let i = 0; i < 500 && !text.includes("upgrade_required"); i++) await sleep(10)
          socket.destroy()
          return text
        })
        assert.include(answer, "upgrade_required")
        assert.notInclude(answer, " 101 ")
      }
    }))

  it.scoped("is one of a hundred of its owner's at most: the next is refused with a sentence, and nobody else's is", () =>
    Effect.gen(function*() {
      const { url } = yield* Host
      const at = `${url}/v1/responses`
      const headers = { "x-user-id": "hundred" }
      const all = yield* Effect.all(Array.from({ length: 100 }, () => talking(at, { headers })), { concurrency: 10 })
      const next = Effect.promise(() => talk(at, { headers }).then(() => "open", ({ message }) => message))
      assert.strictEqual(yield* next, "429")
      yield* talking(at, { headers: { "x-user-id": "somebody-else" } })
      all[0]!.socket.close()
      yield* eventually("one may be opened again", next, (status) => status === "open")
    }))

  it.scoped("is closed for binary messages, broken UTF-8, messages that are too large, and in too many pieces", () =>
    Effect.gen(function*() {
      const { at, headers } = yield* speaking
      const harms: ReadonlyArray<readonly [number, (socket: Told) => void]> = [
        [1003, (socket) => socket["send"](Buffer.from("{}"))],
        [1007, (socket) => socket["send"](Buffer.from([0x22, 0xff, 0x22]), { binary: false })],
        [1009, (socket) => socket["send"]("x".repeat(1024 * 1024 + 1))],
        [1008, (socket) => {
          for (let i = 0; i < 2_000; i++) socket["send"](" ", { fin: false })
        }],
        [1002, (socket) => socket["_socket"].write(Buffer.alloc(100, 0xff))]
      ]
      for (const [code, harm] of harms) {
        const { closed, socket } = yield* talking(at, { headers })
        harm(socket)
        assert.strictEqual((yield* Effect.promise(() => closed))[0], code)
      }
    }))

  it.scoped("is closed when its key is revoked, after a sentence", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { at, user } = yield* speaking
      const { id, key } = yield* issued(user, "chat")
      const admin = yield* issued("root", "admin")
      const { closed, send, told, until } = yield* talking(at, { headers: { authorization: `Bearer ${key}` } })
      send(create({ model: "agent/Slow", input: "repeat 2000 word " }))
      yield* Effect.promise(() => until(({ type }) => type === "response.output_text.delta"))
      assert.strictEqual(
        (yield* call("DELETE", `/keys/${id}`, { headers: { authorization: `Bearer ${admin.key}` } })).status,
        200
      )
      assert.strictEqual((yield* Effect.promise(() => closed))[0], 1008)
      assert.deepInclude(told.at(-1), { type: "error", status: 401 })
      yield* eventually("the run has ended", runsOf(user), ({ items }) => items.every((run) => run.status === "ended"))
    }))

  it.scoped(
    "is one of a thousand, of which many are reset, at every stage of their lives",
    () =>
      Effect.gen(function*() {
        const { port } = yield* Host
        const { ask, at, headers, talker } = yield* speaking
        const reset = (text: string, millis: number) =>
          Effect.promise(async () => {
            const socket = connect(port, "127.0.0.1")
            socket.on("error", () => {})
            await once(socket, "connect")
            socket.write(text)
            await sleep(millis)
            socket.resetAndDestroy()
          })
        const whole = shakeHands([`Authorization: ${headers.authorization}`])
        yield* Effect.forEach(
          [whole.slice(0, 60), whole, shakeHands(), `${whole}${"\xff".repeat(20)}`].flatMap((text) =>
            [0, 1, 5, 50].map((millis) => reset(text, millis))
          ),
          (one) => one,
          { concurrency: 8 }
        )
        const many = yield* Effect.promise(async () => {
          const opened: Array<Awaited<ReturnType<typeof talk>>> = []
          for (let i = 0; i < 10; i++) {
            // The one that talks is one of its owner's hundred.
            const [length, own] = i === 0 ? [99, headers] : [100, { "x-user-id": `many-${i}` }]
            opened.push(...await Promise.all(Array.from({ length }, () => talk(at, { headers: own }))))
          }
          return opened
        })
        assert.strictEqual(many.length, 999)
        for (const { send } of many.slice(0, 50)) send(create({ input: "say x", store: false }))
        for (const [i, { socket }] of many.entries()) if (i % 2 === 0) socket.terminate()
        yield* Effect.forEach(
          many.slice(0, 50).filter((_, i) => i % 2 === 1),
          ({ until }) => Effect.promise(() => until(ends)),
          { concurrency: "unbounded" }
        )
        for (const { socket } of many) socket.terminate()
        assert.strictEqual(talker.socket.readyState, talker.socket.OPEN)
        assert.strictEqual(textOf(yield* ask({ input: "say fine" })), "fine")
      }),
    60_000
  )

  it.scoped("is closed when it is not read, and the answer is stopped", () =>
    Effect.gen(function*() {
      const { talker, user } = yield* speaking
      const { _socket: wire } = talker.socket as unknown as { readonly _socket: Socket }
      wire.pause()
      const big = `repeat 1500 ${"word".repeat(500)} `
      for (let i = 0; i < 6; i++) talker.send(create({ input: big, store: false }))
      const { items } = yield* eventually(
        "a run was stopped",
        runsOf(user),
        ({ items }) => items.some(({ finished_reason }) => finished_reason === "interrupted")
      )
      assert.isBelow(items.length, 6)
      yield* Effect.promise(async () => {
        wire.resume()
        assert.include([1006, 1008], (await talker.closed)[0])
      })
    }), 60_000)

  it.scoped("is closed when the server stops, after the answer that is being given", () =>
    Effect.gen(function*() {
      const { setReady } = yield* Host
      const { at, headers, talker } = yield* speaking
      const busy = yield* talking(at, { headers })
      busy.send(create({ model: "agent/Slow", input: "repeat 60 word " }))
      busy.send(create({ input: "say never" }))
      yield* Effect.promise(() => busy.until(({ type }) => type === "response.output_text.delta"))
      yield* setReady(false)
      assert.strictEqual((yield* Effect.promise(() => talker.closed))[0], 1012)
      assert.strictEqual((yield* Effect.promise(() => busy.closed))[0], 1012)
      assert.strictEqual(busy.told.at(-1)!["type"], "response.completed")
      assert.strictEqual(textOf(busy.told), "word ".repeat(60))
      const late = yield* Effect.promise(() => talk(at, { headers }).then(() => "open", ({ message }) => message))
      assert.strictEqual(late, "503")
      yield* setReady(true)
    }))
})

layer(TestHost.layer({ loopback: false, corsOrigins: ["https://good.example"] }), { excludeTestServices: true })(
  "A WebSocket of a server that is not on loopback",
  (it) => {
    it.scoped("is opened by pages that the server names and by its own, and by no others", () =>
      Effect.gen(function*() {
        const { at, headers } = yield* speaking
        const opened = (origin: string) =>
          Effect.promise(() =>
            talk(at, { headers, origin }).then(({ socket }) => (socket.terminate(), "open"), ({ message }) => message)
          )
        assert.strictEqual(yield* opened("https://evil.example"), "403")
        assert.strictEqual(yield* opened("null"), "403")
        assert.strictEqual(yield* opened("https://good.example"), "open")
        assert.strictEqual(yield* opened(at.slice(0, -"/v1/responses".length)), "open")
      }))
  }
)

layer(
  TestHost.layer({
    channels: Either.getOrThrow(
      Mounts.mount(all, Server.nativeRoutes, { settings: { responses: { mount: "/oai" } }, trusted: false })
    )
  }),
  { excludeTestServices: true }
)("A WebSocket of a channel that is mounted elsewhere", (it) => {
  it.scoped("is opened there, and nowhere else", () =>
    Effect.gen(function*() {
      const { url } = yield* Host
      const headers = { "x-user-id": "ada" }
      const { socket } = yield* talking(`${url}/oai/responses`, { headers })
      assert.strictEqual(socket.readyState, socket.OPEN)
      const usual = yield* Effect.promise(() =>
        talk(`${url}/v1/responses`, { headers }).then(() => "open", ({ message }) => message)
      )
      assert.strictEqual(usual, "404")
    }))
})
