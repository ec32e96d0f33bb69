/** What holds for every channel, whatever it speaks: its place, its errors, its documents, and whose things it shows. */
import SwaggerParser from "@apidevtools/swagger-parser"
import { HttpApi, HttpApiBuilder, HttpApiEndpoint, HttpApiGroup, HttpServerResponse } from "@effect/platform"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Either, Option, Schema } from "effect"
import { UserId } from "../../../src/domain/Ids.ts"
import { operation, RequiredScope } from "../../../src/http/api/Operation.ts"
import { all } from "../../../src/http/channels/All.ts"
import * as Channel from "../../../src/http/channels/Channel.ts"
import * as Mounts from "../../../src/http/channels/Mounts.ts"
import * as Server from "../../../src/http/Server.ts"
import { ApiKeys } from "../../../src/services/ApiKeys.ts"
import { tenant } from "../../support/openai.ts"
import * as TestHost from "../../support/TestHost.ts"

const { TestHost: Host } = TestHost

/** A channel that says hello, and writes its errors in capitals. */
const greeting = (name: string, mount: string) => {
  const api = HttpApi.make(name).add(
    HttpApiGroup.make("greetings").add(
      HttpApiEndpoint.get("hello", "/hello/:who").setPath(Schema.Struct({ who: Schema.String })).addSuccess(
        Schema.String
      ).annotateContext(operation({ scope: null, summary: "Say hello" }))
    )
  )
  return Channel.make({
    name,
    title: "Greetings",
    mount,
    api,
    handlers: (api) =>
      HttpApiBuilder.group(
        api,
        "greetings",
        (handlers) => handlers.handle("hello", ({ path }) => Effect.succeed(`Hello, ${path.who}!`))
      ),
    options: [],
    respond: ({ code, status }) => HttpServerResponse.text(code.toUpperCase(), { status }),
    errors: { statusOf: (status) => status, schema: { type: "string" } }
  })
}

const mounted = (channels: ReadonlyArray<Channel.Channel>, settings: Mounts.Chosen["settings"] = {}) =>
  Mounts.mount(channels, Server.nativeRoutes, { settings, trusted: false })

const refusal = (channels: ReadonlyArray<Channel.Channel>, settings: Mounts.Chosen["settings"] = {}) =>
  Either.match(mounted(channels, settings), { onLeft: (why) => why, onRight: () => "" })

describe("Channels and their places", () => {
  it("are where they come, or where the settings say, or off", () => {
    const [usual] = Either.getOrThrow(mounted(all))
    assert.strictEqual(usual!.mount, "/v1")
    const [moved] = Either.getOrThrow(mounted(all, { chat_completions: { mount: "/openai" } }))
    assert.isTrue(moved!.routes.every(({ path }) => path.startsWith("/openai/")))
    const left = Either.getOrThrow(mounted(all, { chat_completions: false })).map(({ name }) => name)
    assert.deepStrictEqual(left, all.map(({ name }) => name).filter((name) => name !== "chat_completions"))
    assert.strictEqual(Either.getOrThrow(mounted(all, { chat_completions: true }))[0]!.mount, "/v1")
  })

  it("stop the start with a sentence where two would answer the same, or one is not known", () => {
    const one = greeting("one", "/hi")
    assert.strictEqual(refusal([one, greeting("two", "/ho")]), "")
    assert.match(refusal([one, greeting("two", "/hi")]), /two and one would both answer GET \/hi\/hello\/:who/)
    assert.match(refusal([one, greeting("one", "/ho")]), /two channels called one/)
    assert.match(refusal([one], { three: true }), /no channel called three\. There are: one/)
    assert.match(refusal(all, { chat_completions: { mount: "" } }), /^$/)
    const health = HttpApi.make("health").add(
      HttpApiGroup.make("health").add(
        HttpApiEndpoint.get("health", "/health").addSuccess(Schema.String)
          .annotateContext(operation({ scope: null, summary: "" }))
      )
    )
    const sick = Channel.make({
      name: "sick",
      title: "",
      mount: "",
      api: health,
      handlers: (api) =>
        HttpApiBuilder.group(api, "health", (handlers) => handlers.handle("health", () => Effect.succeed(""))),
      options: [],
      respond: ({ status }) => HttpServerResponse.empty({ status }),
      errors: { statusOf: (status) => status, schema: {} }
    })
    assert.match(refusal([sick]), /sick and the native API would both answer GET \/health/)
    // What is forwarded to the native API is answered as well.
    assert.match(
      refusal([...all, sick], { sick: { mount: "/agent-service" } }),
      /agent_service and sick would both answer GET \/agent-service\/health/
    )
    assert.strictEqual(refusal([...all, one], { one: { mount: "/agent-service" } }), "")
  })
})

const channels = Either.getOrThrow(mounted([...all, greeting("greetings", "/hi")]))

layer(TestHost.layer({ channels }), { excludeTestServices: true })("A channel", (it) => {
  it.effect("answers below its mount, with and without a slash at the end", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      for (const path of ["/hi/hello/Ada", "/hi/hello/Ada/"]) {
        assert.strictEqual((yield* call("GET", path)).text, "\"Hello, Ada!\"")
      }
    }))

  it.effect("writes every failure in its own form, and leaves those of others alone", () =>
    Effect.gen(function*() {
      const { call, setReady } = yield* Host
      const { key } = yield* tenant()
      const headers = { authorization: `Bearer ${key}` }
      const path = "/v1/chat/completions"
      const failures = [
        yield* call("POST", path, { body: {} }),
        yield* call("POST", path, { body: {}, headers: { authorization: "Bearer stoa_x" } }),
        yield* call("POST", path, { headers, body: {} }),
        yield* call("POST", path, { headers, text: "{" }),
        yield* call("POST", path, { headers: { ...headers, "content-type": "application/json" }, text: "{" }),
        yield* call("POST", path, { headers: { ...headers, "content-type": "text/plain" }, text: "hello" }),
        yield* call("POST", "/v1/embeddings", { headers, body: { model: "x", input: "y".repeat(2 ** 20) } }),
        yield* call("GET", "/v1/embeddings", { headers }),
        yield* call("GET", "/v1/nothing", { headers }),
        yield* call("GET", "/v1/models/agent/Nobody", { headers }),
        yield* call("POST", path, { headers: { ...headers, "idempotency-key": "" }, body: {} })
      ]
      yield* setReady(false)
      failures.push(yield* call("POST", path, { headers, body: {} }))
      yield* setReady(true)
      assert.deepStrictEqual(
        failures.map(({ status }) => status),
        [401, 401, 400, 415, 400, 415, 413, 405, 404, 404, 400, 503]
      )
      for (const { headers, json, status, text } of failures) {
        assert.match(headers["content-type"]!, /^application\/json/)
        assert.hasAllKeys(json, ["error"], text)
        assert.hasAllKeys(json.error, ["message", "type", "param", "code"])
        assert.isAbove(json.error.message.length, 10)
        assert.isString(json.error.type)
        assert.match(headers["x-request-id"]!, /./)
        if (status === 401) assert.strictEqual(headers["www-authenticate"], "Bearer")
        if (status === 503) assert.match(headers["retry-after"]!, /^\d+$/)
      }
      assert.strictEqual((yield* call("GET", "/hi/nothing")).text, "NO_SUCH_PATH")
      // What there is below a mount is in the document of that channel.
      assert.include((yield* call("GET", "/v1/nothing", { headers })).json.error.message, "/docs/chat_completions.json")
      assert.include((yield* call("GET", "/nothing")).json.detail, "/openapi.json")
      assert.match((yield* call("GET", "/nothing")).headers["content-type"]!, /problem\+json/)
      assert.match((yield* call("GET", "/v1beta")).headers["content-type"]!, /problem\+json/)
    }))

  it.effect("describes itself in a document of its own, and stays out of the native one", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { json } = yield* call("GET", "/docs/chat_completions.json")
      assert.sameMembers(Object.keys(json.paths), [
        "/v1/models",
        "/v1/models/{id}",
        "/v1/chat/completions",
        "/v1/chat/completions/{completion_id}",
        "/v1/chat/completions/{completion_id}/messages",
        "/v1/completions",
        "/v1/embeddings"
      ])
      const { responses } = json.paths["/v1/chat/completions"].post
      assert.notProperty(responses, "422")
      assert.property(responses, "429")
      yield* Effect.promise(() => SwaggerParser.validate(structuredClone(json)))
      const page = yield* call("GET", "/docs/chat_completions")
      assert.include(page.text, "spec-url=\"/docs/chat_completions.json\"")
      assert.notInclude((yield* call("GET", "/openapi.json")).text, "/v1/")
    }))

  it.effect("shows and touches nothing of another tenant: the same answer as for what is not there", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const ada = yield* tenant()
      const bob = yield* tenant({ name: "Bob" })
      const headers = { authorization: `Bearer ${bob.key}` }
      const asks = (model: string) =>
        [
          ["GET", `/v1/models/${model}`, undefined],
          ["POST", "/v1/chat/completions", { model, messages: [{ role: "user", content: "say x" }] }],
          ["POST", "/v1/completions", { model, prompt: "say x" }],
          ["POST", "/v1/embeddings", { model, input: "x" }]
        ] as const
      for (const hers of [`agent/${ada.agent_id}`, "agent/Ada", `${ada.credential_id}/demo-chat`]) {
        const nobodys = hers.replaceAll(/[0-9a-f]{32}/g, "0".repeat(32)).replace("Ada", "Eve")
        for (const [i, [method, path, body]] of asks(hers).entries()) {
          const answer = yield* call(method, path, { headers, body })
          assert.strictEqual(answer.status, 404, `${method} ${path}`)
          const [, otherPath, otherBody] = asks(nobodys)[i]!
          const other = yield* call(method, otherPath, { headers, body: otherBody })
          assert.strictEqual(answer.text.replace(hers, "x"), other.text.replace(nobodys, "x"))
        }
      }
      const listed = yield* call("GET", "/v1/models", { headers })
      assert.notInclude(listed.text, ada.agent_id)
      assert.notInclude(listed.text, ada.credential_id)
      // The id of a call names the session that waits for it: somebody else's is none.
      const tools = [{ type: "function", function: { name: "weather" } }]
      const messages = [{ role: "user", content: "call weather {}\nthen\nresults" }]
      const waiting = yield* call("POST", "/v1/chat/completions", {
        headers: { authorization: `Bearer ${ada.key}` },
        body: { model: "agent/Ada", tools, messages }
      })
      const { message } = waiting.json.choices[0]
      const [{ id }] = message.tool_calls
      const stolen = yield* call("POST", "/v1/chat/completions", {
        headers,
        body: {
          model: "agent/Bob",
          tools,
          messages: [...messages, message, { role: "tool", tool_call_id: id, content: "theirs" }]
        }
      })
      assert.include(stolen.text, "theirs")
      const { json } = yield* call("GET", "/sessions", { user: ada.user })
      assert.strictEqual(json.sessions[0].status, "awaiting_external_result")
    }))

  it.effect("may be asked by OpenAI's client in a browser, with all that it tells of itself", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const asked = "authorization,content-type,x-stainless-os,x-stainless-runtime-version,x-evil"
      const answer = yield* call("OPTIONS", "/v1/chat/completions", {
        headers: { origin: "http://localhost:5173", "access-control-request-headers": asked }
      })
      const allowed = answer.headers["access-control-allow-headers"]!.split(", ")
      assert.includeMembers(allowed, ["authorization", "x-stainless-os", "x-stainless-runtime-version", "x-session-id"])
      assert.notInclude(allowed, "x-evil")
    }))

  // Generated: an endpoint that is added is covered.
  it.effect("asks who it is on every endpoint that is not open, and needs the scope that the endpoint says", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const user = UserId.make("scopes")
      const scopes = ["read", "write", "chat"] as const
      const keys = yield* Effect.forEach(
        scopes,
        (scope) =>
          Effect.map(
            issue({ user_id: user, name: "", scopes: [scope], expires_at: null }),
            ({ key }) => [scope, key] as const
          )
      )
      for (const { annotations, method, path } of TestHost.channels.flatMap(({ routes }) => routes)) {
        const asked = Context.getOption(annotations as Context.Context<RequiredScope>, RequiredScope)
        assert.isTrue(Option.isSome(asked), `${method} ${path} says nothing of its scope`)
        const needed = Option.getOrThrow(asked)
        if (needed === null) continue
        const at = path.replaceAll(/:\w+|\*/g, "x")
        const body = method === "GET" || method === "DELETE" ? {} : { body: {} }
        for (const authorization of [undefined, "Bearer stoa_x", "Bearer"]) {
          const headers = authorization === undefined ? {} : { authorization }
          const nobody = yield* call(method, at, { ...body, headers })
          assert.strictEqual(nobody.status, 401, `${method} ${at}`)
        }
        for (const [scope, key] of keys) {
          const { status } = yield* call(method, at, { ...body, headers: { authorization: `Bearer ${key}` } })
          assert.strictEqual(status === 403, scope !== needed, `${method} ${at} with the scope ${scope}`)
        }
      }
    }))

  it.effect("needs the scope that its endpoint says", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { issue } = yield* ApiKeys
      const { user } = yield* tenant()
      const { key } = yield* issue({ user_id: user, name: "", scopes: ["read"], expires_at: null })
      const headers = { authorization: `Bearer ${key}` }
      assert.strictEqual((yield* call("GET", "/v1/models", { headers })).status, 200)
      const body = { model: "agent/Ada", messages: [{ role: "user", content: "say x" }] }
      const refused = yield* call("POST", "/v1/chat/completions", { headers, body })
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.json.error, { type: "permission_error", code: "scope_missing" })
    }))
})
