/** MCP servers that let in by OAuth: a person allows it once, and agents use it from then on. */
import { assert, layer, vi } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { oauthServer } from "../support/mcp/OAuthServer.ts"
import { host } from "../support/mcp/Servers.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Door } = TestHost

let users = 0

const someone = Effect.gen(function*() {
  const { call, url } = yield* Door
  const user = `oauth-${users++}`
  const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "A" } })).json
  const { credential_id } =
    (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } })).json
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-script" }
  const { session_id } = (yield* call("POST", "/sessions", { user, body: { agent_id, chat_model_config } })).json
  yield* call("PATCH", `/sessions/${session_id}`, { user, body: { permission_mode: "bypass" } })
  const about = (method: string, path = "", more: TestHost.Call = {}) =>
    call(method, `/workspace/mcp${path}?session_id=${session_id}`, { user, ...more })
  const chat = (text: string) =>
    call("POST", "/chat", {
      user,
      headers: { accept: "application/json" },
      body: { agent_id, session_id, input: { content: text } }
    })
  /** As a browser: to the authorization server, and back to the address that it names. */
  const visit = (address: string) =>
    Effect.promise(async () => {
      const { headers } = await fetch(address, { redirect: "manual" })
      return headers.get("location")!.slice(url.length)
    })
  const begin = Effect.map(about("POST", "/notes/authorize"), ({ json }) => json.authorization_url as string)
  const login = Effect.gen(function*() {
    const back = yield* visit(yield* begin)
    return yield* call("POST", back)
  })
  const server = Effect.map(about("GET"), ({ json }) => json[0])
  return { user, about, begin, call, chat, login, server, session_id, visit }
})

const draft = (url: string, oauth: object | null = null) => ({
  name: "notes",
  is_stateful: false,
  mcp_config: { type: "http_mcp", url, headers: null, timeout: null, oauth }
})

const echo = "call mcp__notes__echo {\"text\":\"hello\"}"

layer(TestHost.layer({ host }), { timeout: patience(60_000), excludeTestServices: true })("MCP with OAuth", (it) => {
  it.scoped("is added and waits for a person, who allows it once; then agents have its tools", () =>
    Effect.gen(function*() {
      const { about, begin, call, chat, server, user, visit } = yield* someone
      const { asked, heard, secrets, url } = yield* oauthServer()
      assert.strictEqual((yield* about("POST", "", { body: draft(url) })).status, 201)
      assert.deepInclude(yield* server, {
        authorization: "needs_authorization",
        is_healthy: false,
        tools: []
      })
      const address = yield* begin
      const back = yield* visit(address)
      const [sent] = asked
      assert.strictEqual(sent?.get("code_challenge_method"), "S256")
      assert.strictEqual(sent?.get("scope"), "read")
      assert.strictEqual(sent?.get("resource"), url)
      const page = yield* call("GET", back)
      assert.strictEqual(page.status, 200)
      assert.match(page.headers["content-type"]!, /text\/html/)
      assert.include(page.headers["content-security-policy"], "frame-ancestors 'none'")
      assert.include(page.text, `the user ${user}`)
      // To look at the page does nothing.
      assert.deepInclude(yield* server, { authorization: "needs_authorization" })
      const form = { "content-type": "application/x-www-form-urlencoded", origin: new URL(address).origin }
      const done = yield* call("POST", back, { headers: { "content-type": form["content-type"] } })
      assert.strictEqual(done.status, 200, done.text)
      const after = yield* server
      assert.deepInclude(after, { authorization: "authorized", is_healthy: true, error: null })
      assert.include(after.tools.map(({ name }: { name: string }) => name), "echo")
      assert.include((yield* chat(echo)).text, "hello")
      assert.deepStrictEqual(heard.filter((one) => /^(register|token)/.test(one)), [
        "register",
        "token authorization_code"
      ])
      for (const text of [page.text, done.text, JSON.stringify(after), (yield* about("GET")).text]) {
        for (const secret of secrets()) assert.notInclude(text, secret)
      }
    }))

  it.scoped("takes a state once, only a known one, and forgets the one before a new beginning", () =>
    Effect.gen(function*() {
      const { about, begin, call, server, visit } = yield* someone
      const { heard, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      const first = yield* visit(yield* begin)
      const second = yield* visit(yield* begin)
      for (const back of [first, first.replace(/state=[^&]*/, "state=other"), first.replace(/state=[^&]*&?/, "")]) {
        assert.strictEqual((yield* call("GET", back)).status, 400)
        assert.strictEqual((yield* call("POST", back)).status, 400)
      }
      const both = yield* Effect.all([call("POST", second), call("POST", second)], { concurrency: 2 })
      assert.deepStrictEqual(both.map(({ status }) => status).toSorted(), [200, 400])
      assert.strictEqual(heard.filter((one) => one === "token authorization_code").length, 1)
      assert.deepInclude(yield* server, { authorization: "authorized" })
    }))

  it.scoped("is not authorized by a code of another issuer, or when the person refuses", () =>
    Effect.gen(function*() {
      const { about, begin, call, server, visit } = yield* someone
      const { heard, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      const mixed = (yield* visit(yield* begin)).replace(/iss=[^&]*/, "iss=https%3A%2F%2Fevil.example")
      assert.strictEqual((yield* call("POST", mixed)).status, 400)
      const refused = (yield* visit(yield* begin)).replace(/code=[^&]*/, "error=access_denied")
      assert.strictEqual((yield* call("POST", refused)).status, 400)
      assert.deepInclude(yield* server, { authorization: "needs_authorization" })
      assert.notInclude(heard.join(), "token")
    }))

  it.scoped("renews its tokens once for many calls at once, and asks a person when they are refused", () =>
    Effect.gen(function*() {
      const { about, chat, login, server } = yield* someone
      const { answer, expire, heard, revokeAll, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      yield* login
      const refreshed = () => heard.filter((one) => one === "token refresh_token").length
      expire()
      answer(200, 300)
      const said = yield* chat(Array.from({ length: 8 }, () => echo).join("\n"))
      assert.strictEqual(said.text.split("\"state\":\"success\"").length - 1, 8, said.text)
      assert.strictEqual(refreshed(), 1)
      // Trouble of the authorization server is no reason to ask a person.
      expire()
      answer(503)
      assert.include((yield* chat(echo)).text, "cannot be reached")
      assert.deepInclude(yield* server, { authorization: "authorized" })
      answer(200)
      yield* about("POST", "/notes/refresh")
      assert.include((yield* chat(echo)).text, "hello")
      revokeAll()
      const failed = yield* chat(echo)
      assert.include(failed.text, "needs a person's authorization")
      assert.deepInclude(yield* server, { authorization: "needs_authorization" })
      yield* login
      assert.include((yield* chat(echo)).text, "hello")
    }))

  it.scoped("keeps what is renewed while a person begins anew, and what is begun while it is renewed", () =>
    Effect.gen(function*() {
      const { about, begin, call, chat, login, server, visit } = yield* someone
      const { answer, describeIn, expire, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      yield* login
      describeIn(500)
      const beginning = yield* Effect.fork(begin)
      yield* Effect.sleep("100 millis")
      expire()
      assert.include((yield* chat(echo)).text, "hello")
      yield* Fiber.join(beginning)
      // The refresh token of before was good for one time.
      expire()
      assert.include((yield* chat(echo)).text, "hello")
      describeIn(0)
      expire()
      answer(200, 400)
      const renewing = yield* Effect.fork(chat(echo))
      yield* Effect.sleep("150 millis")
      const back = yield* visit(yield* begin)
      assert.include((yield* Fiber.join(renewing)).text, "hello")
      answer(200)
      assert.strictEqual((yield* call("POST", back)).status, 200)
      assert.deepInclude(yield* server, { authorization: "authorized" })
    }))

  it.scoped("is authorized although the person leaves before the page has come", () =>
    Effect.gen(function*() {
      const { url: door } = yield* Door
      const { about, begin, chat, server, visit } = yield* someone
      const { answer, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      const back = yield* visit(yield* begin)
      answer(200, 300)
      yield* Effect.promise(() =>
        fetch(`${door}${back}`, { method: "POST", signal: AbortSignal.timeout(100) }).then(
          () => assert.fail("It was not left."),
          () => undefined
        )
      )
      yield* Effect.repeat(Effect.delay(server, "50 millis"), {
        until: ({ authorization }) => authorization === "authorized"
      }).pipe(Effect.timeout(patience(5_000)))
      assert.include((yield* chat(echo)).text, "hello")
    }))

  it.scoped("is given up only by a refusal of the authorization server's own, whose words nobody sees", () =>
    Effect.gen(function*() {
      const { about, begin, call, chat, login, server, visit } = yield* someone
      const { answer, expire, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      yield* login
      expire()
      for (const [status, error] of [[429, "slow_down"], [403, "forbidden"], [502, "invalid_grant"]] as const) {
        answer(status, 0, error)
        assert.include((yield* chat(echo)).text, "cannot be reached")
        assert.deepInclude(yield* server, { authorization: "authorized" })
      }
      answer(200, 0, "bad_refresh_token")
      assert.include((yield* chat(echo)).text, "needs a person's authorization")
      assert.deepInclude(yield* server, { authorization: "needs_authorization" })
      const printed = vi.spyOn(console, "warn").mockImplementation(() => {})
      answer(200, 0, "invalid_grant")
      const refused = yield* call("POST", yield* visit(yield* begin))
      assert.strictEqual(refused.status, 400)
      assert.notInclude(JSON.stringify([refused.text, printed.mock.calls]), "SECRET")
      printed.mockRestore()
    }))

  it.scoped("uses tokens whose end is not known, or comes soon, more than once", () =>
    Effect.gen(function*() {
      for (const expiresIn of [0, 20, 1e308]) {
        const { about, chat, login } = yield* someone
        const { heard, url } = yield* oauthServer({ expiresIn })
        yield* about("POST", "", { body: draft(url) })
        yield* login
        assert.include((yield* chat(`${echo}\nthen\n${echo}`)).text, "hello")
        assert.deepStrictEqual(heard.filter((one) => one.startsWith("token")), ["token authorization_code"])
      }
    }))

  it.scoped("asks for more when a tool needs more than was allowed", () =>
    Effect.gen(function*() {
      const { about, chat, login, server } = yield* someone
      const { asked, url } = yield* oauthServer({ callScope: "write" })
      yield* about("POST", "", { body: draft(url) })
      yield* login
      assert.include((yield* chat(echo)).text, "needs a person's authorization")
      assert.deepInclude(yield* server, { authorization: "needs_authorization" })
      yield* login
      assert.strictEqual(asked.at(-1)?.get("scope"), "read write")
      assert.include((yield* chat(echo)).text, "hello")
    }))

  it.scoped("uses a client that is registered already, with a person or for itself, and hides its secret", () =>
    Effect.gen(function*() {
      const { about, begin, chat, server } = yield* someone
      const secret = "client-secret-0123456789"
      const { heard, url } = yield* oauthServer({ clients: { mine: secret } })
      const oauth = { client_id: "mine", client_secret: secret, grant_type: "client_credentials" }
      assert.strictEqual((yield* about("POST", "", { body: draft(url, oauth) })).status, 201)
      assert.isNull(yield* begin)
      const shown = yield* server
      assert.deepInclude(shown, { authorization: "authorized", is_healthy: true })
      assert.notInclude(JSON.stringify(shown), secret)
      assert.include((yield* chat(echo)).text, "hello")
      assert.notInclude(heard, "register")
    }))

  it.scoped("tells a tenant's client and its secret to no other authorization server than the first, or the one that is named", () =>
    Effect.gen(function*() {
      const clients = { mine: "client-secret-0123456789" }
      const oauth = { client_id: "mine", client_secret: clients.mine, grant_type: "client_credentials" }
      const thief = yield* oauthServer({ clients })
      const first = yield* someone
      const { expire, nameAnother, url } = yield* oauthServer({ clients })
      yield* first.about("POST", "", { body: draft(url, oauth) })
      yield* first.begin
      nameAnother(thief.url)
      expire()
      assert.include((yield* first.chat(echo)).text, "another authorization server")
      const again = yield* first.about("POST", "/notes/authorize")
      assert.include(again.text, "another authorization server")
      const byPerson = yield* someone
      const issuer = new URL(url).origin
      yield* byPerson.about("POST", "", { body: draft(url, { ...oauth, issuer, grant_type: "authorization_code" }) })
      assert.include((yield* byPerson.about("POST", "/notes/authorize")).text, "another authorization server")
      assert.deepStrictEqual(thief.heard, [])
      assert.deepStrictEqual(thief.asked, [])
    }))

  it.scoped("is revoked when its server is removed, and is nobody else's", () =>
    Effect.gen(function*() {
      const { about, call, login } = yield* someone
      const { heard, url } = yield* oauthServer()
      yield* about("POST", "", { body: draft(url) })
      yield* login
      const other = yield* someone
      assert.strictEqual((yield* other.about("POST", "/notes/authorize")).status, 404)
      assert.strictEqual((yield* call("POST", "/mcp/unknown/authorize", { user: other.user })).status, 404)
      yield* about("DELETE", "/notes")
      yield* Effect.repeat(Effect.delay(Effect.sync(() => heard.includes("revoke refresh")), "20 millis"), {
        until: (revoked) => revoked
      }).pipe(Effect.timeout(patience(5_000)))
    }))

  it.scoped("describes itself to authorization servers that know clients by an address", () =>
    Effect.gen(function*() {
      const { call, url } = yield* Door
      const { json } = yield* call("GET", "/mcp/authorize/client.json", { headers: { "x-forwarded-proto": "https" } })
      // Whoever asks may say so: only the operator knows.
      const base = url
      assert.deepInclude(json, {
        client_id: `${base}/mcp/authorize/client.json`,
        redirect_uris: [`${base}/mcp/authorize/callback`]
      })
    }))
})
