/** What clients can do to their sockets, and that it stays with them. */
import { HttpServer, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { once } from "node:events"
import { type RequestListener } from "node:http"
import { type AddressInfo, connect, type Socket } from "node:net"
import { setTimeout as sleep } from "node:timers/promises"
import * as Connections from "../../src/http/Connections.ts"
import { capacityOf, descriptorLimit } from "../../src/http/Descriptors.ts"
import * as Boundary from "../../src/http/middleware/Boundary.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

/** Longest wait for anything, in milliseconds. */
const patience = 20_000

const until = async (holds: () => boolean | Promise<boolean>, what: string) => {
  const end = Date.now() + patience
  while (!await holds()) {
    if (Date.now() > end) throw new Error(`Never came true: ${what}`)
    // oxlint-disable-next-line eslint/no-await-in-loop -- asked again and again
    await sleep(20)
  }
}

/** A client that does as it is told. */
const client = async (port: number, ...parts: ReadonlyArray<string | Buffer>) => {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true })
  const seen = { text: "", isClosed: false }
  socket.on("error", () => {})
  socket.on("close", () => seen.isClosed = true)
  socket.on("end", () => seen.isClosed = true)
  await once(socket, "connect")
  for (const part of parts) socket.write(part)
  return {
    socket,
    seen,
    listen: () => void socket.on("data", (chunk: Buffer) => seen.text += chunk.toString("latin1"))
  }
}

const get = (path: string, ...headers: ReadonlyArray<string>) =>
  [`GET ${path} HTTP/1.1`, "Host: localhost", ...headers, "", ""].join("\r\n")

const post = (path: string, ...headers: ReadonlyArray<string>) =>
  [`POST ${path} HTTP/1.1`, "Host: localhost", "Content-Type: application/json", ...headers, "", ""].join("\r\n")

const upgrade = [
  "Connection: Upgrade",
  "Upgrade: websocket",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "Sec-WebSocket-Version: 13"
]

/** The first bytes of a TLS handshake. */
const clientHello = Buffer.from("16030100710100006d0303", "hex")

const attacks: Readonly<Record<string, ReadonlyArray<string | Buffer>>> = {
  "an upgrade": [get("/liveness", ...upgrade)],
  "an upgrade from a refused origin": [get("/agent", "Origin: https://evil.example", ...upgrade)],
  "an upgrade without credentials": [get("/agent", ...upgrade)],
  "an upgrade with a body": [post("/agent", ...upgrade, "Content-Length: 5"), "{}"],
  "an upgrade to nothing": [get("/nope", "Connection: Upgrade", "Upgrade: h2c"), Buffer.alloc(100_000)],
  "a handshake": [get("/v1/responses", "X-User-ID: ada", ...upgrade)],
  "a handshake of nobody": [get("/v1/responses", ...upgrade)],
  "a handshake from a refused origin": [
    get("/v1/responses", "X-User-ID: ada", "Origin: https://evil.example", ...upgrade)
  ],
  "a handshake and noise": [get("/v1/responses", "X-User-ID: ada", ...upgrade), Buffer.alloc(100_000, 0xff)],
  "a handshake and half a message": [
    get("/v1/responses", "X-User-ID: ada", ...upgrade),
    Buffer.from("818500000000", "hex")
  ],
  "a handshake with a name that is none": [
    get("/v1/responses", "X-User-ID: ada", "Sec-WebSocket-Protocol: ,,", ...upgrade)
  ],
  "handshakes to broken paths": [
    get("/v1/responses%zz", ...upgrade),
    get("http://[/v1/responses", ...upgrade),
    get("*", ...upgrade)
  ],
  "the preface of HTTP/2": ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
  "a tunnel": ["CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", clientHello],
  "a body on demand": [post("/agent", "X-User-ID: ada", "Expect: 100-continue", "Content-Length: 100000")],
  "another expectation": [post("/agent", "X-User-ID: ada", "Expect: the-unexpected", "Content-Length: 10")],
  "TLS": [clientHello],
  "noise": [Buffer.alloc(200_000, 0xff)],
  "half a head": ["GET /liveness HTTP/1.1\r\nHost: loc"],
  "half a body": [post("/agent", "X-User-ID: ada", "Content-Length: 1000"), "{"],
  "a broken chunk": [post("/agent", "X-User-ID: ada", "Transfer-Encoding: chunked"), "zz\r\n"],
  "many requests at once": [get("/docs").repeat(200)],
  "a request and noise": [get("/openapi.json"), Buffer.alloc(1_000, 0xff)],
  "a head that is too large": [get("/liveness", `X-Big: ${"x".repeat(20_000)}`)],
  "nothing at all": []
}

const endings: Readonly<Record<string, (socket: Socket) => unknown>> = {
  "a reset at once": (socket) => socket.resetAndDestroy(),
  "a reset after the answer began": async (socket) => {
    await Promise.race([once(socket, "data"), once(socket, "close"), sleep(100)])
    socket.resetAndDestroy()
  },
  "its own end": async (socket) => {
    socket.end()
    await sleep(50)
    socket.resetAndDestroy()
  },
  "more bytes, and a reset": async (socket) => {
    await sleep(50)
    socket.write(Buffer.alloc(50_000, 0x41))
    socket.resetAndDestroy()
  }
}

const uncaught: Array<unknown> = []
const catching = Layer.scopedDiscard(Effect.acquireRelease(
  Effect.sync(() => {
    const hear = (error: unknown) => void uncaught.push(error)
    process.prependListener("uncaughtException", hear)
    return hear
  }),
  (hear) => Effect.sync(() => process.off("uncaughtException", hear))
))

layer(Layer.provideMerge(TestHost.layer(), catching), { excludeTestServices: true })("A socket", (it) => {
  for (const [name, parts] of Object.entries(attacks)) {
    it.effect(`with ${name} ends without the process, however it ends`, () =>
      Effect.gen(function*() {
        const { call, port } = yield* Door
        for (const end of Object.values(endings)) {
          yield* Effect.promise(async () => {
            const { socket } = await client(port, ...parts)
            await end(socket)
          })
        }
        yield* Effect.sleep("50 millis")
        assert.strictEqual((yield* call("GET", "/liveness")).status, 200)
        assert.deepStrictEqual(uncaught, [])
      }))
  }

  it.effect("with a stream that asked for an upgrade is a stream as any other, and its reset is heard by nobody else", () =>
    Effect.gen(function*() {
      const { call, port } = yield* Door
      const user = "upgrader"
      const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
      const credential = yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })
      const { credential_id } = credential.json
      const { session_id } = (yield* call("POST", "/sessions", {
        user,
        body: { agent_id, chat_model_config: { type: "demo_credential", credential_id, model: "demo-script" } }
      })).json
      const watching = yield* Effect.promise(() =>
        client(port, get(`/sessions/${session_id}/stream`, `X-User-ID: ${user}`, ...upgrade))
      )
      watching.listen()
      const say = (content: string) =>
        call("POST", "/chat", { user, body: { agent_id, session_id, input: { content } } })
      yield* Effect.promise(() => until(() => watching.seen.text.includes(": ok"), "the stream begins"))
      yield* say("say hello")
      yield* Effect.promise(() => until(() => watching.seen.text.includes("REPLY_END"), "the stream shows the reply"))
      watching.socket.resetAndDestroy()
      assert.strictEqual((yield* say("say again")).status, 200)
      assert.deepStrictEqual(uncaught, [])
    }))

  for (
    const [name, head, status] of [
      ["refused for its size", post("/agent", "X-User-ID: ada", "Transfer-Encoding: chunked"), 413],
      ["refused for its sender", post("/agent", "Transfer-Encoding: chunked"), 401],
      ["refused for its announced size", post("/agent", "X-User-ID: ada", "Content-Length: 99999999999"), 413],
      ["of a request that has none", get("/liveness", "Transfer-Encoding: chunked"), 200]
    ] as const
  ) {
    it.effect(`with a body that flows on after it was ${name} is cut`, () =>
      Effect.gen(function*() {
        const { port } = yield* Door
        const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`
        yield* Effect.promise(async () => {
          const { listen, seen, socket } = await client(port, head)
          listen()
          const flowing = setInterval(() => socket.write(chunk), 20)
          try {
            await until(() => seen.text.startsWith(`HTTP/1.1 ${status}`), "the answer")
            const answered = performance.now()
            await until(() => seen.isClosed, "the end of the connection")
            // Node itself would wait for the whole body, 30 seconds long.
            assert.isBelow(performance.now() - answered, 10_000)
          } finally {
            clearInterval(flowing)
            socket.destroy()
          }
        })
      }))
  }
})

const served = async (
  options: Connections.Options,
  listener: RequestListener,
  use: (port: number, connections: Connections.Connections) => Promise<void>
) => {
  const connections = Connections.createServer(options)
  const { node } = connections
  node.on("request", listener)
  node.listen(0, "127.0.0.1")
  await once(node, "listening")
  try {
    await use((node.address() as AddressInfo).port, connections)
  } finally {
    node.closeAllConnections()
    node.close()
  }
}

/** Answers /wait never, and everything else at once. */
const waiter: RequestListener = (request, response) => {
  if (request.url !== "/wait") response.end("here")
}

const ask = async (port: number, text: string) => {
  const asking = await client(port, text)
  asking.listen()
  await until(() => asking.seen.text !== "" || asking.seen.isClosed, "an answer or the end")
  return asking
}

describe("Connections", () => {
  it("answers with 503 what is asked while there is no router, and serves once there is one", async () => {
    const { node } = Connections.createServer({ maxConnections: 8 })
    node.listen(0, "127.0.0.1")
    await once(node, "listening")
    const { port } = node.address() as AddressInfo
    try {
      const early = await client(port, get("/liveness"))
      early.listen()
      await until(() => early.seen.isClosed, "the early request is answered")
      assert.match(early.seen.text, /^HTTP\/1\.1 503 [^]*\r\nRetry-After: 1\r\n[^]*"code":"not_serving"/)
      node.on("request", (_, response) => response.end("here"))
      const later = await client(port, get("/liveness"))
      later.listen()
      await until(() => later.seen.text.includes("here"), "the later one is served")
    } finally {
      node.closeAllConnections()
      node.close()
    }
  }, patience)

  it("idle for 75 seconds between two requests, or as long as the operator says", async () => {
    for (const [keepAliveSeconds, seconds] of [[undefined, 75], [620, 620]] as const) {
      const options = { maxConnections: 5, ...(keepAliveSeconds !== undefined && { keepAliveSeconds }) }
      await served(options, waiter, async (port, { node }) => {
        assert.strictEqual(node.keepAliveTimeout, seconds * 1000)
        const asked = await ask(port, get("/"))
        await until(() => asked.seen.text.includes("here"), "an answer")
        assert.include(asked.seen.text, `Keep-Alive: timeout=${seconds}\r\n`)
      })
    }
  })

  it("beyond the bound are told to come back, and those within it stay", () =>
    served(
      { maxConnections: 5, admitsOrigin: (origin) => origin === "http://page.example" },
      waiter,
      async (port, { counts }) => {
        const held = await Promise.all(Array.from({ length: 5 }, () => client(port, get("/wait"))))
        await until(() => counts().open === 5, "five connections")
        await sleep(200)
        const { seen } = await ask(port, get("/"))
        assert.match(seen.text, /^HTTP\/1\.1 503 /)
        assert.include(seen.text, "Retry-After: 1\r\n")
        assert.include(seen.text, "\"code\":\"too_many_connections\"")
        assert.notInclude(seen.text.toLowerCase(), "access-control-allow-origin")
        const fromPage = await ask(port, get("/", "Origin: http://page.example"))
        assert.include(fromPage.seen.text.toLowerCase(), "access-control-allow-origin: http://page.example\r\n")
        assert.isTrue(held.every(({ seen }) => !seen.isClosed))
        assert.strictEqual(counts().refused, 2)
        held[0]!.socket.destroy()
        await until(async () => (await ask(port, get("/"))).seen.text.includes("here"), "room for another")
        for (const { socket } of held) socket.destroy()
      }
    ))

  it("that ask nothing give way to those that do", () =>
    served({ maxConnections: 5 }, waiter, async (port, { counts }) => {
      const silent = await Promise.all(Array.from({ length: 5 }, () => client(port)))
      await until(() => counts().open === 5, "five connections")
      for (let i = 0; i < 5; i++) {
        // oxlint-disable-next-line eslint/no-await-in-loop -- one after the other
        const { seen, socket } = await ask(port, get("/"))
        assert.include(seen.text, "here")
        socket.destroy()
      }
      assert.strictEqual(counts().refused, 0)
      assert.isAtLeast(counts().cut, 1)
      for (const { socket } of silent) socket.destroy()
    }))

  it("that have been answered and ask nothing more give way too", () =>
    served({ maxConnections: 5 }, waiter, async (port) => {
      const idle = await Promise.all(Array.from({ length: 5 }, () => ask(port, get("/"))))
      await until(async () => {
        const { seen, socket } = await ask(port, get("/"))
        socket.destroy()
        return seen.text.includes("here")
      }, "room for another")
      for (const { socket } of idle) socket.destroy()
    }))

  it("without a request are fewer than all, however many come", () =>
    served({ maxConnections: 200 }, waiter, async (port, { counts }) => {
      const silent = await Promise.all(Array.from({ length: 150 }, () => client(port)))
      await until(() => silent.filter(({ seen }) => seen.isClosed).length >= 100, "the oldest are closed")
      assert.isAtMost(counts().open, 50)
      for (const { socket } of silent) socket.destroy()
    }))

  it("keep no more unread bytes than the bound, and lose those first who read nothing", () =>
    served(
      { maxConnections: undefined, maxUnread: 4 * 1024 * 1024 },
      (request, response) => response.end(request.url === "/small" ? "x" : Buffer.alloc(32 * 1024 * 1024)),
      async (port, { counts }) => {
        const deaf = await client(port, get("/large"))
        await until(() => counts().cut === 1, "the deaf client is cut")
        await until(() => counts().open === 0, "its connection is gone")
        const { seen } = await ask(port, get("/small"))
        assert.match(seen.text, /^HTTP\/1\.1 200/)
        deaf.socket.destroy()
      }
    ))

  it("give a large answer to whoever reads it", () =>
    served(
      { maxConnections: undefined },
      (_, response) => response.end(Buffer.alloc(32 * 1024 * 1024, 0x61)),
      async (port) => {
        const reading = await client(port, get("/", "Connection: close"))
        let size = 0
        reading.socket.on("data", (chunk: Buffer) => size += chunk.length)
        await until(() => reading.seen.isClosed, "all of it")
        assert.isAbove(size, 32 * 1024 * 1024)
      }
    ))

  it("that cannot be accepted are counted, and end nothing", () =>
    served({ maxConnections: 5 }, waiter, async (port, { counts, node }) => {
      node.emit("error", new Error("accept EMFILE"))
      assert.strictEqual(counts().refused, 1)
      assert.include((await ask(port, get("/"))).seen.text, "here")
    }))

  it("are as many as the descriptors allow, with room for the database and for calls of models", () => {
    assert.strictEqual(capacityOf(undefined, Infinity), 16_384)
    assert.strictEqual(capacityOf(100_000, Infinity), 100_000)
    assert.strictEqual(capacityOf(undefined, 1_024), 576)
    assert.strictEqual(capacityOf(10_000, 1_024), 576)
    assert.strictEqual(capacityOf(100, 1_024), 100)
    assert.strictEqual(capacityOf(undefined, 256), 96)
    assert.isAtLeast(capacityOf(undefined, 1), 1)
    assert.isAtLeast(descriptorLimit(), 64)
  })
})

/** Requests that are being handled, and the most that ever were at once. */
let handled = 0
let most = 0

const counting = Layer.unwrapEffect(Effect.gen(function*() {
  const boundary = yield* Boundary.make({
    loopback: true,
    corsOrigins: [],
    allowedHosts: [],
    routes: [],
    logRequests: false
  })
  const app = Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) =>
    Effect.acquireUseRelease(
      Effect.sync(() => most = Math.max(most, ++handled)),
      () => Effect.as(Effect.sleep("5 millis"), HttpServerResponse.text(`answer to ${url}`)),
      () => Effect.sync(() => handled--)
    ))
  return HttpServer.serve(boundary(app))
}))

layer(
  TestHost.talkTo.pipe(
    Layer.provideMerge(counting),
    Layer.provideMerge(Layer.mergeAll(TestHost.readiness, TestHost.socket, catching))
  ),
  { excludeTestServices: true }
)("Requests of one connection", (it) => {
  it.effect("are handled one after the other, in order, however many are sent at once", () =>
    Effect.gen(function*() {
      const { raw } = yield* Door
      most = 0
      const asked = Array.from({ length: 40 }, (_, i) => `/${i}`)
      const { text } = yield* raw(asked.map((path) => get(path)).join(""), get("/last", "Connection: close"))
      const answers = [...text.matchAll(/answer to (\S+?)(?=HTTP|$)/g)].map(([, path]) => path)
      assert.deepStrictEqual(answers, [...asked, "/last"])
      assert.strictEqual(most, 1)
    }))

  it.effect("are cut with it when too many wait, and none is handled for a client that is gone", () =>
    Effect.gen(function*() {
      const { call, port } = yield* Door
      most = 0
      yield* Effect.promise(async () => {
        const { seen, socket } = await client(port, get("/x").repeat(500))
        await until(() => seen.isClosed, "the end of the connection")
        socket.destroy()
      })
      const left = yield* Effect.promise(async () => {
        const { socket } = await client(port, get("/x").repeat(30))
        await sleep(10)
        socket.resetAndDestroy()
        await sleep(300)
        return handled
      })
      assert.strictEqual(left, 0)
      assert.isAtMost(most, 2)
      assert.strictEqual((yield* call("GET", "/x")).status, 200)
      assert.deepStrictEqual(uncaught, [])
    }))
})
