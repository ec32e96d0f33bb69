import { assert, layer } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { UserId } from "../../src/domain/Ids.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { patience } from "../support/Patience.ts"
import * as TestHost from "../support/TestHost.ts"

const { Logged, TestHost: Host, logged } = TestHost

const planted = "sk-planted-secret-of-a-credential"

/** A provider on loopback. */
const serve = (answer: (request: IncomingMessage, response: ServerResponse) => void) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.async<ReturnType<typeof createServer>>((resume) => {
        const server = createServer(answer)
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.sync(() => {
          server.closeAllConnections()
          server.close()
        })
    ),
    (server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  )

let users = 0

/** A user with a credential for this address. */
const holder = Effect.fnUntraced(function*(base_url: string) {
  const { call } = yield* Host
  const user = `holder-${users++}`
  const data = { type: "openai_compatible_credential", base_url, api_key: planted }
  const { credential_id } = (yield* call("POST", "/credential", { user, body: { data } })).json
  return {
    user,
    path: `/credential/${credential_id}`,
    test: call("POST", `/credential/${credential_id}/test`, { user })
  }
})

layer(TestHost.layer(), { excludeTestServices: true })("A credential in use", (it) => {
  /** A user with two demo credentials and an agent. */
  const world = Effect.gen(function*() {
    const { call } = yield* Host
    const user = `user-${users++}`
    const make = Effect.map(
      call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } }),
      ({ json }): string => json.credential_id
    )
    const [one, other] = [yield* make, yield* make]
    const { agent_id } = (yield* call("POST", "/agent", { user, body: { name: "Friday" } })).json
    const config = (credential_id: string) => ({ type: "demo_credential", credential_id, model: "demo-chat" })
    const session = (body: object) =>
      Effect.map(
        call("POST", "/sessions", { user, body: { agent_id, ...body } }),
        ({ json }): string => json.session_id
      )
    const remove = (id: string, query = "") => call("DELETE", `/credential/${id}${query}`, { user })
    return { agent_id: agent_id as string, call, config, one, other, remove, session, user }
  })

  it.effect("is not deleted, and the refusal names what uses it and where", () =>
    Effect.gen(function*() {
      const { agent_id, call, config, one, other, remove, session, user } = yield* world
      const talk = yield* session({ name: "talk", chat_model_config: config(one) })
      const safe = yield* session({
        name: "safe",
        chat_model_config: config(other),
        fallback_chat_model_config: [config(other), config(one)]
      })
      yield* session({ name: "free", chat_model_config: config(other) })
      const body = { name: "Friday", fallback_chat_model_configs: [config(one)] }
      assert.strictEqual((yield* call("PATCH", `/agent/${agent_id}`, { user, body })).status, 200)
      const { json, status } = yield* remove(one)
      assert.deepInclude([status, json.code], 409)
      assert.strictEqual(json.code, "credential_in_use")
      assert.deepStrictEqual(json.used_by, [
        { kind: "session", id: talk, name: "talk", field: "chat_model_config" },
        { kind: "session", id: safe, name: "safe", field: "fallback_chat_model_config.1" },
        { kind: "agent", id: agent_id, name: "Friday", field: "fallback_chat_model_configs.0" }
      ])
      for (const word of ["'talk'", "2 others", "force=true"]) assert.include(json.detail, word)
      assert.strictEqual((yield* call("GET", `/credential/${one}`, { user })).status, 200)
    }))

  it.effect("goes with force, and by itself when nothing uses it any more", () =>
    Effect.gen(function*() {
      const { call, config, one, other, remove, session, user } = yield* world
      const talk = yield* session({ chat_model_config: config(one) })
      assert.strictEqual((yield* remove(one, "?force=false")).status, 409)
      assert.strictEqual((yield* remove(one, "?force=perhaps")).status, 422)
      const moved = { user, body: { chat_model_config: config(other) } }
      assert.strictEqual((yield* call("PATCH", `/sessions/${talk}`, moved)).status, 200)
      assert.strictEqual((yield* remove(one)).status, 204)
      assert.strictEqual((yield* remove(one)).status, 404)
      assert.strictEqual((yield* remove(other)).status, 409)
      assert.strictEqual((yield* remove(other, "?force=true")).status, 204)
      assert.strictEqual((yield* call("GET", `/sessions/${talk}`, { user })).status, 200)
    }))

  it.effect("has at most twenty of its uses named, and none that are another owner's", () =>
    Effect.gen(function*() {
      const { config, one, remove, session } = yield* world
      const theirs = yield* world
      for (let n = 0; n < 22; n++) yield* session({ chat_model_config: config(one) })
      const { json } = yield* remove(one)
      assert.strictEqual(json.used_by.length, 20)
      assert.include(json.detail, "19 or more others")
      assert.strictEqual((yield* theirs.remove(one)).status, 404)
      assert.strictEqual((yield* theirs.remove(one, "?force=true")).status, 404)
    }))
})

layer(TestHost.layer(), { excludeTestServices: true })("The vault", (it) => {
  it.effect("tells an admin of its keys, seals anew, and keeps those of a setting", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const { key } = yield* issue({ user_id: "root" as UserId, name: "", scopes: ["admin"], expires_at: null })
      const headers = { authorization: `Bearer ${key}` }
      yield* holder("http://127.0.0.1:9/v1")
      const { json: status } = yield* call("GET", "/vault", { headers })
      assert.deepInclude(status, { source: "settings", unreadable: 0, rotation: null })
      assert.deepStrictEqual(status.keys, [{ id: status.keys[0].id, seals: true, hashes: true, secrets: 1 }])
      const begun = yield* call("POST", "/vault/rotate", { headers })
      assert.deepInclude([begun.status, begun.json.state], 202)
      yield* call("GET", "/vault", { headers }).pipe(
        Effect.repeat({ until: ({ json }): boolean => json.rotation.state === "done" })
      )
      const refused = yield* call("POST", "/vault/retire", { headers })
      assert.deepInclude(refused.json, { status: 409, code: "vault_keys_fixed" })
      for (const [method, path] of [["GET", "/vault"], ["POST", "/vault/rotate"], ["POST", "/vault/retire"]] as const) {
        assert.strictEqual((yield* call(method, path, { user: "ada" })).status, 403)
      }
    }))
})

layer(Layer.provideMerge(TestHost.layer(), logged), { excludeTestServices: true })("A test of a credential", (it) => {
  it.scoped("says that it works, how fast, and which models it sees", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const url = yield* serve((request, response) => {
        asked.push(`${request.method} ${request.url} ${request.headers.authorization}`)
        setTimeout(() => response.end(JSON.stringify({ data: [{ id: "small" }, { id: "large" }] })), 20)
      })
      const { json, status } = yield* (yield* holder(`${url}/`)).test
      assert.strictEqual(status, 200)
      assert.deepInclude(json, { ok: true, models: ["small", "large"], error: null })
      assert.isAtLeast(json.latency_ms, 15)
      assert.deepStrictEqual(asked, [`GET /v1/models Bearer ${planted}`])
    }))

  it.scoped("needs no provider for the demo", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const user = "demonstrator"
      const { credential_id } =
        (yield* call("POST", "/credential", { user, body: { data: { type: "demo_credential" } } }))
          .json
      const { json } = yield* call("POST", `/credential/${credential_id}/test`, { user })
      assert.deepInclude(json, { ok: true, models: ["demo-chat", "demo-script"], error: null })
    }))

  it.scoped("says by a word and a sentence why it does not work, and never shows the key", () =>
    Effect.gen(function*() {
      let next: (response: ServerResponse) => void = () => {}
      const url = yield* serve((_, response) => next(response))
      const { path, test } = yield* holder(url)
      const status = (code: number) => (response: ServerResponse) =>
        response.writeHead(code, { "x-echo": planted }).end(JSON.stringify({ error: { message: `Not ${planted}` } }))
      const table: ReadonlyArray<readonly [string, (response: ServerResponse) => void]> = [
        ["authentication", status(401)],
        ["permission", status(403)],
        ["invalid_request", status(404)],
        ["rate_limit", status(429)],
        ["upstream", status(500)],
        ["upstream", (response) => response.end(`<html>${planted}</html>`)],
        ["upstream", (response) => response.end("{}")],
        ["connection", (response) => response.destroy()],
        ["setup", (response) => response.writeHead(302, { location: "http://127.0.0.1:1/" }).end()]
      ]
      for (const [type, answer] of table) {
        next = answer
        const { json, status, text } = yield* test
        assert.strictEqual(status, 200)
        assert.deepInclude(json, { ok: false, models: [] })
        assert.strictEqual(json.error.type, type)
        assert.match(json.error.message, /^[A-Z].*\.$/)
        assert.notInclude(text, planted)
        assert.notInclude(text, "127.0.0.1")
      }
      assert.strictEqual((yield* (yield* holder("http://127.0.0.1:1/v1")).test).json.error.type, "connection")
      assert.notInclude((yield* Logged).join("\n"), planted)
      assert.strictEqual((yield* (yield* Host).call("POST", `${path}/test`, { user: "somebody" })).status, 404)
    }))

  it.scoped("passes on no more than a thousand models, none that is overlong and none that repeats the key", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: 3000 }, (_, n) => ({ id: `m${n}` }))
      const url = yield* serve((_, response) =>
        response.end(
          JSON.stringify({ data: [{ id: `echo-${planted}` }, { id: "n".repeat(300) }, { id: 7 }, 7, ...many] })
        )
      )
      const { json, text } = yield* (yield* holder(url)).test
      assert.strictEqual(json.models.length, 1000)
      assert.strictEqual(json.models[0], "m0")
      assert.notInclude(text, planted)
    }))

  it.scoped("runs a few times at once for an owner, and for others all the same", () =>
    Effect.gen(function*() {
      const waiting: Array<ServerResponse> = []
      const url = yield* serve((_, response) => void waiting.push(response))
      const one = yield* holder(url)
      const other = yield* holder(url)
      const tests = yield* Effect.fork(Effect.all([one.test, one.test, one.test, one.test], { concurrency: 4 }))
      yield* Effect.sleep("5 millis").pipe(Effect.repeat({ until: () => waiting.length === 4 }))
      const refused = yield* one.test
      assert.deepInclude(refused.json, { status: 429, code: "too_many_tests" })
      const others = yield* Effect.fork(other.test)
      yield* Effect.sleep("5 millis").pipe(Effect.repeat({ until: () => waiting.length === 5 }))
      for (const response of waiting.splice(0)) response.end(`{"data":[]}`)
      for (const { json } of yield* tests) assert.isTrue(json.ok)
      assert.isTrue((yield* others).json.ok)
      const again = yield* Effect.fork(one.test)
      yield* Effect.sleep("5 millis").pipe(Effect.repeat({ until: () => waiting.length === 1 }))
      waiting[0]!.end(`{"data":[]}`)
      assert.isTrue((yield* again).json.ok)
    }))

  it.scoped("ends after 10 seconds", () =>
    Effect.gen(function*() {
      const url = yield* serve(() => {})
      const [took, { json }] = yield* Effect.timed((yield* holder(url)).test)
      assert.strictEqual(json.error.type, "connection")
      assert.isBelow(Duration.toMillis(took), patience(12_000))
      assert.isAtLeast(json.latency_ms, 9_900)
    }), patience(20_000))
})
