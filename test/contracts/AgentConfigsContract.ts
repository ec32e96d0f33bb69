/** What configurations of personal agents promise, over any storage. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { type AgentDefinition, AgentFrontMatter, type DefinitionId } from "../../src/domain/Definition.ts"
import type { UserId } from "../../src/domain/Ids.ts"
import type { JsonObject } from "../../src/domain/Json.ts"
import * as AgentConfigsStored from "../../src/layers/AgentConfigs/Stored.ts"
import type * as Host from "../../src/layers/Host.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { AgentConfigs } from "../../src/services/AgentConfigs.ts"
import { Storage } from "../../src/services/Storage.ts"
import { agentOf, freshOwner } from "../support/fixtures.ts"
import { patience } from "../support/Patience.ts"

const front = Schema.decodeSync(AgentFrontMatter)

const definitionOf = (setup_schema: JsonObject): AgentDefinition => ({
  id: "ada" as DefinitionId,
  front: front({ scope: "personal", setup_schema }),
  layers: { shared: [], own: ["You are Ada."], reference: [], memory: { all: "", of: new Map() } }
})

const definition = definitionOf({
  type: "object",
  required: ["city", "api_key"],
  properties: {
    city: { type: "string", minLength: 1 },
    api_key: { type: "string", sensitive: true },
    login: { type: "object", properties: { user: { type: "string" }, password: { $ref: "#/$defs/secret" } } }
  },
  $defs: { secret: { type: "string", sensitive: true } }
})

const agentIn = Effect.fnUntraced(function*(owner: UserId) {
  const { agents } = yield* Storage
  return { agent: yield* agents.insert(agentOf(owner, { definition: "ada" })), definition }
}, Effect.orDie)

const given = { instructions: "Be short.", city: "Kiel", api_key: "a-secret-key" }

export const agentConfigsContract = <E>(name: string, memories: Layer.Layer<Host.Memories, E>): void =>
  layer(
    AgentConfigsStored.layer.pipe(
      Layer.provideMerge(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] })),
      Layer.provideMerge(memories)
    ),
    { timeout: patience(120_000), excludeTestServices: true }
  )(`Configurations of personal agents: ${name}`, (it) => {
    it.effect("keeps what a user tells it, seals the secrets, and gives both to those who run the agent", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const personal = yield* agentIn(owner)
        assert.isFalse(yield* configs.isComplete(owner, personal))
        assert.isUndefined(yield* configs.open(owner, personal))
        const login = { user: "ada", password: "another-secret" }
        const config = yield* configs.put(owner, personal, { ...given, login })
        assert.deepInclude(config, { values: { city: "Kiel" }, secrets: ["api_key", "login"] })
        const stored = yield* (yield* Storage).agentConfigs.get(owner, personal.agent.id)
        for (const secret of ["a-secret-key", "another-secret"]) assert.notInclude(JSON.stringify(stored), secret)
        assert.deepStrictEqual(yield* configs.open(owner, personal), {
          instructions: "Be short.",
          values: { city: "Kiel" },
          secrets: { api_key: "a-secret-key", login }
        })
        assert.isTrue(yield* configs.isComplete(owner, personal))
      }))

    it.effect("refuses what is missing, wrong or not asked for, and what is there stays", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const personal = yield* agentIn(owner)
        yield* configs.put(owner, personal, given)
        const refused = [
          { city: "Kiel" },
          { ...given, city: 7 },
          { ...given, apikey: "a-secret-key" },
          { ...given, instructions: 7 },
          { ...given, instructions: "x".repeat(5_000) },
          { ...given, city: "x".repeat(70_000) },
          JSON.parse("{\"__proto__\":{\"city\":\"Kiel\",\"api_key\":\"k\"}}")
        ]
        for (const body of refused) {
          const error = yield* Effect.flip(configs.put(owner, personal, body))
          assert.deepInclude(error, { _tag: "Invalid", code: "validation_failed" })
          assert.notInclude(JSON.stringify(error), "a-secret-key")
        }
        assert.deepInclude(yield* configs.open(owner, personal), { instructions: "Be short." })
      }))

    it.effect("keeps a secret that is given as it is shown, and takes the others' places", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const personal = yield* agentIn(owner)
        const early = yield* Effect.flip(configs.put(owner, personal, { city: "Kiel", api_key: "***" }))
        assert.strictEqual(early._tag, "Invalid")
        yield* configs.put(owner, personal, given)
        yield* configs.put(owner, personal, { city: "Bonn", api_key: "***" })
        assert.deepStrictEqual(yield* configs.open(owner, personal), {
          instructions: "",
          values: { city: "Bonn" },
          secrets: { api_key: "a-secret-key" }
        })
      }))

    it.effect("hides it from other users, and is gone when it is removed, or its agent is", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const other = freshOwner()
        const personal = yield* agentIn(owner)
        yield* configs.put(owner, personal, given)
        assert.strictEqual((yield* Effect.flip(configs.get(other, personal.agent))).code, "config_not_found")
        assert.strictEqual((yield* Effect.flip(configs.remove(other, personal.agent))).code, "config_not_found")
        assert.isUndefined(yield* configs.open(other, personal))
        // Nobody can make one of somebody else's agent, or replace it.
        yield* Effect.exit(configs.put(other, personal, { ...given, city: "Bonn" }))
        assert.deepInclude((yield* configs.open(owner, personal))?.values, { city: "Kiel" })
        yield* configs.remove(owner, personal.agent)
        assert.strictEqual((yield* Effect.flip(configs.get(owner, personal.agent))).code, "config_not_found")
        yield* configs.put(owner, personal, given)
        yield* (yield* Storage).agents.remove(owner, personal.agent.id)
        assert.strictEqual((yield* Effect.flip(configs.get(owner, personal.agent))).code, "config_not_found")
      }))

    it.effect("asks again when the operator asks for more, and keeps from the model what has become secret", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const personal = yield* agentIn(owner)
        yield* configs.put(owner, personal, given)
        const properties = { city: { type: "string", sensitive: true }, api_key: { type: "string" } }
        const changed = { ...personal, definition: definitionOf({ type: "object", required: ["city"], properties }) }
        assert.deepStrictEqual(yield* configs.open(owner, changed), {
          instructions: "Be short.",
          values: {},
          secrets: { city: "Kiel", api_key: "a-secret-key" }
        })
        const more = {
          type: "object",
          required: ["city", "zip"],
          properties: { ...properties, zip: { type: "string" } }
        }
        assert.isUndefined(yield* configs.open(owner, { ...personal, definition: definitionOf(more) }))
      }))

    it.effect("lets one of many that are told at once hold", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const personal = yield* agentIn(owner)
        const cities = ["Kiel", "Bonn", "Ulm"]
        yield* Effect.forEach(cities, (city) => configs.put(owner, personal, { ...given, city }), {
          concurrency: "unbounded"
        })
        assert.include(cities, (yield* configs.open(owner, personal))?.values["city"])
      }))

    it.effect("ends a check that a careless pattern would make endless", () =>
      Effect.gen(function*() {
        const configs = yield* AgentConfigs
        const owner = freshOwner()
        const { agent } = yield* agentIn(owner)
        const slow = definitionOf({ type: "object", properties: { city: { type: "string", pattern: "^(a+)+$" } } })
        const body = { city: `${"a".repeat(64)}!` }
        const error = yield* Effect.flip(configs.put(owner, { agent, definition: slow }, body))
        assert.strictEqual(error._tag, "Invalid")
      }))
  })
