/** What clients of the Agent Service, of 2.0.0 and newer, read in records, lists, forms and cards. */
import { assert, describe, layer } from "@effect/vitest"
import { Effect } from "effect"
import { takeComplaints } from "../support/agentservice/Checked.ts"
import { parameterNames } from "../support/agentServiceParameters.ts"
import * as TestHost from "../support/TestHost.ts"

const { TestHost: Host } = TestHost

interface Schema {
  readonly type?: string
  readonly title?: string
  readonly format?: string
  readonly default?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly patternProperties?: Readonly<Record<string, Schema>>
  readonly [key: string]: unknown
}

let owners = 0

const settled = Effect.gen(function*() {
  const { call } = yield* Host
  const user = `reader-${owners++}`
  const must = (method: string, path: string, body?: unknown) =>
    Effect.map(call(method, path, { user, ...body !== undefined && { body } }), (answer) => {
      assert.isBelow(answer.status, 300, answer.text)
      return answer.json
    })
  const { agent_id } = yield* must("POST", "/agent/", { name: "Friday" })
  const { credential_id } = yield* must("POST", "/credential/", { data: { type: "demo_credential" } })
  const chat_model_config = { type: "demo_credential", credential_id, model: "demo-chat", parameters: { delay_ms: 0 } }
  const { session_id } = yield* must("POST", "/sessions/", { agent_id, chat_model_config })
  return { user, call, must, agent_id, credential_id, session_id, chat_model_config }
})

const providers = Effect.gen(function*() {
  const { call } = yield* Host
  const { json } = yield* call("GET", "/credential/schemas")
  return json.schemas.map(({ properties }: Schema) => properties!["type"]!["const"]) as ReadonlyArray<string>
})

const scalars = new Set(["string", "number", "integer", "boolean"])

/** A form draws a text box, a number box, a switch or a choice. */
const isDrawn = (schema: Schema): boolean => {
  const choices = (schema["anyOf"] as ReadonlyArray<Schema> | undefined)?.filter(({ type }) => type !== "null")
  return choices === undefined ? scalars.has(String(schema.type)) : choices.length === 1 && isDrawn(choices[0]!)
}

const titlesIn = (value: unknown): ReadonlyArray<string> =>
  typeof value !== "object" || value === null ? [] : Object.entries(value).flatMap(([key, one]) => [
    ...key === "title" && typeof one === "string" ? [one] : [],
    ...titlesIn(one)
  ])

layer(TestHost.layer(), { excludeTestServices: true })("Records of the Agent Service", (it) => {
  describe("Sessions", () => {
    it.effect("are listed flat, and once more as the member that newer clients read", () =>
      Effect.gen(function*() {
        const { agent_id, must, session_id } = yield* settled
        const { sessions } = yield* must("GET", `/sessions/?agent_id=${agent_id}`)
        const [{ is_running, session, status, team, ...flat }] = sessions
        assert.deepStrictEqual({ is_running, status, team }, { is_running: false, status: "idle", team: null })
        assert.deepStrictEqual(session, flat)
        assert.strictEqual(session.id, session_id)
        assert.deepStrictEqual(
          Object.keys(session.config).toSorted(),
          [
            "chat_model_config",
            "cwd",
            "fallback_chat_model_config",
            "knowledge_config",
            "name",
            "tts_model_config",
            "workspace_id"
          ]
        )
      }))

    it.effect("keep what nothing uses yet, show it again, and give it up for null", () =>
      Effect.gen(function*() {
        const { agent_id, chat_model_config, must } = yield* settled
        const extra = {
          cwd: "/w/src",
          tts_model_config: { ...chat_model_config, model: "a-voice", parameters: { voice: "alloy" } },
          knowledge_config: { knowledge_base_ids: ["kb1"], parameters: { top_k: 3 } }
        }
        const { session_id } = yield* must("POST", "/sessions/", { agent_id, ...extra })
        assert.deepInclude((yield* must("GET", `/sessions/${session_id}`)).config, extra)
        const moved = yield* must("PATCH", `/sessions/${session_id}?agent_id=${agent_id}`, { cwd: "docs" })
        assert.deepInclude(moved.config, { ...extra, cwd: "docs" })
        const bare = { cwd: null, tts_model_config: null, knowledge_config: null }
        assert.deepInclude((yield* must("PATCH", `/sessions/${session_id}`, bare)).config, bare)
      }))

    it.effect("have a working directory of at most 4096 characters, none of them NUL", () =>
      Effect.gen(function*() {
        const { call, must, session_id, user } = yield* settled
        yield* must("PATCH", `/sessions/${session_id}`, { cwd: "d".repeat(4096) })
        for (const cwd of ["d".repeat(4097), "a\0b", 7]) {
          const { json, status } = yield* call("PATCH", `/sessions/${session_id}`, { user, body: { cwd } })
          assert.strictEqual(status, 422)
          assert.include(json.detail, "cwd")
        }
      }))
  })

  describe("Agents and credentials", () => {
    it.effect("say that their owner may edit them, wherever they are shown", () =>
      Effect.gen(function*() {
        const { agent_id, credential_id, must } = yield* settled
        for (
          const shown of [
            (yield* must("GET", "/agent/")).agents[0],
            yield* must("GET", `/agent/${agent_id}`),
            yield* must("PATCH", `/agent/${agent_id}`, { name: "Saturday" }),
            (yield* must("GET", "/credential/")).credentials[0],
            yield* must("GET", `/credential/${credential_id}`),
            yield* must("PATCH", `/credential/${credential_id}`, { data: { type: "demo_credential" } })
          ]
        ) assert.strictEqual(shown.editable, true)
      }))

    it.effect("keep the settings of newer versions, and show them again", () =>
      Effect.gen(function*() {
        const { must } = yield* settled
        const react_config = {
          max_iters: 7,
          stop_on_reject: true,
          structured_output_grace_iters: 2,
          interruption_message: "Stopped.",
          interruption_raise_cancelled_error: true
        }
        const invite_config = { invitable: true, invite_description: "Knows birds." }
        const { agent_id } = yield* must("POST", "/agent/", {
          name: "Bird",
          context_config: { trigger_ratio: 0.9, max_image_num: 4, tool_result_limit: 50_000 },
          react_config,
          invite_config
        })
        const { data, source } = yield* must("GET", `/agent/${agent_id}`)
        assert.deepInclude(data, { react_config, invite_config })
        assert.deepInclude(data.context_config, { trigger_ratio: 0.9, max_image_num: 4, tool_result_limit: 50_000 })
        assert.strictEqual(source, "user")
        const quiet = { invitable: false, invite_description: "Knows birds." }
        const patched = yield* must("PATCH", `/agent/${agent_id}`, { invite_config: quiet })
        assert.deepStrictEqual(patched.data.invite_config, quiet)
        // 2.0.0 knows only ratios below this one: whoever sets it with a newer client shuts older ones out.
        const complaints = takeComplaints()
        assert.isAbove(complaints.length, 0)
        for (const complaint of complaints) {
          assert.include(complaint, "2.0.0 AgentRecord data.context_config.trigger_ratio")
        }
      }))

    it.effect("are refused as invitable without a description", () =>
      Effect.gen(function*() {
        const { call, user } = yield* settled
        for (const invite_config of [{ invitable: true }, { invitable: true, invite_description: " " }]) {
          const { json, status } = yield* call("POST", "/agent", { user, body: { name: "Bird", invite_config } })
          assert.strictEqual(status, 422)
          assert.include(json.detail, "invite_config")
        }
      }))
  })

  describe("Forms", () => {
    it.effect("make an agent of every field that its form shows, and its defaults are those of the form", () =>
      Effect.gen(function*() {
        const { call, must } = yield* settled
        const { json } = yield* call("GET", "/agent/schema/v2")
        const form: Schema = json.schema
        const text = JSON.stringify(form)
        for (const word of ["$ref", "$defs", "summary_schema", "\"id\""]) assert.notInclude(text, word)
        assert.deepStrictEqual(form["required"], ["name"])
        const { agent_id } = yield* must("POST", "/agent", { name: "Plain" })
        const { data } = yield* must("GET", `/agent/${agent_id}`)
        const defaults: Record<string, unknown> = { name: "Plain" }
        for (const [name, field] of Object.entries(form.properties!)) {
          assert.isString(field.title, name)
          if (field.type !== "object") {
            assert.isTrue(isDrawn(field), name)
            if (name !== "name") defaults[name] = field.default
            continue
          }
          const section: Record<string, unknown> = {}
          for (const [key, inner] of Object.entries(field.properties!)) {
            assert.isTrue(isDrawn(inner), `${name}.${key}`)
            assert.isString(inner.title, `${name}.${key}`)
            section[key] = inner.default
            const shown = data[name][key]
            assert.deepStrictEqual(inner.default, shown, `${name}.${key}`)
          }
          defaults[name] = section
        }
        assert.deepStrictEqual(Object.keys(form.properties!), [
          "name",
          "system_prompt",
          "context_config",
          "react_config",
          "invite_config",
          "tools"
        ])
        for (
          const [section, field] of [["context_config", "compression_prompt"], ["react_config", "interruption_message"]]
        ) {
          assert.strictEqual(form.properties![section!]!.properties![field!]!.format, "textarea")
        }
        assert.strictEqual(form.properties!["system_prompt"]!.format, "textarea")
        const again = yield* must("POST", "/agent", defaults)
        assert.deepStrictEqual(
          { ...(yield* must("GET", `/agent/${again.agent_id}`)).data, id: data.id },
          data
        )
      }))

    it.effect("come in the three sections of older clients too, without an identity", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json, status } = yield* call("GET", "/agent/schema")
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(Object.keys(json), ["identity", "context_config", "react_config"])
        assert.deepStrictEqual(Object.keys(json.identity.properties), ["name", "system_prompt", "tools"])
        assert.isUndefined(json.context_config.properties.summary_schema)
      }))

    it.effect("hold only what can be drawn; the rest stands under its own key", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json } = yield* call("GET", "/credential/schemas")
        for (const schema of json.schemas as ReadonlyArray<Schema>) {
          for (const [name, field] of Object.entries(schema.properties!)) assert.isTrue(isDrawn(field), name)
          assert.strictEqual(schema.patternProperties?.["^models$"]?.type, "array")
        }
        for (const provider of yield* providers) {
          const { json } = yield* call("GET", `/model/?provider=${provider}`)
          for (const { name, parameter_schema } of json.models) {
            for (
              const [field, schema] of Object.entries(parameter_schema.properties as Schema["properties"] & object)
            ) {
              assert.isTrue(isDrawn(schema), `${provider} ${name} ${field}`)
            }
          }
        }
      }))

    it.effect("have titles of words, and none of a filter", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const forms: Array<unknown> = [
          (yield* call("GET", "/credential/schemas")).json,
          (yield* call("GET", "/agent/schema/v2")).json
        ]
        for (const provider of yield* providers) forms.push((yield* call("GET", `/model?provider=${provider}`)).json)
        for (const title of titlesIn(forms)) assert.notMatch(title, /[(){}<>]|^(int|finite|pattern)$/)
      }))
  })

  describe("Credentials", () => {
    it.effect("take digits as text where a whole number belongs, as forms send them", () =>
      Effect.gen(function*() {
        const { credential_id, must } = yield* settled
        const data = { type: "demo_credential", max_concurrency: "5", requests_per_minute: " 60 " }
        const { data: shown } = yield* must("PATCH", `/credential/${credential_id}`, { data })
        assert.deepInclude(shown, { max_concurrency: 5, requests_per_minute: 60 })
        const made = yield* must("POST", "/credential", { data })
        assert.deepInclude((yield* must("GET", `/credential/${made.credential_id}`)).data, {
          max_concurrency: 5,
          requests_per_minute: 60
        })
      }))

    it.effect("are refused with the field's name in the sentence that a toast shows", () =>
      Effect.gen(function*() {
        const { call, user } = yield* settled
        for (
          const [field, data] of [
            ["max_concurrency", { type: "demo_credential", max_concurrency: "many" }],
            ["max_concurrency", { type: "demo_credential", max_concurrency: "5.5" }],
            ["api_key", { type: "openai_credential" }],
            ["colour", { type: "demo_credential", colour: "red" }]
          ] as const
        ) {
          const { json, status } = yield* call("POST", "/credential/", { user, body: { data } })
          assert.strictEqual(status, 422)
          assert.include(json.detail, field)
        }
      }))

    it.effect("of xAI take the name of a host for their address", () =>
      Effect.gen(function*() {
        const { call, must, user } = yield* settled
        const data = { type: "xai_credential", api_key: "xai-1", api_host: "api.x.ai" }
        const { credential_id } = yield* must("POST", "/credential/", { data })
        assert.strictEqual((yield* must("GET", `/credential/${credential_id}`)).data.api_host, "api.x.ai")
        const odd = yield* call("POST", "/credential/", { user, body: { data: { ...data, api_host: "http://x/" } } })
        assert.strictEqual(odd.status, 422)
      }))
  })

  describe("Models", () => {
    it.effect("have overrides that are objects, each, and hidden ones say so", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        let hidden = 0
        for (const provider of yield* providers) {
          const { json } = yield* call("GET", `/model/?provider=${provider}`)
          assert.strictEqual(json.total, json.models.length)
          for (const { context_size, name, output_size, parameters_overrides } of json.models) {
            for (const size of [context_size, output_size]) assert.isTrue(Number.isInteger(size), `${provider} ${name}`)
            for (const one of Object.values<Record<string, unknown>>(parameters_overrides)) {
              assert.isTrue(typeof one === "object" && one !== null && !Array.isArray(one), `${provider} ${name}`)
              if (one["hidden"] === true) hidden++
            }
          }
        }
        assert.isAbove(hidden, 0)
      }))

    it.effect("take every parameter that their class in the Agent Service has, and warn of those without an effect", () =>
      Effect.gen(function*() {
        const { agent_id, must } = yield* settled
        for (const [type, names] of Object.entries(parameterNames)) {
          const { models } = yield* must("GET", `/model/?provider=${type}`)
          const { credential_id } = yield* must("POST", "/credential", {
            data: { type, ...type === "ollama_credential" ? {} : { api_key: "key" } }
          })
          for (const [name, value, has] of names) {
            const chat_model_config = { type, credential_id, model: models[0].name, parameters: { [name]: value } }
            const { session_id, warnings } = yield* must("POST", "/sessions", { agent_id, chat_model_config })
            const shown = yield* must("GET", `/sessions/${session_id}`)
            assert.deepStrictEqual(shown.config.chat_model_config.parameters, { [name]: value })
            if (has === "effect") assert.isUndefined(warnings, `${type} ${name} ${warnings}`)
            else assert.match(String(warnings), new RegExp(`parameters\\.${name}`), type)
          }
        }
      }))

    it.effect("of speech are an empty list for a provider that is there, and 404 for one that is not", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json, status } = yield* call("GET", "/tts-model/?provider=openai_credential")
        assert.strictEqual(status, 200)
        assert.deepStrictEqual(json, { models: [], total: 0 })
        assert.strictEqual((yield* call("GET", "/tts-model?provider=nobody")).status, 404)
      }))

    it.effect("of embeddings carry the fields of the newest version beside ours", () =>
      Effect.gen(function*() {
        const { call } = yield* Host
        const { json } = yield* call("GET", "/embedding-model/?provider=openai_credential")
        assert.isAbove(json.total, 0)
        for (const card of json.models) {
          assert.deepInclude(card, {
            input_types: ["text/plain"],
            output_types: ["application/x-embedding"],
            supported_dimensions: card.dimension_choices,
            context_size: card.max_input_tokens,
            parameter_schema: { type: "object", properties: {} },
            parameters_overrides: {}
          })
        }
      }))
  })

  describe("Lists", () => {
    it.effect("without a limit are whole, up to a thousand", () =>
      Effect.gen(function*() {
        const { agent_id, call, must, user } = yield* settled
        yield* Effect.forEach(Array.from({ length: 1_001 }), () =>
          call("POST", "/sessions", { user, body: { agent_id } }), {
          concurrency: 8,
          discard: true
        })
        const first = yield* must("GET", "/sessions/")
        assert.strictEqual(first.total, 1_002)
        assert.strictEqual(first.sessions.length, 1_000)
        const rest = yield* must("GET", `/sessions/?cursor=${first.next_cursor}`)
        assert.strictEqual(rest.sessions.length, 2)
        assert.isNull(rest.next_cursor)
        const all = [...first.sessions, ...rest.sessions].map(({ id }) =>
          id
        )
        assert.strictEqual(new Set(all).size, 1_002)
      }), 120_000)
  })
})
