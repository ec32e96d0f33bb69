/** Rows of authorizations that two change at the same time. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Host from "../../src/layers/Host.ts"
import * as Rows from "../../src/layers/Mcp/oauth/Rows.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { Storage } from "../../src/services/Storage.ts"
import { freshOwner, mcpServerOf } from "../support/fixtures.ts"

const vault = Layer.orDie(VaultAesGcm.layer({ keys: [Redacted.make(new Uint8Array(32).fill(7))] }))

layer(Layer.merge(Host.memory, vault), { excludeTestServices: true })("An authorization", (it) => {
  it.effect("keeps what somebody else has changed between the look and the writing", () =>
    Effect.gen(function*() {
      const rows = yield* Rows.make
      const { mcpServers } = yield* Storage
      const server = yield* mcpServers.insert(mcpServerOf(freshOwner()))
      const owner = server.user_id
      yield* rows.ensure(owner, server)
      const known = Effect.gen(function*() {
        return yield* rows.open((yield* rows.get(owner, server.id))!)
      })
      let looks = 0
      yield* rows.change(owner, server.id, (before) => {
        // The other one is quicker, the first time.
        if (looks++ === 0) {
          Effect.runSync(rows.change(owner, server.id, (mine) => [{ ...mine, until: 7 }, { state: "begun" }]))
        }
        return [{ ...before, attempt: before.attempt }, { scope: "wide" }]
      })
      assert.strictEqual(looks, 2, "it has looked again")
      assert.strictEqual((yield* known).until, 7)
      assert.deepInclude(yield* rows.get(owner, server.id), { state: "begun", scope: "wide" })
    }))

  it.effect("that others change without end is given up with a sentence, and one that is gone is left alone", () =>
    Effect.gen(function*() {
      const rows = yield* Rows.make
      const { mcpServers } = yield* Storage
      const server = yield* mcpServers.insert(mcpServerOf(freshOwner()))
      const owner = server.user_id
      yield* rows.ensure(owner, server)
      let n = 0
      const failed = yield* Effect.flip(rows.change(owner, server.id, (known) => {
        Effect.runSync(rows.change(owner, server.id, (mine) => [mine, { state: `other-${n++}` }]))
        return [known, { scope: "wide" }]
      }))
      assert.include(failed.message, "changed by others")
      assert.isNull((yield* rows.get(owner, server.id))!.scope)
      yield* rows.remove((yield* rows.get(owner, server.id))!)
      assert.isUndefined(yield* rows.change(owner, server.id, (known) => [known, {}]))
    }))
})
