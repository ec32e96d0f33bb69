import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { createServer, type IncomingMessage, type RequestListener } from "node:http"
import { type AddressInfo, createServer as createTcp } from "node:net"
import { gzipSync } from "node:zlib"
import { failureOf } from "../../src/layers/Models/aisdk/Failure.ts"
import { type GuardedOptions, type Lookup, make } from "../../src/layers/Outbound/Guarded.ts"

/** Resolves these names and no other. */
const names = (known: Readonly<Record<string, ReadonlyArray<string>>>): Lookup => (hostname, answer) =>
  known[hostname] === undefined
    ? answer(Object.assign(new Error("not found"), { code: "ENOTFOUND" }), [])
    : answer(null, known[hostname])

const guarded = (options: Partial<GuardedOptions> = {}) =>
  make({ hosts: [], loopback: false, lookup: names({}), own: () => new Set(["93.184.216.34"]), ...options })

/** A server on loopback; `connections` counts how often it was dialled. */
const serve = (listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.async<{ readonly port: number; readonly connections: () => number; readonly close: () => void }>(
      (resume) => {
        let connections = 0
        const server = createServer({ keepAliveTimeout: 60_000 }, listener)
        server.on("connection", () => connections++)
        server.listen(0, "127.0.0.1", () =>
          resume(Effect.succeed({
            port: (server.address() as AddressInfo).port,
            connections: () => connections,
            close: () => {
              server.closeAllConnections()
              server.close()
            }
          })))
      }
    ),
    ({ close }) => Effect.sync(close)
  )

/** The code that fetch failed with, anywhere down its causes. */
const codeOf = (asking: Promise<unknown>) =>
  Effect.promise(() =>
    asking.then(() => assert.fail("it was answered"), (error: unknown) => {
      for (let at = error; at instanceof Error; at = at.cause) {
        if ("code" in at) return at.code
      }
      return error
    })
  )

const tricky = [
  "http://example.com/",
  "ftp://example.com/",
  "file:///etc/passwd",
  "https://user:secret@example.com/",
  "https://user@example.com/",
  "https://example.com:22/",
  "https://example.com:1023/",
  "https://localhost/",
  "https://localhost./",
  "https://LOCALHOST:8443/",
  "https://api.localhost/",
  "https://intranet/",
  "https://printer.local/",
  "https://metadata.google.internal/",
  "https://METADATA.google.internal./",
  "https://metadata.goog/",
  "https://db.internal/",
  "https://router.home.arpa/",
  "https://127.0.0.1/",
  "https://127.1/",
  "https://127.255.255.254/",
  "https://2130706433/",
  "https://0x7f.1/",
  "https://0x7f000001/",
  "https://017700000001/",
  "https://0177.0.0.1/",
  "https://①②⑦.⓪.⓪.①/",
  "https://１２７.０.０.１/",
  "https://127。0。0。1/",
  "https://0/",
  "https://0.0.0.0/",
  "https://10.0.0.1/",
  "https://172.16.0.1/",
  "https://172.31.255.255/",
  "https://192.168.1.1/",
  "https://100.64.0.1/",
  "https://100.100.100.200/",
  "https://168.63.129.16/",
  "https://169.254.169.254/latest/meta-data/",
  "https://169.254.1.1/",
  "https://192.0.0.1/",
  "https://192.0.2.1/",
  "https://198.18.0.1/",
  "https://224.0.0.1/",
  "https://240.0.0.1/",
  "https://255.255.255.255/",
  "https://93.184.216.34/",
  "https://[::]/",
  "https://[::1]/",
  "https://[0:0:0:0:0:0:0:1]/",
  "https://[::ffff:127.0.0.1]/",
  "https://[::ffff:7f00:1]/",
  "https://[::ffff:a9fe:a9fe]/",
  "https://[0:0:0:0:0:ffff:0a00:0001]/",
  "https://[::127.0.0.1]/",
  "https://[64:ff9b::7f00:1]/",
  "https://[64:ff9b:1::7f00:1]/",
  "https://[2002:7f00:1::]/",
  "https://[2001::7f00:1]/",
  "https://[fe80::1]/",
  "https://[fc00::1]/",
  "https://[fd00:ec2::254]/",
  "https://[fec0::1]/",
  "https://[ff02::1]/",
  "https://[2001:db8::1]/",
  "https://[::ffff:0:127.0.0.1]/",
  "https://[4000::1]/"
]

describe("Without an allow-list", () => {
  it.effect("no spelling of an inner, own or special address is reached", () =>
    Effect.scoped(Effect.gen(function*() {
      const { fetch, forbids } = yield* guarded()
      for (const url of tricky) {
        assert.isTrue(forbids(url), url)
        assert.strictEqual(yield* codeOf(fetch(url)), "address_not_allowed", url)
      }
    })))

  it.effect("public addresses are, by https", () =>
    Effect.scoped(Effect.gen(function*() {
      const { forbids } = yield* guarded()
      for (
        const url of [
          "https://api.example.com/v1",
          "https://api.example.com:8443",
          "https://api.example.com:80",
          "https://1.1.1.1/",
          "https://[2606:4700::1111]:8443/",
          "https://localhost.example.com/"
        ]
      ) {
        assert.isFalse(forbids(url), url)
      }
    })))

  it.effect("no name that leads inside is dialled, nor one that leads there with only one of its addresses", () =>
    Effect.scoped(Effect.gen(function*() {
      const inner = {
        "loop.test.example": ["127.0.0.1"],
        "cloud.test.example": ["169.254.169.254"],
        "mapped.test.example": ["::ffff:10.0.0.1"],
        "both.test.example": ["1.1.1.1", "192.168.0.1"],
        "six.test.example": ["2606:4700::1111", "fe80::1%eth0"],
        "none.test.example": [],
        "strange.test.example": ["localhost"]
      }
      const { fetch, forbids } = yield* guarded({ lookup: names(inner) })
      for (const name of Object.keys(inner)) {
        assert.isFalse(forbids(`https://${name}/`))
        assert.strictEqual(yield* codeOf(fetch(`https://${name}/`)), "address_not_allowed", name)
      }
      assert.strictEqual(yield* codeOf(fetch("https://nobody.test.example/")), "ENOTFOUND")
    })))

  it.effect("an inner name is not even looked up", () =>
    Effect.scoped(Effect.gen(function*() {
      let asked = 0
      const { fetch } = yield* guarded({ lookup: (_, answer) => answer(null, [`${asked++}`]) })
      yield* codeOf(fetch("https://db.internal/"))
      yield* codeOf(fetch("http://example.com/"))
      assert.strictEqual(asked, 0)
    })))

  it.live("a look-up that does not end is given up", () =>
    Effect.scoped(Effect.gen(function*() {
      const { fetch } = yield* guarded({ lookup: () => {}, connectTimeout: 50 })
      assert.strictEqual(yield* codeOf(fetch("https://slow.test.example/")), "UND_ERR_CONNECT_TIMEOUT")
    })))
})

describe("What the operator allows", () => {
  it.effect("is allowed as far as it is named, and nothing else", () =>
    Effect.scoped(Effect.gen(function*() {
      const { forbids } = yield* guarded({
        hosts: ["ollama.internal:11434", "gpu", "10.1.2.3:8000", "10.9.9.9", "[fd00::1]:80", "fd00::2", "169.254.170.2"]
      })
      const table: ReadonlyArray<readonly [string, boolean]> = [
        ["http://ollama.internal:11434/v1", false],
        ["http://OLLAMA.internal.:11434/v1", false],
        ["https://gpu:99/", false],
        ["http://10.1.2.3:8000/", false],
        ["http://10.1.2.3:8001/", true],
        ["http://10.9.9.9:22/", false],
        ["http://[fd00::1]/", false],
        ["http://[fd00::1]:81/", true],
        ["http://[fd00::2]:81/", false],
        ["http://[fd00::3]:81/", true],
        ["http://169.254.170.2/", false],
        ["http://169.254.169.254/", true],
        ["http://user@gpu/", true]
      ]
      for (const [url, forbidden] of table) assert.strictEqual(forbids(url), forbidden, url)
    })))

  it.effect("may be a range, through which no cloud's metadata is reached", () =>
    Effect.scoped(Effect.gen(function*() {
      const lookup = names({ "meta.test.example": ["169.254.169.254"], "far.test.example": ["10.2.0.1"] })
      const { fetch, forbids } = yield* guarded({ hosts: ["10.1.0.0/16", "169.254.0.0/16", "fd00::/8"], lookup })
      assert.isFalse(forbids("http://10.1.255.255:22/"))
      assert.isFalse(forbids("http://[fd12::1]/"))
      assert.isFalse(forbids("http://[::ffff:10.1.0.1]/"))
      assert.isTrue(forbids("http://10.2.0.1/"))
      assert.isTrue(forbids("http://169.254.169.254/"))
      assert.isTrue(forbids("http://[fd00:ec2::254]/"))
      for (const name of ["meta", "far"]) {
        assert.strictEqual(yield* codeOf(fetch(`http://${name}.test.example/`)), "address_not_allowed")
      }
    })))

  it.live("is this machine while the server listens on loopback, by any of its names", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* serve((_, response) => response.end("here"))
      const { fetch, forbids } = yield* guarded({
        loopback: true,
        lookup: names({ "localhost": ["127.0.0.1"], "lan.test.example": ["192.168.0.2"] })
      })
      for (const host of ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "127.1"]) {
        const answer = yield* Effect.promise(() => fetch(`http://${host}:${server.port}/`))
        assert.strictEqual(yield* Effect.promise(() => answer.text()), "here", host)
      }
      assert.isTrue(forbids("http://192.168.0.2/"))
      assert.isTrue(forbids("http://169.254.169.254/"))
      assert.strictEqual(yield* codeOf(fetch("http://lan.test.example/")), "address_not_allowed")
    })))
})

/** `models.test` is the fake server on loopback, as if it were somewhere in the world. */
const fake = (listener: RequestListener) =>
  Effect.gen(function*() {
    const server = yield* serve(listener)
    const host = `models.test:${server.port}`
    const outbound = yield* guarded({ hosts: [host], lookup: names({ "models.test": ["127.0.0.1"] }) })
    return { ...outbound, ...server, host, url: `http://${host}/v1` }
  })

describe("An allowed server", () => {
  it.live("is asked under its own name, streams piece by piece, and keeps its connection for the next call", () =>
    Effect.scoped(Effect.gen(function*() {
      const asked: Array<IncomingMessage> = []
      let goOn = () => {}
      const server = yield* fake((request, response) => {
        asked.push(request)
        response.writeHead(200, { "content-type": "text/event-stream" })
        response.write("data: one\n\n")
        goOn = () => response.end("data: two\n\n")
      })
      for (let n = 0; n < 3; n++) {
        const response = yield* Effect.promise(() => server.fetch(server.url, { method: "POST", body: "{}" }))
        const reader = response.body!.getReader()
        const read = Effect.promise(async () => new TextDecoder().decode((await reader.read()).value))
        assert.strictEqual(yield* read, "data: one\n\n")
        goOn()
        assert.strictEqual(yield* read, "data: two\n\n")
        assert.isTrue((yield* Effect.promise(() => reader.read())).done)
        yield* Effect.sleep("5 millis")
      }
      assert.deepStrictEqual(asked.map(({ headers }) => headers.host), [server.host, server.host, server.host])
      assert.strictEqual(asked[0]?.headers["accept-encoding"], "identity")
      assert.strictEqual(server.connections(), 1)
    })))

  it.live("is looked up once for a connection: what its name says afterwards changes nothing, and is checked anew", () =>
    Effect.scoped(Effect.gen(function*() {
      const server = yield* serve((_, response) => response.writeHead(200, { connection: "close" }).end("here"))
      let asked = 0
      const { fetch } = yield* guarded({
        hosts: ["127.0.0.1"],
        lookup: (_, answer) => answer(null, asked++ === 0 ? ["127.0.0.1"] : ["127.0.0.2"])
      })
      const url = `http://rebound.test.example:${server.port}/`
      const first = yield* Effect.promise(() => fetch(url))
      assert.strictEqual(yield* Effect.promise(() => first.text()), "here")
      assert.strictEqual(asked, 1)
      assert.strictEqual(yield* codeOf(fetch(url)), "address_not_allowed")
      assert.strictEqual(asked, 2)
    })))

  it.live("is told its name in TLS, although its address is dialled", () =>
    Effect.scoped(Effect.gen(function*() {
      let hello = Buffer.alloc(0)
      const port = yield* Effect.acquireRelease(
        Effect.async<{ readonly port: number; readonly close: () => void }>((resume) => {
          const server = createTcp((socket) =>
            socket.on("error", () => {}).on("data", (data) => {
              hello = Buffer.concat([hello, data])
              socket.destroy()
            })
          )
          server.listen(0, "127.0.0.1", () =>
            resume(Effect.succeed({
              port: (server.address() as AddressInfo).port,
              close: () => void server.close()
            })))
        }),
        ({ close }) => Effect.sync(close)
      )
      const { fetch } = yield* guarded({ hosts: ["models.test"], lookup: names({ "models.test": ["127.0.0.1"] }) })
      yield* codeOf(fetch(`https://models.test:${port.port}/`))
      assert.isTrue(hello.includes("models.test"))
    })))

  it.live("cannot send its visitor elsewhere, nor get at the key that goes along", () =>
    Effect.scoped(Effect.gen(function*() {
      const inner = yield* serve((_, response) => response.end("secret"))
      for (const status of [301, 302, 303, 307, 308]) {
        const server = yield* fake((_, response) =>
          response.writeHead(status, { location: `http://127.0.0.1:${inner.port}/` }).end()
        )
        const asking = server.fetch(server.url, { headers: { authorization: "Bearer key" }, redirect: "follow" })
        assert.strictEqual(yield* codeOf(asking), "redirect_not_followed")
      }
      assert.strictEqual(inner.connections(), 0)
    })))

  it.live("cannot fill the memory: not with an answer, an error, headers, or what unpacks to much", () =>
    Effect.scoped(Effect.gen(function*() {
      const much = Buffer.alloc(11 * 1024 * 1024, "x")
      const server = yield* fake(({ url }, response) => {
        response.on("error", () => {})
        if (url === "/v1/headers") response.writeHead(200, { "x-much": "x".repeat(64 * 1024) }).end()
        else if (url === "/v1/packed") {
          response.writeHead(200, { "content-type": "text/event-stream", "content-encoding": "gzip" })
          response.end(gzipSync(much))
        } else response.writeHead(url === "/v1/error" ? 500 : 200, { "content-type": "application/json" }).end(much)
      })
      for (const path of ["/json", "/error", "/packed"]) {
        const text = server.fetch(`${server.url}${path}`).then((response) => response.text())
        assert.strictEqual(yield* codeOf(text), "response_too_large", path)
      }
      assert.strictEqual(yield* codeOf(server.fetch(`${server.url}/headers`)), "UND_ERR_HEADERS_OVERFLOW")
    })))
})

it.effect("says to the tenant what to do, and nothing of what was found", () =>
  Effect.scoped(Effect.gen(function*() {
    const { fetch } = yield* guarded({ lookup: names({ "inner.test.example": ["10.11.12.13"] }) })
    const error = yield* Effect.promise(() => fetch("https://inner.test.example/").catch((error: unknown) => error))
    const failed = failureOf(error, false, 0)
    assert.deepInclude(failed, { type: "setup", retryable: false })
    assert.include(failed.message, "STOA_OUTBOUND_HOSTS")
    assert.notInclude(JSON.stringify(failed), "10.11")
    assert.notInclude(JSON.stringify(failed), "inner.test")
  })))
