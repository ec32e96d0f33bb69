import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { type Credential, masked } from "../../src/domain/Credential.ts"
import { NotFound } from "../../src/domain/Errors.ts"
import type { CredentialId, Timestamp, UserId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import * as ModelsRouter from "../../src/layers/Models/Router.ts"
import * as OutboundGuarded from "../../src/layers/Outbound/Guarded.ts"
import * as OutboundOpen from "../../src/layers/Outbound/Open.ts"
import { Models } from "../../src/services/Models.ts"
import type { Outbound } from "../../src/services/Outbound.ts"
import { Storage } from "../../src/services/Storage.ts"
import { type SealedFor, Vault, VaultSealed } from "../../src/services/Vault.ts"

const ada = "ada" as UserId
const time = (n: number) => `2026-01-31T09:30:00.00${n}Z` as Timestamp
const planted = "sk-planted-secret"

const credential = (id: string, type: string, settings: JsonObject = {}, sealed: string | null = null): Credential => ({
  id: id as CredentialId,
  user_id: ada,
  created_at: time(0),
  updated_at: time(0),
  type,
  name: "",
  settings,
  secrets: [],
  sealed
})

const open = (sealed: string, { owner, record }: SealedFor) =>
  `${owner} ${record}|` === sealed.slice(0, sealed.indexOf("|") + 1)

/** Storage with these credentials, and a vault that writes for whom it sealed before the secret. */
const world = (...credentials: ReadonlyArray<Credential>) => worldWith(OutboundOpen.layer, ...credentials)

const worldWith = (outbound: Layer.Layer<Outbound>, ...credentials: ReadonlyArray<Credential>) => {
  const records = new Map(credentials.map((one) => [one.id as string, one]))
  const opened: Array<string> = []
  const storage = Layer.succeed(
    Storage,
    {
      credentials: {
        get: (owner: UserId, id: string) => {
          const record = records.get(id)
          return record?.user_id === owner ? Effect.succeed(record) : Effect.fail(NotFound.of("Credential", id))
        }
      }
    } as unknown as typeof Storage.Service
  )
  const vault = Layer.succeed(
    Vault,
    {
      open: (sealed: string, sealedFor: SealedFor) => {
        opened.push(sealed)
        return open(sealed, sealedFor)
          ? Effect.succeed(sealed.slice(sealed.indexOf("|") + 1))
          : Effect.fail(new VaultSealed({ message: "No." }))
      }
    } as unknown as typeof Vault.Service
  )
  return { records, opened, layer: ModelsRouter.layerDefault.pipe(Layer.provide([storage, vault, outbound])) }
}

const read = (data: JsonObject, kept: ReadonlyArray<string> = []) =>
  Effect.flatMap(Models, (models) => models.readCredential(data, kept)).pipe(Effect.provide(world().layer))

const problems = (data: JsonObject, kept?: ReadonlyArray<string>) =>
  Effect.map(Effect.flip(read(data, kept)), (invalid) => {
    assert.strictEqual(invalid._tag, "Invalid")
    assert.notInclude(JSON.stringify(invalid), planted)
    return (invalid.errors ?? []).map(({ path }) => path)
  })

const compatible = { type: "openai_compatible_credential", base_url: "https://models.test/v1" }

describe("a credential's data", () => {
  it.effect("is divided into name, settings and secrets", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* read({ ...compatible, id: "x", name: " Mine ", api_key: ` ${planted}\n` }), {
        type: "openai_compatible_credential",
        name: "Mine",
        settings: { base_url: "https://models.test/v1" },
        secrets: { api_key: planted }
      })
      assert.deepStrictEqual(yield* read({ type: "demo_credential", name: null }), {
        type: "demo_credential",
        name: "",
        settings: {},
        secrets: {}
      })
    }))

  it.effect("keeps a stored secret when it is left out, empty or masked", () =>
    Effect.gen(function*() {
      for (const api_key of [undefined, null, "", masked]) {
        const fields = yield* read({ ...compatible, ...(api_key !== undefined && { api_key }) }, ["api_key"])
        assert.deepStrictEqual(fields.secrets, {})
      }
    }))

  it.effect("cannot mask a secret that is not stored", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* problems({ ...compatible, api_key: masked }), ["data.api_key"])
    }))

  it.effect("is refused with every wrong field's path, and never with a value", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* problems({}), ["data.type"])
      assert.deepStrictEqual(yield* problems({ type: planted }), ["data.type"])
      assert.deepStrictEqual(yield* problems({ type: "openai_compatible_credential" }), ["data.base_url"])
      assert.deepStrictEqual(
        yield* problems({
          type: "openai_compatible_credential",
          base_url: `https://me:${planted}@models.test/v1`,
          name: 7,
          api_key: `${planted} with blanks`,
          token: planted
        }),
        ["data.name", "data.base_url", "data.api_key", "data.token"]
      )
      assert.deepStrictEqual(yield* problems({ type: "demo_credential", api_key: planted }), ["data.api_key"])
    }))

  it.effect("takes only web addresses as base_url", () =>
    Effect.gen(function*() {
      for (
        const base_url of [
          "models.test",
          "file:///etc/passwd",
          "https://models.test/v1?key=1",
          5,
          `https://${"a".repeat(3000)}`
        ]
      ) {
        assert.deepStrictEqual(yield* problems({ ...compatible, base_url }), ["data.base_url"])
      }
    }))

  it.effect("cannot name an address that the server does not reach out to, as far as it says so itself", () => {
    const { layer } = worldWith(OutboundGuarded.layer({ hosts: ["ollama.internal:11434"], loopback: false }))
    const read = (data: JsonObject) =>
      Effect.flatMap(Models, (models) => models.readCredential(data, [])).pipe(Effect.provide(layer))
    return Effect.gen(function*() {
      for (const host of ["127.1", "169.254.169.254", "[::ffff:10.0.0.1]", "db.internal", "models.test:22"]) {
        const failed = yield* Effect.flip(read({ ...compatible, base_url: `https://${host}/v1` }))
        assert.deepStrictEqual(failed.errors?.map(({ path }) => path), ["data.base_url"], host)
        assert.include(failed.errors?.[0]?.message, "STOA_OUTBOUND_HOSTS")
      }
      yield* read(compatible)
      yield* read({ ...compatible, base_url: "http://ollama.internal:11434/v1" })
    })
  })

  it.effect("is bounded", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* problems({ ...compatible, api_key: "k".repeat(8193) }), ["data.api_key"])
      assert.deepStrictEqual(yield* problems({ ...compatible, name: "n".repeat(257) }), ["data.name"])
      const many = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`f${i}`, i]))
      assert.deepStrictEqual(yield* problems({ ...compatible, ...many }), ["data"])
      assert.strictEqual(
        (yield* problems({ ...compatible, ...Object.fromEntries(Object.entries(many).slice(0, 50)) })).length,
        16
      )
      assert.deepStrictEqual(yield* problems({ ...compatible, ["f".repeat(1000)]: 1 }), [`data.${"f".repeat(64)}`])
    }))
})

describe("credential schemas", () => {
  it.effect("name their type and mark what is secret", () =>
    Effect.gen(function*() {
      const { schemas } = yield* Models
      const [demo, ...others] = schemas as ReadonlyArray<
        {
          readonly title: string
          readonly properties: Readonly<Record<string, JsonObject>>
          readonly required: ReadonlyArray<string>
        }
      >
      const compatible = others.find(({ title }) => title === "OpenAI-compatible")
      assert.strictEqual(demo?.title, "Demo")
      assert.deepStrictEqual(Object.keys(demo ?? {}).toSorted(), [
        "additionalProperties",
        "properties",
        "required",
        "title",
        "type"
      ])
      assert.strictEqual(demo?.properties["type"]?.["const"], "demo_credential")
      assert.deepStrictEqual(compatible?.required, ["type", "base_url"])
      const { api_key } = compatible?.properties ?? {}
      assert.strictEqual(api_key?.["format"], "password")
      assert.strictEqual(api_key?.["writeOnly"], true)
      assert.isUndefined(compatible?.properties["base_url"]?.["writeOnly"])
    }).pipe(Effect.provide(world().layer)))
})

describe("cards", () => {
  it.effect("are those of one type", () =>
    Effect.gen(function*() {
      const models = yield* Models
      assert.strictEqual((yield* models.cards("demo_credential")).length, 2)
      assert.deepStrictEqual(yield* models.cards("openai_compatible_credential"), [])
      assert.strictEqual((yield* Effect.flip(models.cards("x"))).detail, "Provider 'x' not found.")
    }).pipe(Effect.provide(world().layer)))
})

const config = (
  credential_id: string,
  model = "demo-script",
  parameters: JsonObject = {},
  type = "demo_credential"
) => ({
  type,
  credential_id: credential_id as CredentialId,
  model,
  parameters
})

describe("check", () => {
  const { layer } = world(credential("demo", "demo_credential"), credential("odd", "forgotten_credential"))
  const check = (what: ReturnType<typeof config>, owner: UserId = ada) =>
    Effect.flatMap(Models, (models) => models.check(owner, what)).pipe(Effect.provide(layer))

  it.effect("accepts a model that its owner's credential knows", () =>
    check(config("demo", "demo-chat", { delay_ms: 5 })))

  it.effect("does not tell a foreign credential from a missing one", () =>
    Effect.gen(function*() {
      const missing = yield* Effect.flip(check(config("none")))
      const foreign = yield* Effect.flip(check(config("demo"), "eve" as UserId))
      assert.strictEqual(missing.detail, "Credential 'none' not found.")
      assert.strictEqual(foreign.detail, "Credential 'demo' not found.")
    }))

  it.effect("refuses another type, an unknown model and wrong parameters, and names them", () =>
    Effect.gen(function*() {
      const paths = (what: ReturnType<typeof config>) =>
        Effect.map(Effect.flip(check(what)), (failed) => {
          assert.strictEqual(failed._tag, "Invalid")
          return (failed.errors ?? []).map(({ path }) => path)
        })
      const at = (path: string) => [`chat_model_config.${path}`]
      assert.deepStrictEqual(yield* paths(config("demo", "m", {}, "openai_compatible_credential")), at("type"))
      assert.deepStrictEqual(yield* paths(config("odd", "m", {}, "forgotten_credential")), at("type"))
      assert.deepStrictEqual(yield* paths(config("demo", "gpt-7")), at("model"))
      assert.include((yield* Effect.flip(check(config("demo", "gpt-7")))).detail, "demo-chat, demo-script")
      assert.deepStrictEqual(yield* paths(config("demo", "demo-chat", { delay_ms: "5" })), at("parameters.delay_ms"))
      assert.deepStrictEqual(yield* paths(config("demo", "demo-chat", { delay_ms: -1 })), at("parameters.delay_ms"))
      assert.deepStrictEqual(yield* paths(config("demo", "demo-chat", { pace: 5 })), at("parameters.pace"))
      assert.include((yield* Effect.flip(check(config("demo", "demo-chat", { pace: 5 })))).detail, "pace")
    }))
})

describe("check by what is known of a model", () => {
  const own = [
    { type: "chat_model", name: "mine", output_size: 50, output_types: ["text/plain"] },
    { type: "chat_model", name: "gpt-4o", output_size: 10 }
  ]
  const { layer } = world(
    credential("openai", "openai_credential"),
    credential("own", "openai_credential", { models: own }),
    credential("compatible", "openai_compatible_credential", compatible)
  )
  const problems = (id: string, model: string, parameters: JsonObject, type = "openai_credential") =>
    Effect.flatMap(Models, (models) => models.check(ada, config(id, model, parameters, type))).pipe(
      Effect.provide(layer),
      Effect.match({
        onSuccess: () => [],
        onFailure: (failed) => failed._tag === "Invalid" ? (failed.errors ?? []).map(({ path }) => path) : [failed._tag]
      })
    )
  const at = (name: string) => [`chat_model_config.parameters.${name}`]

  it.effect("refuses parameters of thinking for a model that does not think", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* problems("openai", "gpt-4o", { reasoning_effort: "low" }), at("reasoning_effort"))
      assert.deepStrictEqual(yield* problems("openai", "gpt-4o", { thinking_summary: "auto" }), at("thinking_summary"))
      assert.deepStrictEqual(yield* problems("openai", "gpt-5.1", { reasoning_effort: "low" }), [])
    }))

  it.effect("refuses more output than a model can give, and what it takes otherwise", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* problems("openai", "gpt-4o", { max_tokens: 16_384 }), [])
      assert.deepStrictEqual(yield* problems("openai", "gpt-4o", { max_tokens: 16_385 }), at("max_tokens"))
      assert.deepStrictEqual(yield* problems("openai", "gpt-5.1", { temperature: 1 }), at("temperature"))
      assert.deepStrictEqual(yield* problems("openai", "gpt-5.1", { reasoning_effort: "max" }), at("reasoning_effort"))
    }))

  it.effect("goes by the credential's own cards first", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* problems("own", "gpt-4o", { max_tokens: 11 }), at("max_tokens"))
      assert.deepStrictEqual(yield* problems("own", "gpt-4o", { reasoning_effort: "low" }), at("reasoning_effort"))
      assert.deepStrictEqual(yield* problems("own", "mine", { max_tokens: 51 }), at("max_tokens"))
      assert.deepStrictEqual(yield* problems("own", "mine", { max_tokens: 50 }), [])
    }))

  it.effect("lets a model without a card have all that its provider takes", () =>
    Effect.gen(function*() {
      const all = { max_tokens: 5_000_000, reasoning_effort: "low", temperature: 1 }
      assert.deepStrictEqual(yield* problems("openai", "typed-by-hand", all), [])
      assert.deepStrictEqual(yield* problems("compatible", "org/any:1", all, "openai_compatible_credential"), [])
      assert.deepStrictEqual(yield* problems("openai", "typed-by-hand", { temperature: 9 }), at("temperature"))
    }))
})

describe("stream", () => {
  const call = (what: ReturnType<typeof config>) =>
    Effect.flatMap(
      Models,
      (models) =>
        models.stream({ owner: ada, config: what, fallbacks: [], system: "", messages: [], tools: [] }, () => undefined)
    )
  /** Nothing listens there: a call that gets as far fails at the connection. */
  const closed = { base_url: "http://127.0.0.1:1/v1" }
  const unreachable = (id: string) => config(id, "m", {}, "openai_compatible_credential")
  const sealed = (id: string, secrets: JsonObject) => `ada credentials/${id}|${JSON.stringify(secrets)}`

  it.effect("does not ask a model for what is far beyond its context", () => {
    const models = [{ type: "chat_model", name: "demo-script", context_size: 100 }]
    const { layer } = world(credential("small", "demo_credential", { models }), credential("demo", "demo_credential"))
    const say = (id: string, system: string) =>
      Effect.flatMap(
        Models,
        (models) =>
          models.stream({ owner: ada, config: config(id), fallbacks: [], system, messages: [], tools: [] }, () =>
            undefined)
      )
    return Effect.gen(function*() {
      yield* say("small", "x".repeat(800))
      yield* say("demo", "x".repeat(900))
      const failed = yield* Effect.flip(say("small", "x".repeat(900)))
      assert.deepInclude({ ...failed }, { type: "context_length", retryable: false })
      assert.include(failed.message, "about 225 tokens, where it takes 100")
    }).pipe(Effect.provide(layer))
  })

  it.effect("plays the model of a credential without secrets, and never asks the vault", () => {
    const { layer, opened } = world(credential("demo", "demo_credential"))
    return Effect.gen(function*() {
      yield* call(config("demo"))
      assert.deepStrictEqual(opened, [])
    }).pipe(Effect.provide(layer))
  })

  it.live("opens a credential's secrets once, and again after it changed", () => {
    const first = credential("c", "openai_compatible_credential", closed, sealed("c", { api_key: planted }))
    const { layer, opened, records } = world(first)
    return Effect.gen(function*() {
      for (let n = 0; n < 3; n++) assert.strictEqual((yield* Effect.flip(call(unreachable("c")))).type, "connection")
      assert.strictEqual(opened.length, 1)
      records.set("c", { ...first, updated_at: time(1), sealed: sealed("c", { api_key: "other" }) })
      yield* Effect.flip(call(unreachable("c")))
      assert.strictEqual(opened.length, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("says what to do when the credential is gone, sealed for another, or does not fit", () => {
    const { layer } = world(
      credential("stolen", "openai_compatible_credential", closed, sealed("other", { api_key: planted })),
      credential("broken", "openai_compatible_credential", closed, "ada credentials/broken|[]"),
      credential("empty", "openai_compatible_credential"),
      credential("demo", "demo_credential")
    )
    return Effect.gen(function*() {
      for (
        const what of [
          config("gone"),
          unreachable("stolen"),
          unreachable("broken"),
          unreachable("empty"),
          unreachable("demo"),
          config("demo", "gpt-7"),
          config("demo", "demo-chat", { pace: 5 })
        ]
      ) {
        const failed = yield* Effect.flip(call(what))
        assert.strictEqual(failed.type, "setup")
        assert.isFalse(failed.retryable)
        assert.include(failed.message, "PATCH")
        assert.notInclude(JSON.stringify(failed), planted)
      }
    }).pipe(Effect.provide(layer))
  })
})
