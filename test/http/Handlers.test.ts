import { assert, describe, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { AgentDraft } from "../../src/domain/Agent.ts"
import { ApiKeyDraft } from "../../src/domain/ApiKey.ts"
import { ChatRequest } from "../../src/domain/Chat.ts"
import { Invalid, NotFound } from "../../src/domain/Errors.ts"
import { eventsOf } from "../../src/domain/Frames.ts"
import { type AgentId, type CredentialId, type KeyId, type SessionId, UserId } from "../../src/domain/Ids.ts"
import type { SessionDraft, SessionPatch } from "../../src/domain/Session.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Vault } from "../../src/services/Vault.ts"
import { isNamed } from "../support/events.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

let owners = 0
const someone = () => `owner-${owners++}`

const secret = "sk-planted-2342"

const agent = Schema.decodeSync(AgentDraft)
const apiKey = Schema.decodeSync(ApiKeyDraft)

/** A chat request that is answered at once. */
const input = (agent_id: string, session_id: string) => ({
  headers: { prefer: "respond-async" },
  payload: Schema.decodeSync(ChatRequest)({ agent_id, session_id, input: { content: "hi" } })
})

const fails = <A, E, R>(attempt: Effect.Effect<A, E, R>, expected: object) =>
  Effect.map(Effect.flip(attempt), (error) => assert.deepInclude(error as object, expected))

const openAi = (more: Record<string, unknown> = {}) => ({
  type: "openai_compatible_credential",
  base_url: "http://127.0.0.1:9/v1",
  ...more
})

/** A user with an agent, the demo model and a session. */
const settled = Effect.gen(function*() {
  const { client } = yield* Host
  const user = UserId.make(someone())
  const api = yield* client(user)
  const { agent_id } = yield* api.agents.create({ headers: {}, payload: agent({ name: "Friday" }) })
  const { credential_id } = yield* api.credentials.create({
    headers: {},
    payload: { data: { type: "demo_credential" } }
  })
  const chat_model_config = (model = "demo-chat", parameters: Record<string, unknown> = { delay_ms: 0 }) => ({
    type: "demo_credential",
    credential_id,
    model,
    parameters
  })
  const { session_id } = yield* api.sessions.create({
    headers: {},
    payload: { agent_id, chat_model_config: chat_model_config() }
  })
  return { user, api, agent_id, credential_id, session_id, chat_model_config }
})

layer(TestHost.layer(), { excludeTestServices: true })("The native door", (it) => {
  describe("Agents", () => {
    it.effect("makes an agent with system A's defaults, reads it, and says where it is", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const made = yield* call("POST", "/agent/", { user: "ada", body: { name: "Friday" } })
        assert.strictEqual(made.status, 201)
        assert.match(made.json.agent_id, /^[0-9a-f]{32}$/)
        assert.strictEqual(made.headers["location"], `/agent/${made.json.agent_id}`)
        const { json } = yield* call("GET", `/agent/${made.json.agent_id}`, { user: "ada" })
        assert.deepInclude(json, { id: made.json.agent_id, user_id: "ada" })
        assert.deepInclude(json.data, {
          name: "Friday",
          system_prompt: "You're a helpful assistant.",
          react_config: {
            max_iters: 20,
            stop_on_reject: false,
            structured_output_grace_iters: 5,
            interruption_message: "The reply was interrupted. How can I help you?",
            interruption_raise_cancelled_error: false
          }
        })
        assert.match(json.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      }))

    it.effect("keeps what a patch leaves out or sets to null", () =>
      Effect.gen(function*() {
        const { agent_id, api } = yield* settled
        const before = yield* api.agents.get({ path: { agent_id } })
        const patched = yield* api.agents.update({
          path: { agent_id },
          payload: { name: "Monday", system_prompt: null }
        })
        assert.deepStrictEqual(patched.data, { ...before.data, name: "Monday" })
        assert.strictEqual(patched.created_at, before.created_at)
      }))

    it.effect("lists them page by page", () =>
      Effect.gen(function*() {
        const { client } = yield* Host
        const api = yield* client(someone())
        for (let i = 0; i < 5; i++) yield* api.agents.create({ headers: {}, payload: agent({ name: `agent ${i}` }) })
        const names: Array<string> = []
        let cursor: string | null | undefined
        do {
          const page = yield* api.agents.list({ urlParams: { limit: 2, ...(cursor != null && { cursor }) } })
          assert.strictEqual(page.total, 5)
          names.push(...page.agents.map(({ data }) => data.name))
          cursor = page.next_cursor
        } while (cursor !== null)
        assert.deepStrictEqual(names, ["agent 0", "agent 1", "agent 2", "agent 3", "agent 4"])
      }))

    it.effect("refuses a cursor that is none of ours", () =>
      Effect.gen(function*() {
        const { client } = yield* Host
        const api = yield* client("ada")
        yield* fails(api.agents.list({ urlParams: { limit: 2, cursor: "!!" } }), {
          _tag: "Malformed",
          code: "invalid_cursor"
        })
      }))

    it.scoped("takes its sessions along, even while they run, and ends their streams", () =>
      Effect.gen(function*() {
        const { watch } = yield* Host
        const { agent_id, api, chat_model_config, user } = yield* settled
        const { session_id } = yield* api.sessions.create({
          headers: {},
          payload: { agent_id, chat_model_config: chat_model_config("demo-chat", { delay_ms: 60_000 }) }
        })
        yield* api.chat.send(input(agent_id, session_id))
        const { runs } = yield* api.runs.ofSession({ path: { session_id }, urlParams: { limit: 1 } })
        const watching = yield* watch("GET", `/sessions/${session_id}/stream`, { user })
        yield* api.agents.remove({ path: { agent_id } })
        yield* watching.ended
        yield* fails(api.sessions.get({ path: { session_id }, urlParams: {} }), { _tag: "NotFound" })
        yield* fails(api.runs.get({ path: { run_id: runs[0]!.id } }), { _tag: "NotFound" })
        yield* fails(api.agents.remove({ path: { agent_id } }), {
          _tag: "NotFound",
          detail: `Agent '${agent_id}' not found.`
        })
      }))
  })

  describe("Credentials", () => {
    it.effect("lists what each type needs, to anybody", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json } = yield* call("GET", "/credential/schemas")
        const types = json.schemas.map((schema: { properties: { type: { const: string } } }) =>
          schema.properties.type.const
        )
        assert.includeMembers(types, ["demo_credential", "openai_compatible_credential"])
      }))

    it.effect("names them when the client does not", () =>
      Effect.gen(function*() {
        const { client } = yield* Host
        const api = yield* client(someone())
        const make = (name?: string) =>
          api.credentials.create({ headers: {}, payload: { data: { type: "demo_credential", name } } })
        yield* make()
        yield* make("mine")
        yield* make("")
        yield* make()
        const { credentials } = yield* api.credentials.list({ urlParams: { limit: 10 } })
        assert.deepStrictEqual(credentials.map(({ data }) => data["name"]), ["Demo", "mine", "Demo (2)", "Demo (3)"])
      }))

    it.effect("never shows a secret and never stores it in clear", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const user = someone()
        const made = yield* call("POST", "/credential", { user, body: { data: openAi({ api_key: secret }) } })
        const id = made.json.credential_id
        const answers = [
          made,
          yield* call("GET", `/credential/${id}`, { user }),
          yield* call("GET", "/credential", { user }),
          yield* call("PATCH", `/credential/${id}`, { user, body: { data: openAi({ api_key: secret }) } })
        ]
        for (const { text } of answers) assert.notInclude(text, secret)
        assert.strictEqual(answers[1]!.json.data.api_key, "********")
        const { credentials } = yield* Storage
        assert.notInclude(JSON.stringify(yield* credentials.host.get(id)), secret)
      }))

    it.effect("keeps stored secrets when a patch leaves them out or masks them, and replaces the rest", () =>
      Effect.gen(function*() {
        const { client } = yield* Host
        const { credentials } = yield* Storage
        const vault = yield* Vault
        const user = someone()
        const api = yield* client(user)
        const { credential_id } = yield* api.credentials.create({
          headers: {},
          payload: { data: openAi({ name: "mine", api_key: secret }) }
        })
        const stored = Effect.gen(function*() {
          const { sealed } = yield* credentials.host.get(credential_id)
          return yield* vault.open(sealed!, { owner: user as UserId, record: `credentials/${credential_id}` })
        })
        const patch = (more: Record<string, unknown>) =>
          api.credentials.update({ path: { credential_id }, payload: { data: openAi(more) } })

        const masked = yield* patch({ api_key: "********", base_url: "http://127.0.0.1:10/v1" })
        assert.deepInclude(masked.data, { base_url: "http://127.0.0.1:10/v1", name: "mine", api_key: "********" })
        assert.include(yield* stored, secret)
        yield* patch({})
        assert.include(yield* stored, secret)
        yield* patch({ api_key: "sk-new" })
        assert.include(yield* stored, "sk-new")
        assert.notInclude(yield* stored, secret)
      }))

    it.effect("refuses a mask where nothing is stored, an unknown type and a missing field", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        for (
          const data of [
            openAi({ api_key: "********" }),
            { type: "no_such" },
            {},
            openAi({ base_url: undefined }),
            openAi({ api_key: [secret] })
          ]
        ) {
          const answer = yield* call("POST", "/credential", { user: "ada", body: { data } })
          assert.strictEqual(answer.status, 422, JSON.stringify(data))
          assert.isNotEmpty(answer.json.errors)
          assert.notInclude(answer.text, secret)
        }
      }))

    it.effect("says so when the stored secrets cannot be opened any more", () =>
      Effect.gen(function*() {
        const { client } = yield* Host
        const { credentials } = yield* Storage
        const user = someone()
        const api = yield* client(user)
        const { credential_id } = yield* api.credentials.create({
          headers: {},
          payload: { data: openAi({ api_key: secret }) }
        })
        yield* credentials.modify(user as UserId, credential_id, (credential) => ({ ...credential, sealed: "broken" }))
        const patch = (more: Record<string, unknown>) =>
          api.credentials.update({ path: { credential_id }, payload: { data: openAi(more) } })
        yield* fails(patch({}), { _tag: "Conflict", code: "credential_unreadable" })
        yield* patch({ api_key: "sk-new" })
      }))

    it.effect("removes them", () =>
      Effect.gen(function*() {
        const { api, credential_id } = yield* settled
        yield* api.credentials.remove({ path: { credential_id }, urlParams: { force: true } })
        yield* fails(api.credentials.get({ path: { credential_id } }), { _tag: "NotFound" })
      }))
  })

  describe("Models", () => {
    it.effect("lists the models of a type, to anybody", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json, status } = yield* call("GET", "/model/?provider=demo_credential")
        assert.strictEqual(status, 200)
        assert.strictEqual(json.total, json.models.length)
        assert.deepStrictEqual(json.models.map(({ name }: { name: string }) => name), ["demo-chat", "demo-script"])
        assert.containsAllKeys(json.models[0], [
          "type",
          "name",
          "label",
          "status",
          "deprecated_at",
          "input_types",
          "output_types",
          "context_size",
          "output_size",
          "parameter_schema",
          "parameters_overrides"
        ])
        const unknown = yield* call("GET", "/model/?provider=nope")
        assert.deepInclude(unknown.json, { status: 404, detail: "Provider 'nope' not found." })
        assert.strictEqual((yield* call("GET", "/model/")).status, 422)
      }))

    it.effect("shows one model, to anybody", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json, status } = yield* call("GET", "/model/demo_credential/demo-chat")
        assert.deepInclude({ ...json, status }, { name: "demo-chat", status: 200 })
        const unknown = yield* call("GET", "/model/demo_credential/gpt-7")
        assert.deepInclude(unknown.json, { status: 404, code: "not_found", detail: "Model 'gpt-7' not found." })
        assert.strictEqual((yield* call("GET", "/model/nope/demo-chat")).status, 404)
      }))

    const own = [
      { name: "org/model:free", context_size: 1000, output_size: 100, prices: { input: 1, output: 2 } },
      { name: "demo-chat", label: "Mine", parameters_overrides: { delay_ms: { maximum: 5 } } }
    ]

    it.effect("merges a credential's own cards in, for its owner", () =>
      Effect.gen(function*() {
        const { api, user } = yield* settled
        const { call } = yield* Host
        const { credential_id } = yield* api.credentials.create({
          headers: {},
          payload: { data: { type: "demo_credential", models: own } }
        })
        const through = `?provider=demo_credential&credential_id=${credential_id}`
        const { models } = (yield* call("GET", `/model${through}`, { user })).json
        const named = (name: string) => models.find((model: { name: string }) => model.name === name)
        assert.lengthOf(models, 3)
        assert.deepInclude(named("demo-chat"), { label: "Mine", context_size: 128_000 })
        assert.deepInclude(named("org/model:free"), {
          label: "org/model:free",
          status: "active",
          context_size: 1000,
          prices: { input: 1, output: 2 }
        })
        const path = `/model/demo_credential/${encodeURIComponent("org/model:free")}?credential_id=${credential_id}`
        assert.deepInclude((yield* call("GET", path, { user })).json, { name: "org/model:free" })
        const other = yield* call("GET", path.replace("demo_credential", "openai_compatible_credential"), { user })
        assert.deepInclude(other.json, { status: 422, code: "invalid" })
        const { data } = yield* api.credentials.get({ path: { credential_id } })
        assert.deepStrictEqual((data["models"] as ReadonlyArray<object>).map((card) => "name" in card), [true, true])
      }))

    it.effect("checks a session's parameters by the card, the credential's own included", () =>
      Effect.gen(function*() {
        const { agent_id, api } = yield* settled
        const { credential_id } = yield* api.credentials.create({
          headers: {},
          payload: { data: { type: "demo_credential", models: own } }
        })
        const create = (delay_ms: number) =>
          api.sessions.create({
            headers: {},
            payload: {
              agent_id,
              chat_model_config: {
                type: "demo_credential",
                credential_id,
                model: "demo-chat",
                parameters: { delay_ms }
              }
            }
          })
        yield* create(5)
        yield* fails(create(6), {
          _tag: "Invalid",
          errors: [{ path: "chat_model_config.parameters.delay_ms", message: "Expected at most 5." }]
        })
      }))

    it.effect("refuses own cards that are none, and names the fields", () =>
      Effect.gen(function*() {
        const { user } = yield* settled
        const { call } = yield* Host
        const paths = (models: unknown) =>
          Effect.map(
            call("POST", "/credential", { user, body: { data: { type: "demo_credential", models } } }),
            ({ json, status, text }) => {
              assert.strictEqual(status, 422)
              assert.notInclude(text, secret)
              return json.errors.map(({ path }: { path: string }) => path)
            }
          )
        assert.deepStrictEqual(yield* paths("demo-chat"), ["data.models"])
        assert.deepStrictEqual(yield* paths([{ label: "x" }]), ["data.models.0.name"])
        assert.deepStrictEqual(yield* paths([{ name: "a", context_size: secret }]), ["data.models.0.context_size"])
        assert.deepStrictEqual(
          yield* paths([{ name: "a", [secret.slice(3)]: 1 }]).pipe(Effect.map((all) => all.length)),
          1
        )
        assert.deepStrictEqual(yield* paths([{ name: "a", prices: { input: -1, output: 1 } }]), [
          "data.models.0.prices.input"
        ])
        assert.deepStrictEqual(yield* paths([{ name: "a" }, { name: "a" }]), ["data.models.1.name"])
        assert.deepStrictEqual(yield* paths(Array.from({ length: 65 }, (_, i) => ({ name: `m${i}` }))), ["data.models"])
      }))
  })

  describe("Embeddings", () => {
    it.effect("are made of one text or several by the demo, without a key", () =>
      Effect.gen(function*() {
        const { credential_id, user } = yield* settled
        const { call } = yield* Host
        const embed = (body: object) =>
          call("POST", "/embedding", { user, body: { credential_id, model: "demo-embedding", ...body } })
        const one = yield* embed({ input: "hello" })
        assert.strictEqual(one.status, 200)
        assert.deepInclude(one.json, { model: "demo-embedding", usage: { input_tokens: 2 } })
        assert.lengthOf(one.json.embeddings[0], 256)
        const two = yield* embed({ type: "demo_credential", input: ["hello", "bye"], dimensions: 64 })
        assert.deepStrictEqual(two.json.embeddings.map(({ length }: { length: number }) => length), [64, 64])
      }))

    it.effect("are refused with the field that is wrong", () =>
      Effect.gen(function*() {
        const { credential_id, user } = yield* settled
        const { call } = yield* Host
        const paths = (body: object) =>
          Effect.map(
            call("POST", "/embedding", {
              user,
              body: { credential_id, model: "demo-embedding", input: "hi", ...body }
            }),
            ({ json }) => {
              assert.strictEqual(json.status, 422, JSON.stringify(json))
              return json.errors.map(({ path }: { path: string }) => path)
            }
          )
        assert.deepStrictEqual(yield* paths({ dimensions: 3 }), ["dimensions"])
        assert.deepStrictEqual(yield* paths({ model: "demo-chat" }), ["model"])
        const talking = yield* call("POST", "/agent", {
          user,
          body: { name: "A", chat_model_config: { type: "demo_credential", credential_id, model: "demo-embedding" } }
        })
        assert.deepInclude(talking.json, { status: 422, detail: "This model makes embeddings, and does not talk." })
        assert.deepStrictEqual(yield* paths({ type: "openai_compatible_credential" }), ["type"])
        for (
          const input of ["", [], [""], Array(2049).fill("a"), ["a".repeat(100_001)], Array(9).fill("a".repeat(99_000))]
        ) {
          assert.include((yield* paths({ input })).join(), "input")
        }
        const anthropic = { type: "anthropic_credential", api_key: secret }
        const { json } = yield* call("POST", "/credential", { user, body: { data: anthropic } })
        assert.deepStrictEqual(yield* paths({ credential_id: json.credential_id, model: "m" }), ["credential_id"])
        const nobodys = yield* call("POST", "/embedding", {
          user,
          body: { credential_id: "0".repeat(32), model: "demo-embedding", input: "hi" }
        })
        assert.deepInclude(nobodys.json, { status: 404, code: "not_found" })
      }))

    it.effect("say what is wrong behind us, and in whose words", () =>
      Effect.gen(function*() {
        const { user } = yield* settled
        const { call } = yield* Host
        const body = { data: openAi({ base_url: "http://127.0.0.1:1/v1" }) }
        const { credential_id } = (yield* call("POST", "/credential", { user, body })).json
        const { json, text } = yield* call("POST", "/embedding", {
          user,
          body: { credential_id, model: "m", input: "hi" }
        })
        assert.deepInclude(json, { status: 502, code: "connection", title: "Bad Gateway" })
        assert.notInclude(text, "127.0.0.1")
      }))

    it.effect("have models that anybody can list", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json } = yield* call("GET", "/embedding-model/?provider=demo_credential")
        assert.deepInclude(json.models[0], { type: "embedding_model", name: "demo-embedding", dimensions: 256 })
        assert.strictEqual((yield* call("GET", "/embedding-model?provider=nope")).status, 404)
      }))
  })

  describe("Sessions", () => {
    it.effect("makes one with system A's shape", () =>
      Effect.gen(function*() {
        const { agent_id, api, user } = yield* settled
        const { session_id } = yield* api.sessions.create({ headers: {}, payload: { agent_id } })
        const session = yield* api.sessions.get({ path: { session_id }, urlParams: { agent_id } })
        assert.deepInclude(session, {
          id: session_id,
          user_id: user,
          agent_id,
          source: "user",
          source_schedule_id: null,
          status: "idle",
          is_running: false
        })
        assert.match(session.config.name, /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
        assert.match(session.config.workspace_id, /^[0-9a-f]{32}$/)
        assert.isNull(session.config.chat_model_config)
        assert.strictEqual(session.state.session_id, session_id)
        assert.strictEqual(session.state.permission_context.mode, "default")
      }))

    it.effect("checks agent, credential and model first", () =>
      Effect.gen(function*() {
        const { agent_id, api, chat_model_config } = yield* settled
        const make = (payload: SessionDraft) => api.sessions.create({ headers: {}, payload })
        yield* fails(make({ agent_id: "none" as AgentId }), { _tag: "NotFound", detail: "Agent 'none' not found." })
        yield* fails(
          make({ agent_id, chat_model_config: { ...chat_model_config(), credential_id: "none" as CredentialId } }),
          {
            _tag: "NotFound",
            detail: "Credential 'none' not found."
          }
        )
        yield* fails(make({ agent_id, chat_model_config: chat_model_config("no-model") }), { _tag: "Invalid" })
      }))

    it.effect("lists the newest first, all of them or those of an agent", () =>
      Effect.gen(function*() {
        const { agent_id, api, session_id } = yield* settled
        const other = yield* api.agents.create({ headers: {}, payload: agent({ name: "other" }) })
        const second = yield* api.sessions.create({ headers: {}, payload: { agent_id: other.agent_id } })
        const ids = (of: { readonly agent_id?: AgentId }) =>
          Effect.map(api.sessions.list({ urlParams: { limit: 10, ...of } }), ({ sessions }) =>
            sessions.map(({ id }) => id))
        assert.deepStrictEqual(yield* ids({}), [second.session_id, session_id])
        assert.deepStrictEqual(yield* ids({ agent_id }), [session_id])
        yield* fails(ids({ agent_id: "none" as AgentId }), { _tag: "NotFound", detail: "Agent 'none' not found." })
      }))

    it.effect("is not found under another agent", () =>
      Effect.gen(function*() {
        const { agent_id, api, session_id } = yield* settled
        const other = (yield* api.agents.create({ headers: {}, payload: agent({ name: "other" }) })).agent_id
        const path = { session_id }
        const urlParams = { agent_id: other }
        const notFound = { _tag: "NotFound", detail: `Session '${session_id}' not found.` }
        yield* fails(api.sessions.get({ path, urlParams }), notFound)
        yield* fails(api.sessions.update({ path, urlParams, payload: { name: "new" } }), notFound)
        yield* fails(api.sessions.remove({ path, urlParams }), notFound)
        yield* fails(api.sessions.status({ path, urlParams }), notFound)
        yield* fails(api.sessions.interrupt({ path, urlParams: { ...urlParams, queue: "keep" } }), notFound)
        yield* fails(api.sessions.stream({ path, urlParams, headers: {} }), notFound)
        yield* fails(api.messages.list({ path, urlParams: { ...urlParams, offset: 0, limit: 10 } }), notFound)
        yield* fails(api.chat.send(input(other, session_id)), notFound)
        assert.strictEqual((yield* api.sessions.get({ path, urlParams: { agent_id } })).id, session_id)
      }))

    it.effect("changes name, model and permission mode", () =>
      Effect.gen(function*() {
        const { api, chat_model_config, session_id } = yield* settled
        const patch = (payload: SessionPatch) => api.sessions.update({ path: { session_id }, urlParams: {}, payload })
        assert.strictEqual(
          (yield* patch({ name: "new", permission_mode: "explore" })).state.permission_context.mode,
          "explore"
        )
        const same = yield* patch({ name: null, permission_mode: null })
        assert.deepInclude(same.config, { name: "new" })
        assert.strictEqual(same.state.permission_context.mode, "explore")
        assert.isNull((yield* patch({ chat_model_config: null })).config.chat_model_config)
        yield* fails(patch({ chat_model_config: chat_model_config("no-model") }), { _tag: "Invalid" })
        assert.strictEqual(
          (yield* patch({ chat_model_config: chat_model_config() })).config.chat_model_config?.model,
          "demo-chat"
        )
      }))

    it.scoped("tells those who follow it when its permission mode changes, also while nothing runs, and only then", () =>
      Effect.gen(function*() {
        const { api, session_id, user } = yield* settled
        const host = yield* Host
        const patch = (payload: SessionPatch) => api.sessions.update({ path: { session_id }, urlParams: {}, payload })
        const path = `/sessions/${session_id}/stream?after=0`
        const watching = yield* host.watch("GET", path, { user })
        yield* patch({ permission_mode: "explore" })
        yield* patch({ name: "other", permission_mode: "explore" })
        yield* patch({ name: "another" })
        yield* patch({ permission_mode: "bypass" })
        const seen = eventsOf(yield* watching.until((text) => text.includes("bypass")))
        assert.deepStrictEqual(
          seen.map(({ event, seq }) => [seq, isNamed(event, "state_updated") && event.value.permission_context.mode]),
          [[1, "explore"], [2, "bypass"]]
        )
        const later = yield* host.watch("GET", path, { user })
        assert.deepStrictEqual(eventsOf(yield* later.until((text) => text.includes("bypass"))), seen)
        const { api: theirs } = yield* settled
        yield* fails(
          theirs.sessions.update({ path: { session_id }, urlParams: {}, payload: { permission_mode: "explore" } }),
          {
            _tag: "NotFound"
          }
        )
      }))

    it.effect("refuses another model while it runs, but not another name", () =>
      Effect.gen(function*() {
        const { agent_id, api, chat_model_config } = yield* settled
        const config = chat_model_config("demo-chat", { delay_ms: 60_000 })
        const { session_id } = yield* api.sessions.create({
          headers: {},
          payload: { agent_id, chat_model_config: config }
        })
        yield* api.chat.send(input(agent_id, session_id))
        const patch = (payload: SessionPatch) => api.sessions.update({ path: { session_id }, urlParams: {}, payload })
        const refused = {
          _tag: "Conflict",
          code: "session_running",
          detail: "Cannot modify session configuration while the session is running."
        }
        yield* fails(patch({ chat_model_config: chat_model_config() }), refused)
        yield* fails(patch({ chat_model_config: null }), refused)
        yield* fails(patch({ permission_mode: "bypass" }), refused)
        assert.deepInclude(yield* patch({ name: "renamed" }), { status: "running", is_running: true })
        assert.strictEqual((yield* api.sessions.status({ path: { session_id }, urlParams: {} })).status, "running")
        assert.deepStrictEqual(yield* api.sessions.interrupt({ path: { session_id }, urlParams: { queue: "drop" } }), {
          session_id
        })
        assert.strictEqual((yield* api.sessions.status({ path: { session_id }, urlParams: {} })).status, "idle")
        yield* patch({ chat_model_config: chat_model_config() })
      }))

    it.effect("is gone when removed, with what belongs to it", () =>
      Effect.gen(function*() {
        const { api, session_id } = yield* settled
        yield* api.sessions.remove({ path: { session_id }, urlParams: {} })
        yield* fails(api.sessions.get({ path: { session_id }, urlParams: {} }), { _tag: "NotFound" })
        yield* fails(api.sessions.remove({ path: { session_id }, urlParams: {} }), { _tag: "NotFound" })
        yield* fails(api.messages.list({ path: { session_id }, urlParams: { offset: 0, limit: 1 } }), {
          _tag: "NotFound"
        })
      }))

    it.scoped("is stopped when removed while it runs, and its streams end", () =>
      Effect.gen(function*() {
        const { watch } = yield* Host
        const { agent_id, api, chat_model_config, user } = yield* settled
        const config = chat_model_config("demo-chat", { delay_ms: 60_000 })
        const { session_id } = yield* api.sessions.create({
          headers: {},
          payload: { agent_id, chat_model_config: config }
        })
        yield* api.chat.send(input(agent_id, session_id))
        const watching = yield* watch("GET", `/sessions/${session_id}/stream?after=0`, { user })
        yield* api.sessions.remove({ path: { session_id }, urlParams: {} })
        assert.include(yield* watching.ended, "\"finished_reason\":\"interrupted\"")
      }))

    it.effect("may be interrupted while idle", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { session_id, user } = yield* settled
        assert.deepInclude(yield* call("POST", `/sessions/${session_id}/interrupt`, { user }), {
          status: 202,
          json: { session_id }
        })
        assert.strictEqual((yield* call("POST", `/sessions/${session_id}/interrupt?queue=burn`, { user })).status, 422)
      }))
  })

  describe("Chat, messages and runs", () => {
    it.effect("answers 202 at once when the client prefers that", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { agent_id, session_id, user } = yield* settled
        const body = { agent_id, session_id, input: { content: "hello" } }
        const answer = yield* call("POST", "/chat/", { user, body, headers: { prefer: "respond-async, wait=10" } })
        assert.strictEqual(answer.status, 202)
        assert.hasAllKeys(answer.json, ["session_id", "run_id", "seq"])
        assert.strictEqual(answer.headers["location"], `/runs/${answer.json.run_id}`)
        assert.strictEqual(answer.headers["preference-applied"], "respond-async")
      }))

    it.effect("waits and answers with the reply when the client accepts JSON", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { agent_id, api, session_id, user } = yield* settled
        const body = { agent_id, session_id, input: { content: "hello" } }
        const { json, status } = yield* call("POST", "/chat", { user, body, headers: { accept: "application/json" } })
        assert.strictEqual(status, 200)
        assert.deepInclude(json, { role: "assistant", name: "Friday", finished_reason: "completed" })
        const page = yield* api.messages.list({ path: { session_id }, urlParams: { offset: 0, limit: 50 } })
        assert.deepStrictEqual(page.messages.map(({ role }) => role), ["user", "assistant"])
        assert.deepStrictEqual(page.messages[1], json)
        assert.deepInclude(page, { total: 2, has_more: false, is_running: false })
        const second = yield* api.messages.list({ path: { session_id }, urlParams: { offset: 1, limit: 1 } })
        assert.deepStrictEqual(second.messages, page.messages.slice(1))
        const first = yield* api.messages.list({ path: { session_id }, urlParams: { offset: 0, limit: 1 } })
        assert.isTrue(first.has_more)
      }))

    it.effect("needs the input's key, a model, and takes null, arrays and system A's messages", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { agent_id, api, session_id, user } = yield* settled
        const send = (body: Record<string, unknown>) =>
          call("POST", "/chat", {
            user,
            body: { agent_id, session_id, ...body },
            headers: { accept: "application/json" }
          })
        assert.strictEqual((yield* send({})).status, 422)
        assert.strictEqual((yield* send({ input: 5 })).status, 422)
        assert.strictEqual((yield* send({ input: { role: "system", content: "x" } })).status, 422)
        const message = {
          id: "a",
          name: "ada",
          role: "user",
          content: [{ type: "text", id: "b", text: "hi" }],
          metadata: {},
          created_at: "2026-01-31T09:30:00.123456",
          finished_at: null,
          usage: null
        }
        for (const input of [message, [message], null]) assert.strictEqual((yield* send({ input })).status, 200)
        yield* api.sessions.update({ path: { session_id }, urlParams: {}, payload: { chat_model_config: null } })
        assert.deepInclude((yield* send({ input: null })).json, { status: 409, code: "model_not_configured" })
      }))

    it.effect("tells what each input started, newest first", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { agent_id, api, session_id, user } = yield* settled
        const send = (text: string) =>
          call("POST", "/chat", {
            user,
            body: { agent_id, session_id, input: { content: text } },
            headers: { accept: "application/json" }
          })
        yield* send("one")
        yield* send("two")
        const { runs, total } = yield* api.runs.ofSession({ path: { session_id }, urlParams: { limit: 10 } })
        assert.strictEqual(total, 2)
        assert.deepStrictEqual(runs.map(({ input }) => (input[0]!.content[0] as { text: string }).text), ["two", "one"])
        assert.deepStrictEqual((yield* api.runs.list({ urlParams: { limit: 10 } })).runs, runs)
        assert.deepStrictEqual((yield* api.runs.list({ urlParams: { limit: 10, status: "ended" } })).runs, runs)
        assert.deepStrictEqual((yield* api.runs.list({ urlParams: { limit: 10, status: "queued" } })).runs, [])
        assert.deepStrictEqual(yield* api.runs.get({ path: { run_id: runs[0]!.id } }), runs[0])
      }))
  })

  describe("Keys", () => {
    const admin = Effect.gen(function*() {
      const { clientWithKey } = yield* Host
      const { issue } = yield* ApiKeys
      const { key } = yield* issue({
        user_id: "root" as UserId,
        name: "root",
        scopes: ["read", "admin"],
        expires_at: null
      })
      return yield* clientWithKey(key)
    })

    it.effect("lets an admin issue keys for a tenant, and nobody else", () =>
      Effect.gen(function*() {
        const { client, clientWithKey } = yield* Host
        const keys = yield* admin
        const user = UserId.make(someone())
        const issued = yield* keys.keys.create({
          headers: {},
          payload: apiKey({ user_id: user, name: "laptop", scopes: ["read"] })
        })
        assert.match(issued.key, /^stoa_/)
        const api = yield* clientWithKey(issued.key)
        assert.strictEqual((yield* api.agents.list({ urlParams: { limit: 1 } })).total, 0)
        yield* fails(api.agents.create({ headers: {}, payload: agent({ name: "x" }) }), {
          _tag: "Forbidden",
          code: "scope_missing",
          detail: "This needs an API key with the scope 'write'."
        })
        yield* fails((yield* client(user)).keys.list({ urlParams: { limit: 1 } }), { _tag: "Forbidden" })
      }))

    it.effect("lists them without their hash, of all tenants or one", () =>
      Effect.gen(function*() {
        const { keys } = yield* admin
        const user = UserId.make(someone())
        const { id } = yield* keys.create({ headers: {}, payload: apiKey({ user_id: user }) })
        const mine = yield* keys.list({ urlParams: { limit: 200, user_id: user } })
        assert.deepStrictEqual(mine.keys.map((key) => key.id), [id])
        assert.notProperty(mine.keys[0], "hash")
        assert.notProperty(mine.keys[0], "key")
        const all = yield* keys.list({ urlParams: { limit: 200 } })
        assert.isAbove(all.total, 1)
      }))

    it.effect("ends a revoked key at once; revoking twice changes nothing", () =>
      Effect.gen(function*() {
        const { clientWithKey } = yield* Host
        const { keys } = yield* admin
        const { id, key } = yield* keys.create({ headers: {}, payload: apiKey({ user_id: someone() }) })
        const api = yield* clientWithKey(key)
        yield* api.agents.list({ urlParams: { limit: 1 } })
        const revoked = yield* keys.revoke({ path: { key_id: id } })
        assert.isNotNull(revoked.revoked_at)
        yield* fails(api.agents.list({ urlParams: { limit: 1 } }), { _tag: "Unauthenticated" })
        assert.deepStrictEqual(yield* keys.revoke({ path: { key_id: id } }), revoked)
        yield* fails(keys.revoke({ path: { key_id: "none" as KeyId } }), { _tag: "NotFound" })
      }))
  })

  it.effect("says how it is", () =>
    Effect.gen(function*() {
      const { call } = yield* Host
      const { json, status } = yield* call("GET", "/health")
      assert.strictEqual(status, 200)
      assert.deepInclude(json, {
        status: "ok",
        version: "0.1.0",
        components: { storage: "ok", event_log: "ok", models: "ok", intake: "ok" }
      })
      assert.deepInclude(yield* call("GET", "/readiness"), { status: 200, json: { status: "ok" } })
      assert.deepInclude(yield* call("GET", "/liveness"), { status: 200, json: { status: "ok" } })
    }))

  it.effect("decodes its own problems in the derived client", () =>
    Effect.gen(function*() {
      const { client } = yield* Host
      const api = yield* client("ada")
      const error = yield* Effect.flip(api.sessions.get({ path: { session_id: "none" as SessionId }, urlParams: {} }))
      assert.instanceOf(error, NotFound)
      assert.deepInclude(error, { status: 404, code: "not_found", detail: "Session 'none' not found." })
      assert.isString(error.request_id)
      const { credential_id } = yield* api.credentials.create({
        headers: {},
        payload: { data: { type: "demo_credential" } }
      })
      const invalid = yield* Effect.flip(
        api.credentials.update({ path: { credential_id }, payload: { data: { type: "nope" } } })
      )
      assert.instanceOf(invalid, Invalid)
      assert.deepStrictEqual(invalid.errors?.map(({ path }) => path), ["data.type"])
    }))
})
