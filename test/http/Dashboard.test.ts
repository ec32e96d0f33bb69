/** Sessions of browsers that an API key has begun, over HTTP. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { Timestamp, UserId } from "../../src/domain/Ids.ts"
import type { Scope } from "../../src/domain/Principal.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Vault } from "../../src/services/Vault.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

/** What a page of the server's own sends with each request. */
const own = { "x-stoa-csrf": "1", "sec-fetch-site": "same-origin" }

const keyOf = (user: string, scopes: ReadonlyArray<Scope> = ["read", "write", "chat"], expires_at?: string) =>
  Effect.flatMap(
    ApiKeys,
    ({ issue }) =>
      issue({
        user_id: UserId.make(user),
        name: "",
        scopes,
        expires_at: expires_at === undefined ? null : Timestamp.make(expires_at)
      })
  )

/** The cookie of a session that a key has begun, as a browser sends it. */
const signedIn = Effect.fnUntraced(function*(key: string, headers: Readonly<Record<string, string>> = {}) {
  const { call } = yield* Host
  const answer = yield* call("POST", "/dashboard/session", { headers: { ...own, ...headers }, body: { key } })
  assert.strictEqual(answer.status, 200, answer.text)
  const set = answer.headers["set-cookie"]!
  return { set, cookie: set.slice(0, set.indexOf(";")), told: answer.json }
})

const revoked = Effect.fnUntraced(function*(id: string) {
  const { call } = yield* Host
  const { key } = yield* keyOf("root", ["admin"])
  const { status } = yield* call("DELETE", `/keys/${id}`, { headers: { authorization: `Bearer ${key}` } })
  assert.strictEqual(status, 200)
})

const options = { loopback: false, dashboard: { choice: { title: "Ours" }, identity: "key" as const } }

layer(TestHost.layer(options), { excludeTestServices: true })("A session of a browser", (it) => {
  it.effect("is begun by a key, speaks for the key's user, and is told to nobody's script", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { key } = yield* keyOf("ada")
      const { cookie, set, told } = yield* signedIn(key)
      assert.match(set, /^stoa_session=[\w-]+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax$/)
      assert.notInclude(set, key)
      assert.strictEqual(told.user_id, "ada")
      const { json } = yield* call("POST", "/agent", { headers: { ...own, cookie }, body: { name: "Hers" } })
      const read = yield* call("GET", `/agent/${json.agent_id}`, { headers: { authorization: `Bearer ${key}` } })
      assert.strictEqual(read.json.user_id, "ada")
      const session = yield* call("GET", "/dashboard/session", { headers: { ...own, cookie } })
      assert.deepInclude(session.json, { user_id: "ada", expires_at: told.expires_at })
      assert.deepStrictEqual((yield* call("GET", "/dashboard/session")).json, null)
    }))

  it.effect("is bound to the host and to TLS, where the browser came by TLS", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { key } = yield* keyOf("ada")
      const secure = { "x-forwarded-proto": "https" }
      const { cookie, set } = yield* signedIn(key, secure)
      assert.match(set, /^__Host-stoa=[\w-]+; Path=\/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure$/)
      const headers = { ...own, ...secure }
      assert.strictEqual((yield* call("GET", "/agent", { headers: { ...headers, cookie } })).status, 200)
      // Somebody in between could set a cookie without the prefix, such as one of a session of their own.
      const planted = cookie.replace("__Host-stoa", "stoa_session")
      assert.strictEqual((yield* call("GET", "/agent", { headers: { ...headers, cookie: planted } })).status, 401)
    }))

  it.effect("counts only with the header that no page of another origin can send", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { key } = yield* keyOf("ada")
      const { cookie } = yield* signedIn(key)
      for (const headers of [{}, { "sec-fetch-site": "same-origin" }, { "x-stoa-csrf": "0" }]) {
        assert.strictEqual((yield* call("GET", "/agent", { headers: { ...headers, cookie } })).status, 401)
      }
      const asked = yield* call("OPTIONS", "/agent", {
        headers: { origin: "https://evil.example", "access-control-request-headers": "x-stoa-csrf" }
      })
      assert.notInclude(asked.headers["access-control-allow-headers"] ?? "", "x-stoa-csrf")
    }))

  it.effect("changes nothing for pages of other origins", () =>
    Effect.gen(function*() {
      const { call, url } = yield* Host
      const { key } = yield* keyOf("ada")
      const { cookie } = yield* signedIn(key)
      const csrf = { "x-stoa-csrf": "1", cookie }
      const body = { name: "A" }
      for (
        const headers of [
          { ...csrf, "sec-fetch-site": "cross-site" },
          { ...csrf, "sec-fetch-site": "same-site" },
          { ...csrf, origin: "http://evil.example" },
          // Neither says where it comes from.
          csrf
        ]
      ) {
        const { json, status, text } = yield* call("POST", "/agent", { headers, body })
        assert.strictEqual(status, 403, JSON.stringify([headers, text]))
        assert.strictEqual(json.code, "csrf_refused")
      }
      assert.strictEqual((yield* call("POST", "/agent", { headers: { ...csrf, origin: url }, body })).status, 201)
      // Nor do they begin or end one: a reader would then work in another's session.
      for (const method of ["POST", "DELETE"]) {
        for (const headers of [{ "sec-fetch-site": "same-origin" }, { ...csrf, "sec-fetch-site": "cross-site" }]) {
          const body = method === "POST" ? { key } : undefined
          assert.strictEqual((yield* call(method, "/dashboard/session", { headers, body })).status, 403)
        }
      }
      const form = yield* call("POST", "/dashboard/session", {
        headers: { ...own, "content-type": "application/x-www-form-urlencoded" },
        text: `key=${key}`
      })
      assert.strictEqual(form.status, 415)
    }))

  it.effect("ends with its key, also its open streams", () =>
    Effect.gen(function*() {
      const { call, watch } = yield* Host
      const { id, key } = yield* keyOf("ada")
      const { cookie } = yield* signedIn(key)
      const headers = { ...own, cookie }
      const post = (path: string, body: unknown) =>
        Effect.map(call("POST", path, { headers, body }), ({ json }) => json)
      const { agent_id } = yield* post("/agent", { name: "A" })
      const { session_id } = yield* post("/sessions", { agent_id })
      const stream = yield* watch("GET", `/sessions/${session_id}/stream`, { headers })
      assert.strictEqual(stream.status, 200)
      const ended = yield* Effect.fork(stream.ended)
      yield* revoked(id)
      assert.strictEqual((yield* call("GET", "/agent", { headers })).status, 401)
      assert.deepStrictEqual((yield* call("GET", "/dashboard/session", { headers })).json, null)
      // The browser forgets it: where the page itself says who asks, it would be in the way.
      const config = yield* call("GET", "/dashboard/config.json", { headers })
      assert.match(config.headers["set-cookie"]!, /^stoa_session=; Path=\/; Max-Age=0/)
      yield* Fiber.join(ended)
    }).pipe(Effect.scoped))

  it.effect("is refused when its key has expired", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const soon = new Date(Date.now() + 1_500).toISOString()
      const { key } = yield* keyOf("ada", ["read"], soon)
      const { cookie } = yield* signedIn(key)
      yield* Effect.sleep("1600 millis")
      assert.strictEqual((yield* call("GET", "/agent", { headers: { ...own, cookie } })).status, 401)
    }))

  it.effect("cannot be made or changed by anybody else", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { id, key } = yield* keyOf("ada")
      const { cookie } = yield* signedIn(key)
      const vault = yield* Vault
      const ofOther = yield* vault.seal(
        JSON.stringify({ key_id: id, expires_at: Date.now() }),
        { owner: UserId.make("ada"), record: "credentials/1" }
      )
      const ended = yield* vault.seal(
        JSON.stringify({ key_id: id, expires_at: Math.floor(Date.now() / 1000) - 1 }),
        { owner: UserId.make("dashboard"), record: "dashboard/session" }
      )
      const flipped = cookie.slice(0, -4) + (cookie.at(-4) === "A" ? "B" : "A") + cookie.slice(-3)
      const encoded = (text: string) => `stoa_session=${Buffer.from(text).toString("base64url")}`
      for (
        const wrong of [
          flipped,
          cookie.slice(0, -8),
          "stoa_session=",
          "stoa_session=%%%",
          encoded(JSON.stringify({ key_id: id, expires_at: 9_999_999_999 })),
          encoded(ofOther),
          encoded(ended),
          `stoa_session=${"A".repeat(4_000)}`
        ]
      ) {
        const { status } = yield* call("GET", "/agent", { headers: { ...own, cookie: wrong } })
        assert.strictEqual(status, 401, wrong)
      }
      assert.strictEqual((yield* call("GET", "/agent", { headers: { ...own, cookie } })).status, 200)
    }))

  it.effect("may do what its key may, and no more", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { cookie } = yield* signedIn((yield* keyOf("ada", ["read"])).key)
      const headers = { ...own, cookie }
      assert.strictEqual((yield* call("POST", "/agent", { headers, body: { name: "A" } })).status, 403)
      assert.strictEqual((yield* call("GET", "/agent", { headers: { ...headers, "x-user-id": "bob" } })).status, 401)
      // A key that comes along decides alone.
      const wrong = { ...headers, authorization: "Bearer stoa_nobody" }
      assert.strictEqual((yield* call("GET", "/agent", { headers: wrong })).status, 401)
    }))

  it.effect("acts for other tenants only with an admin's key", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { cookie } = yield* signedIn((yield* keyOf("root", ["read", "write", "admin"])).key)
      const headers = { ...own, cookie, "x-user-id": "bob" }
      const { json } = yield* call("POST", "/agent", { headers, body: { name: "His" } })
      const { json: read } = yield* call("GET", `/agent/${json.agent_id}`, { headers })
      assert.strictEqual(read.user_id, "bob")
    }))

  it.effect("is forgotten by the browser that signs out", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { cookie } = yield* signedIn((yield* keyOf("ada")).key)
      const { headers, status } = yield* call("DELETE", "/dashboard/session", { headers: { ...own, cookie } })
      assert.strictEqual(status, 204)
      assert.match(headers["set-cookie"]!, /^stoa_session=; Path=\/; Max-Age=0; HttpOnly/)
    }))

  it.effect("is not begun by a wrong key, which nobody is told", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const begin = (body: unknown) => call("POST", "/dashboard/session", { headers: own, body })
      for (const [status, body] of [[401, { key: "stoa_x_y" }], [401, { key: "" }], [422, {}], [422, { key: 1 }]]) {
        const answer = yield* begin(body)
        assert.strictEqual(answer.status, status)
        assert.isUndefined(answer.headers["set-cookie"])
        assert.notInclude(answer.text, "stoa_x_y")
      }
      assert.strictEqual((yield* begin({ key: "x".repeat(513) })).status, 422)
    }))

  it.effect("is told of by the page's configuration, with the operator's title", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const get = (headers: Readonly<Record<string, string>>) => call("GET", "/dashboard/config.json", { headers })
      assert.deepStrictEqual((yield* get({})).json, {
        title: "Ours",
        subtitle: null,
        logo: false,
        favicon: false,
        accent: null,
        identity: "key"
      })
    }))
})

const local = { dashboard: { choice: {}, identity: "local" as const } }

layer(TestHost.layer(local), { excludeTestServices: true })("On the server's own machine", (it) => {
  it.effect("nobody has to sign in, and who does speaks for the key", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const config = (headers: Readonly<Record<string, string>>) =>
        Effect.map(call("GET", "/dashboard/config.json", { headers }), ({ json }) => json.identity)
      assert.strictEqual(yield* config(own), "local")
      const session = yield* call("GET", "/dashboard/session", { headers: own, user: "local" })
      assert.deepInclude(session.json, { user_id: "local", expires_at: null })
      const { id, key } = yield* keyOf("ada")
      const { cookie } = yield* signedIn(key)
      assert.strictEqual(yield* config({ ...own, cookie }), "key")
      yield* revoked(id)
      assert.strictEqual(yield* config({ ...own, cookie }), "local")
    }))
})
