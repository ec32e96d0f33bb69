import { HttpServer, HttpServerRequest, type HttpServerResponse } from "@effect/platform"
import { assert, describe, layer } from "@effect/vitest"
import { Effect, Layer, Logger, LogLevel, type Scope } from "effect"
import { Conflict, Unavailable } from "../../src/domain/Errors.ts"
import * as Boundary from "../../src/http/middleware/Boundary.ts"
import * as HostLayer from "../../src/layers/Host.ts"
import { Models } from "../../src/services/Models.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { Logged, TestHost: Host } = TestHost

const planted = "sk-planted-0815"

const isProblem = (answer: TestHost.Answer, status: number, code: string) => {
  assert.strictEqual(answer.status, status, answer.text)
  assert.strictEqual(answer.headers["content-type"], "application/problem+json")
  assert.containsAllKeys(answer.json, ["type", "title", "status", "detail", "code", "request_id"])
  assert.deepInclude(answer.json, { status, code, request_id: answer.headers["x-request-id"] })
  assert.isNotEmpty(answer.json.detail)
}

const post = (body: string, headers: Record<string, string> = {}) => ({
  user: "ada",
  text: body,
  headers: { "content-type": "application/json", ...headers }
})

const request = (...lines: ReadonlyArray<string>) => [...lines, "Connection: close", "", ""].join("\r\n")

const nested = (depth: number) => `{"name":"x","deep":${"[".repeat(depth)}${"]".repeat(depth)}}`

layer(TestHost.layer(), { excludeTestServices: true })("The boundary", (it) => {
  describe("Bodies", () => {
    it.effect("refuses what is not JSON, without repeating it", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        for (const body of [`{"name": "${planted}`, planted, "{'a':1}", "\u0000", `{"name":"x"}${planted}`]) {
          const answer = yield* call("POST", "/agent", post(body))
          isProblem(answer, 400, "malformed_json")
          assert.notInclude(answer.text, planted)
        }
      }))

    it.effect("refuses bytes that are not UTF-8", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const body = Buffer.from([0x22, 0xff, 0xfe, 0x22])
        const head = request(
          "POST /agent HTTP/1.1",
          "Host: localhost",
          "X-User-ID: ada",
          "Content-Type: application/json",
          `Content-Length: ${body.length}`
        )
        isProblem(yield* raw(head, body), 400, "malformed_json")
      }))

    it.effect("names every wrong field and never its value", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const bodies = [
          { name: 5 },
          { name: { planted } },
          { name: "x", system_prompt: [planted] },
          { name: "x", react_config: { max_iters: planted } },
          { name: "x", react_config: planted },
          { name: "x", context_config: { trigger_ratio: planted } },
          { name: planted.repeat(100) },
          planted,
          [planted],
          null
        ]
        for (const body of bodies) {
          const answer = yield* call("POST", "/agent", { user: "ada", body })
          isProblem(answer, 422, "invalid")
          assert.isNotEmpty(answer.json.errors)
          for (const error of answer.json.errors) assert.hasAllKeys(error, ["path", "message"])
          assert.notInclude(answer.text, planted)
        }
      }))

    it.effect("says where and why", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const errors = (body: unknown) =>
          Effect.map(call("POST", "/agent", { user: "ada", body }), ({ json }) => json.errors)
        assert.deepStrictEqual(yield* errors({}), [{ path: "name", message: "is missing" }])
        assert.deepStrictEqual(yield* errors({ name: "" }), [
          { path: "name", message: "Expected a string at least 1 character(s) long" }
        ])
        assert.deepStrictEqual(yield* errors({ name: "x", react_config: { max_iters: 1.5 } }), [
          { path: "react_config.max_iters", message: "Expected an integer" }
        ])
      }))

    it.effect("says what it expects in words, and not in types of its own language", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const agent = { name: "x" }
        const session = { agent_id: "a" }
        const chat = { agent_id: "a", session_id: "s", input: { content: "hi" } }
        const wrong: ReadonlyArray<readonly [path: string, body: object, field: string, expected: string]> = [
          ["/agent", { ...agent, context_config: [] }, "context_config", "an object"],
          ["/agent", { ...agent, react_config: 5 }, "react_config", "an object"],
          ["/agent", { ...agent, client_tools: 5 }, "client_tools", "an array"],
          ["/sessions", { ...session, tts_model_config: 1 }, "tts_model_config", "an object"],
          ["/credential", { data: [] }, "data", "an object"],
          ["/chat/reply", { ...chat, output_schema: [] }, "output_schema", "an object"]
        ]
        for (const [path, body, field, expected] of wrong) {
          const { json, status } = yield* call("POST", path, { user: "ada", body })
          assert.strictEqual(status, 422)
          assert.deepStrictEqual(json.errors, [{ path: field, message: `Expected ${expected}` }])
        }
      }))

    it.effect("refuses wrong query parameters and headers without their values", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        for (
          const query of [
            "limit=0",
            "limit=1001",
            `limit=${planted}`,
            "limit=1&limit=2",
            "limit=",
            "limit=1e9",
            "limit=-1"
          ]
        ) {
          const answer = yield* call("GET", `/agent?${query}`, { user: "ada" })
          isProblem(answer, 422, "invalid")
          assert.deepStrictEqual(answer.json.errors.map(({ path }: { path: string }) => path), ["limit"])
          assert.notInclude(answer.text, planted)
        }
        const answer = yield* call("GET", "/sessions/x/stream", {
          user: "ada",
          headers: { "last-event-id": planted.repeat(10) }
        })
        isProblem(answer, 422, "invalid")
        assert.notInclude(answer.text, planted)
      }))

    it.effect("takes a body of 1 MiB and refuses a larger one by its length", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const texts = Array.from({ length: 4 }, () => "x".repeat(262_000))
        const fits = JSON.stringify({ name: "x", more: texts })
        assert.isBelow(fits.length, 1024 * 1024 + 1)
        assert.strictEqual((yield* call("POST", "/agent", post(fits))).status, 201)
        isProblem(yield* call("POST", "/agent", post(`${fits}${" ".repeat(1024)}`)), 413, "too_large")
        isProblem(yield* call("POST", "/agent", post(" ".repeat(8 * 1024 * 1024))), 413, "too_large")
      }))

    it.effect("answers a chunked body that grows too large, and goes on with the connection", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`
        const answer = yield* raw(
          "POST /agent HTTP/1.1\r\nHost: localhost\r\nX-User-ID: ada\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
          ...Array.from({ length: 40 }, () => chunk),
          "0\r\n\r\n",
          request("GET /liveness HTTP/1.1", "Host: localhost")
        )
        assert.strictEqual(answer.status, 413)
        assert.include(answer.text, "\"code\":\"too_large\"")
        assert.include(answer.text, "HTTP/1.1 200 OK")
      }))

    it.effect("refuses bodies that are nested deeper than 64 levels", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        assert.strictEqual((yield* call("POST", "/agent", post(nested(63)))).status, 201)
        isProblem(yield* call("POST", "/agent", post(nested(64))), 422, "too_deep")
        isProblem(yield* call("POST", "/agent", post(nested(200_000))), 422, "too_deep")
      }))

    it.effect("refuses bodies of more than 10,000 keys and items, and texts beyond 256 Ki characters", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const keys = Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, i]))
        isProblem(yield* call("POST", "/agent", { user: "ada", body: { name: "x", ...keys } }), 422, "too_many_members")
        isProblem(yield* call("POST", "/agent", { user: "ada", body: Array(10_001).fill(0) }), 422, "too_many_members")
        const text = "x".repeat(256 * 1024 + 1)
        isProblem(yield* call("POST", "/agent", { user: "ada", body: { name: text } }), 422, "string_too_long")
      }))

    it.effect("refuses a key named __proto__", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        isProblem(yield* call("POST", "/agent", post("{\"name\":\"x\",\"__proto__\":{\"a\":1}}")), 422, "forbidden_key")
      }))

    it.effect("takes only application/json, in UTF-8 and not compressed", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const body = "{\"name\":\"x\"}"
        const types = [
          "text/plain",
          "application/x-www-form-urlencoded",
          "multipart/form-data; boundary=x",
          "application/xml",
          "application/json; charset=latin1",
          "application/jsonp",
          "text/plain; application/json",
          "application/octet-stream"
        ]
        for (const type of types) {
          isProblem(
            yield* call("POST", "/agent", post(body, { "content-type": type })),
            415,
            "unsupported_content_type"
          )
        }
        isProblem(
          yield* call("POST", "/agent", post(body, { "content-encoding": "gzip" })),
          415,
          "unsupported_content_type"
        )
        for (
          const type of ["application/json;charset=UTF-8", "Application/JSON", "application/json; charset=\"utf-8\""]
        ) {
          assert.strictEqual((yield* call("POST", "/agent", post(body, { "content-type": type }))).status, 201, type)
        }
      }))

    it.effect("refuses a body without a content type", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const head = request("POST /agent HTTP/1.1", "Host: localhost", "X-User-ID: ada", "Content-Length: 12")
        isProblem(yield* raw(head, "{\"name\":\"x\"}"), 415, "unsupported_content_type")
      }))

    it.effect("takes a missing body, whatever its content type, for no JSON at all", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        for (
          const type of ["application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"]
        ) {
          isProblem(yield* call("POST", "/agent", { user: "ada", headers: { "content-type": type } }), 422, "invalid")
        }
        isProblem(yield* call("POST", "/agent", { user: "ada" }), 422, "invalid")
        isProblem(yield* call("POST", "/sessions/none/interrupt", { user: "ada" }), 404, "not_found")
      }))

    it.effect("asks who it is before it reads a body", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        isProblem(
          yield* call("POST", "/agent", { text: "{", headers: { "content-type": "application/json" } }),
          401,
          "unauthenticated"
        )
      }))

    it.effect("takes a request that would rather speak another protocol for what it is, body and all", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const head = request(
          "POST /agent HTTP/1.1",
          "Host: localhost",
          "X-User-ID: ada",
          "Content-Type: application/json",
          "Content-Length: 12",
          "Upgrade: h2c"
        ).replace("Connection: close", "Connection: Upgrade, close")
        assert.strictEqual((yield* raw(head, "{\"name\":\"x\"}")).status, 201)
      }))
  })

  describe("Requests", () => {
    it.effect("knows which methods a path has", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const put = yield* call("PUT", "/agent", { user: "ada", body: {} })
        isProblem(put, 405, "method_not_allowed")
        assert.strictEqual(put.headers["allow"], "GET, HEAD, POST")
        const chat = yield* call("GET", "/chat", { user: "ada" })
        isProblem(chat, 405, "method_not_allowed")
        assert.strictEqual(chat.headers["allow"], "POST")
        assert.strictEqual((yield* call("DELETE", "/openapi.json")).headers["allow"], "GET, HEAD")
      }))

    it.effect("answers an unknown path with 404, for known and unknown callers alike", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        for (const path of ["/nope", "/agents", "/agent/x/y", "/AGENT", "//agent"]) {
          isProblem(yield* call("GET", path, { user: "ada" }), 404, "no_such_path")
          isProblem(yield* call("POST", path, { body: {} }), 404, "no_such_path")
        }
      }))

    it.effect("answers HEAD like GET, without a body", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const answer = yield* call("HEAD", "/agent", { user: "ada" })
        assert.deepInclude(answer, { status: 200, text: "" })
        assert.deepInclude(yield* call("HEAD", "/agent"), { status: 401, text: "" })
      }))

    it.effect("refuses a path that is not percent-encoded UTF-8", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        for (const path of ["/agent/%", "/agent/%zz", "/agent/%ff", "/agent/%c0%ae"]) {
          isProblem(
            yield* raw(request(`GET ${path} HTTP/1.1`, "Host: localhost", "X-User-ID: ada")),
            400,
            "malformed_path"
          )
        }
      }))

    it.effect("does not let an encoded path pass for another", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        // The route is /keys, however it is spelled, and the user of a header is no admin.
        isProblem(yield* call("GET", "/%6beys", { user: "ada" }), 403, "scope_missing")
        isProblem(yield* call("GET", "/agent/..%2f..%2fkeys", { user: "ada" }), 404, "not_found")
        isProblem(yield* call("GET", "/agent/%00", { user: "ada" }), 422, "invalid")
      }))

    it.effect("refuses two of the headers that may come once", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const twice = [
          ["Host: localhost", "Host: evil.example"],
          ["Host: localhost", "X-User-ID: ada", "x-user-id: grace"],
          ["Host: localhost", "Authorization: Bearer a", "authorization: Bearer b"],
          ["Host: localhost", "X-User-ID: ada", "Origin: http://localhost", "Origin: http://evil.example"]
        ]
        for (const headers of twice) {
          isProblem(yield* raw(request("GET /agent HTTP/1.1", ...headers)), 400, "doubled_header")
        }
      }))

    it.effect("refuses a request without a host", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        isProblem(yield* raw(request("GET /liveness HTTP/1.1")), 400, "host_missing")
      }))

    it.effect("refuses an absolute target", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        isProblem(
          yield* raw(request("GET http://evil.example/agent HTTP/1.1", "Host: localhost")),
          400,
          "malformed_target"
        )
        isProblem(yield* raw(request("OPTIONS * HTTP/1.1", "Host: localhost")), 400, "malformed_target")
      }))

    it.effect("refuses more than 100 headers", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const lines = (n: number) => Array.from({ length: n }, (_, i) => `X-${i}: 1`)
        isProblem(
          yield* raw(request("GET /liveness HTTP/1.1", "Host: localhost", ...lines(101))),
          400,
          "too_many_headers"
        )
        assert.strictEqual((yield* raw(request("GET /liveness HTTP/1.1", "Host: localhost", ...lines(90)))).status, 200)
        const answer = yield* raw(request("GET /liveness HTTP/1.1", "Host: localhost", `X: ${"y".repeat(20_000)}`))
        assert.strictEqual(answer.status, 431)
        isProblem(answer, 431, "headers_too_large")
        // A page of an admitted origin reads the sentence, and not "network error".
        const page = "http://localhost:5173"
        const told = yield* raw(
          request("GET /liveness HTTP/1.1", "Host: localhost", `Origin: ${page}`, `X: ${"y".repeat(20_000)}`)
        )
        assert.strictEqual(told.status, 431)
        assert.strictEqual(told.headers["access-control-allow-origin"], page)
        const foreign = yield* raw(
          request(
            "GET /liveness HTTP/1.1",
            "Host: localhost",
            "Origin: https://evil.example",
            `X: ${"y".repeat(20_000)}`
          )
        )
        assert.notProperty(foreign.headers, "access-control-allow-origin")
      }))

    it.effect("says of a path that is not there, or not for this method, that first, whatever the body is", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const text = { text: "hello", headers: { "content-type": "text/plain" } }
        isProblem(yield* call("POST", "/nothing", text), 404, "no_such_path")
        isProblem(yield* call("POST", "/health", text), 405, "method_not_allowed")
        isProblem(yield* call("POST", "/agent", { user: "ada", ...text }), 415, "unsupported_content_type")
        isProblem(yield* call("POST", "/nothing", { text: "y".repeat(2 ** 21) }), 404, "no_such_path")
      }))

    it.effect("answers bytes that are no request with a problem, too", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const bad = [
          "hello\r\n\r\n",
          request("POST /agent HTTP/1.1", "Host: localhost", "Content-Length: 1", "Content-Length: 2"),
          request("POST /agent HTTP/1.1", "Host: localhost", "Content-Length: 1", "Transfer-Encoding: chunked"),
          request("GET /liveness HTTP/1.1", "Host: localhost", "Bad Header: 1")
        ]
        for (const bytes of bad) {
          const answer = yield* raw(bytes)
          assert.deepInclude(answer.json, { status: 400, code: "malformed" }, bytes)
        }
      }))

    it.effect("gives every answer a request id, and takes over a well-formed one", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const ids = yield* Effect.forEach(
          ["/liveness", "/nope", "/agent", "/openapi.json", "/sessions/x/stream"],
          (path) => Effect.map(call("GET", path), ({ headers }) => headers["x-request-id"])
        )
        for (const id of ids) assert.match(String(id), /^[A-Za-z0-9._-]{8,64}$/)
        assert.strictEqual(new Set(ids).size, ids.length)
        const given = (id: string) =>
          Effect.map(
            call("GET", "/nope", { headers: { "x-request-id": id } }),
            ({ headers }) => headers["x-request-id"]
          )
        assert.strictEqual(yield* given("trace-1.2_3"), "trace-1.2_3")
        for (const id of ["a b", "x".repeat(65), "<script>", "a,b"]) assert.notStrictEqual(yield* given(id), id)
      }))

    it.effect("says nosniff on every answer", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        for (const path of ["/liveness", "/nope", "/agent", "/docs"]) {
          assert.strictEqual((yield* call("GET", path)).headers["x-content-type-options"], "nosniff")
        }
      }))
  })

  describe("Hosts and origins", () => {
    const hosted = (host: string) => request("GET /liveness HTTP/1.1", `Host: ${host}`)

    it.effect("answers on loopback only to loopback names", () =>
      Effect.gen(function*() {
        const { port, raw } = yield* Host
        for (const host of ["localhost", "127.0.0.1", "[::1]", `localhost:${port}`, "LOCALHOST:1"]) {
          assert.strictEqual((yield* raw(hosted(host))).status, 200, host)
        }
        for (
          const host of [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "0.0.0.0",
            "localhost:80:80",
            ""
          ]
        ) {
          isProblem(yield* raw(hosted(host)), 403, "host_not_allowed")
        }
      }))

    it.effect("lets pages of loopback origins talk, and answers their preflight before it asks who they are", () =>
      Effect.gen(function*() {
        const { call, raw } = yield* Host
        const origin = "http://localhost:3000"
        const answer = yield* call("GET", "/agent", { user: "ada", headers: { origin } })
        assert.strictEqual(answer.headers["access-control-allow-origin"], origin)
        assert.strictEqual(answer.headers["vary"], "Origin")
        assert.include(answer.headers["access-control-expose-headers"], "x-request-id")
        assert.strictEqual(
          (yield* call("GET", "/nope", { headers: { origin } })).headers["access-control-allow-origin"],
          origin
        )
        const preflight = yield* raw(
          request(
            "OPTIONS /chat HTTP/1.1",
            "Host: localhost",
            `Origin: ${origin}`,
            "Access-Control-Request-Method: POST"
          )
        )
        assert.strictEqual(preflight.status, 204)
        assert.deepInclude(preflight.headers, {
          "access-control-allow-origin": origin,
          allow: "POST, OPTIONS",
          "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
          "access-control-allow-headers":
            "a2a-extensions, a2a-version, accept, authorization, content-type, idempotency-key, last-event-id, mcp-method, mcp-name, mcp-protocol-version, mcp-session-id, prefer, x-api-key, x-request-id, x-session-id, x-user-id"
        })
      }))

    it.effect("keeps other pages out", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        for (const origin of ["https://evil.example", "null", "http://localhost.evil.example", "file://"]) {
          const answer = yield* raw(
            request("GET /agent HTTP/1.1", "Host: localhost", "X-User-ID: ada", `Origin: ${origin}`)
          )
          isProblem(answer, 403, "origin_not_allowed")
          assert.notProperty(answer.headers, "access-control-allow-origin")
          const preflight = yield* raw(
            request(
              "OPTIONS /chat HTTP/1.1",
              "Host: localhost",
              `Origin: ${origin}`,
              "Access-Control-Request-Method: POST"
            )
          )
          assert.notProperty(preflight.headers, "access-control-allow-origin")
        }
      }))

    it.effect("answers an admitted page's preflight of every path, and lets the page read every refusal", () =>
      Effect.gen(function*() {
        const { call, raw, setReady } = yield* Host
        const origin = "http://localhost:3000"
        for (const path of ["/channels/", "/nope", "/agent/x/y/z", "/workspace/mcp?agent_id=a", "/agent/", "/health"]) {
          const answer = yield* raw(
            request(
              `OPTIONS ${path} HTTP/1.1`,
              "Host: localhost",
              `Origin: ${origin}`,
              "Access-Control-Request-Method: GET"
            )
          )
          assert.strictEqual(answer.status, 204, path)
          assert.strictEqual(answer.headers["access-control-allow-origin"], origin)
          assert.include(answer.headers["access-control-allow-methods"], "GET")
          assert.include(answer.headers["access-control-allow-headers"], "x-user-id")
        }
        const open = { origin, "content-type": "application/json" }
        const refusals: ReadonlyArray<readonly [status: number, method: string, path: string, options: TestHost.Call]> =
          [
            [404, "GET", "/channels/", { user: "ada", headers: open }],
            [401, "GET", "/agent/", { headers: open }],
            [405, "PUT", "/agent/", { user: "ada", headers: open, text: "{}" }],
            [400, "POST", "/agent/", { user: "ada", headers: open, text: "{" }],
            [413, "POST", "/agent/", { user: "ada", headers: open, text: `"${"x".repeat(2 * 1024 * 1024)}"` }],
            [415, "POST", "/agent/", { user: "ada", headers: { origin, "content-type": "text/plain" }, text: "x" }],
            [422, "POST", "/agent/", { user: "ada", headers: open, text: "{}" }]
          ]
        const readable = (answer: TestHost.Answer, status: number) => {
          assert.strictEqual(answer.status, status)
          assert.strictEqual(answer.headers["access-control-allow-origin"], origin)
          assert.isNotEmpty(answer.json.detail)
        }
        for (const [status, method, path, options] of refusals) readable(yield* call(method, path, options), status)
        yield* setReady(false)
        readable(yield* call("POST", "/agent", { user: "ada", headers: open, text: "{\"name\":\"x\"}" }), 503)
        yield* setReady(true)
      }))

    it.effect("gives a page of another origin nothing on any path", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        for (const path of ["/nope", "/agent"]) {
          const answer = yield* raw(
            request(`OPTIONS ${path} HTTP/1.1`, "Host: localhost", "Origin: https://evil.example")
          )
          isProblem(answer, 403, "origin_not_allowed")
          assert.notProperty(answer.headers, "access-control-allow-origin")
          assert.notProperty(answer.headers, "access-control-allow-methods")
        }
      }))

    it.effect("tells on OPTIONS what a path can do", () =>
      Effect.gen(function*() {
        const { raw } = yield* Host
        const answer = yield* raw(request("OPTIONS /agent/x HTTP/1.1", "Host: localhost"))
        assert.strictEqual(answer.status, 204)
        assert.strictEqual(answer.headers["allow"], "GET, HEAD, PATCH, DELETE, OPTIONS")
        isProblem(yield* raw(request("OPTIONS /nope HTTP/1.1", "Host: localhost")), 404, "no_such_path")
      }))
  })
})

layer(
  TestHost.layer({ loopback: false, corsOrigins: ["https://app.example.com"], allowedHosts: ["stoa.example.com"] }),
  { excludeTestServices: true }
)("A public server", (it) => {
  it.effect("answers to its configured names", () =>
    Effect.gen(function*() {
      const { raw } = yield* Host
      const status = (host: string) =>
        Effect.map(raw(request("GET /liveness HTTP/1.1", `Host: ${host}`)), (answer) => answer.status)
      assert.strictEqual(yield* status("stoa.example.com"), 200)
      assert.strictEqual(yield* status("stoa.example.com:8443"), 200)
      assert.strictEqual(yield* status("evil.example"), 403)
    }))

  it.effect("lets only configured origins read", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const allowed = (origin: string) =>
        Effect.map(call("GET", "/liveness", { headers: { origin } }), ({ headers }) =>
          headers["access-control-allow-origin"])
      assert.strictEqual(yield* allowed("https://app.example.com"), "https://app.example.com")
      assert.isUndefined(yield* allowed("http://localhost:3000"))
      assert.isUndefined(yield* allowed("https://evil.example"))
    }))
})

layer(TestHost.layer(), { excludeTestServices: true })("A server that is not ready", (it) => {
  it.effect("takes no inputs, says when to come back, and lets reads and interrupts pass", () =>
    Effect.gen(function*() {
      const { call, raw, setReady } = yield* Host
      yield* setReady(false)
      for (
        const [method, path] of [["POST", "/agent"], ["POST", "/chat"], ["PATCH", "/agent/x"], [
          "DELETE",
          "/agent/x"
        ]] as const
      ) {
        const answer = yield* call(method, path, { user: "ada", body: {} })
        isProblem(answer, 503, "unavailable")
        assert.strictEqual(answer.headers["retry-after"], "5")
        assert.strictEqual(answer.json.retry_after, 5)
      }
      assert.strictEqual((yield* call("GET", "/agent", { user: "ada" })).status, 200)
      assert.strictEqual((yield* call("POST", "/sessions/x/interrupt", { user: "ada" })).status, 404)
      assert.strictEqual((yield* call("POST", "/runs/x/cancel", { user: "ada" })).status, 404)
      assert.strictEqual((yield* call("POST", "/stop", { user: "ada", body: { session_id: "x" } })).status, 200)
      const ready = yield* call("GET", "/readiness")
      assert.deepInclude(ready, { status: 503, json: { status: "not_ready" } })
      assert.strictEqual(ready.headers["retry-after"], "5")
      assert.strictEqual((yield* call("GET", "/health")).status, 503)
      assert.strictEqual((yield* call("GET", "/liveness")).status, 200)
      // It asks clients to go, so that closing waits for nobody.
      const kept = yield* raw("GET /liveness HTTP/1.1\r\nHost: localhost\r\n\r\n")
      assert.strictEqual(kept.headers["connection"], "close")
      yield* setReady(true)
      assert.strictEqual((yield* call("GET", "/readiness")).status, 200)
    }))
})

const brokenCards = Layer.effect(
  Models,
  Effect.map(Models, (models) =>
    Models.of({
      ...models,
      cards: (type) =>
        Effect.map(models.cards(type), (cards) => cards.map((card) => ({ ...card, context_size: 0.5, label: planted })))
    }))
)

layer(
  TestHost.layer({ host: Layer.provideMerge(brokenCards, HostLayer.layerMemory) }).pipe(
    Layer.provideMerge(TestHost.logged)
  ),
  { excludeTestServices: true }
)("An answer that does not fit its schema", (it) => {
  it.effect("is our fault, not the client's, and the log says where without the value", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const lines = yield* Logged
      isProblem(yield* call("GET", "/model?provider=demo_credential"), 500, "internal")
      const line = lines.find((line) => line.includes("does not fit"))
      assert.include(line, "context_size")
      assert.notInclude(line, planted)
    }))
})

/** Requests that have ended because their client was gone. */
let left = 0

const breaking = Layer.unwrapEffect(Effect.gen(function*() {
  const boundary = yield* Boundary.make({
    loopback: true,
    corsOrigins: [],
    allowedHosts: [],
    routes: [],
    logRequests: false
  })
  const apps: Record<string, Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, Scope.Scope>> = {
    "/defect": Effect.die(new Error(`the database said ${planted}`)),
    "/unknown": Effect.fail({ secret: planted }),
    "/conflict": Effect.fail(
      new Conflict({ code: "session_running", detail: "It runs.", errors: [{ path: "a", message: "b" }] })
    ),
    "/unavailable": Effect.die(new Unavailable({ detail: "Later.", retry_after: 7 })),
    "/interrupted": Effect.interrupt,
    "/slow": Effect.acquireRelease(Effect.void, () => Effect.sync(() => left++)).pipe(
      Effect.zipRight(Effect.interruptible(Effect.never))
    )
  }
  return HttpServer.serve(boundary(Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ url }) => apps[url]!)))
}))

layer(
  TestHost.talkTo.pipe(
    Layer.provideMerge(breaking),
    Layer.provideMerge(Layer.mergeAll(TestHost.readiness, TestHost.socket)),
    Layer.provideMerge(TestHost.logged),
    Layer.provide(Logger.minimumLogLevel(LogLevel.Info))
  ),
  { excludeTestServices: true }
)("Failures", (it) => {
  it.effect("answers a defect with 500 and its request id, and logs the cause under that id", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const lines = yield* Logged
      for (const path of ["/defect", "/unknown"]) {
        const answer = yield* call("GET", path)
        isProblem(answer, 500, "internal")
        assert.notInclude(answer.text, planted)
        const line = lines.find((line) => line.includes(answer.json.request_id))
        assert.include(line, "ERROR")
        assert.include(line, path)
      }
      assert.isTrue(lines.some((line) => line.includes("the database said")))
    }))

  it.effect("passes problems on as they are, thrown or died of", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const conflict = yield* call("GET", "/conflict")
      isProblem(conflict, 409, "session_running")
      assert.deepInclude(conflict.json, {
        type: "about:blank",
        title: "Conflict",
        detail: "It runs.",
        errors: [{ path: "a", message: "b" }]
      })
      assert.notProperty(conflict.json, "_tag", "a word of our own code")
      const unavailable = yield* call("GET", "/unavailable")
      isProblem(unavailable, 503, "unavailable")
      assert.strictEqual(unavailable.headers["retry-after"], "7")
      isProblem(yield* call("GET", "/interrupted"), 503, "unavailable")
    }))

  it.effect("ends the request of a client that leaves, and says nothing of it in the log", () =>
    Effect.gen(function*() {
      const { url } = yield* Host
      const lines = yield* Logged
      const before = lines.length
      yield* Effect.promise(() => fetch(`${url}/slow`, { signal: AbortSignal.timeout(100) }).catch(() => {}))
      yield* Effect.sleep("10 millis").pipe(Effect.repeat({ until: () => left === 1 }), Effect.timeout(patience(1_000)))
      assert.deepStrictEqual(lines.slice(before), [])
    }))
})
