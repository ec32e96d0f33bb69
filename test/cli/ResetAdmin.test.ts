import { assert, describe, it } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import { mkdtemp, rename, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { UserId } from "../../src/domain/Ids.ts"
import { Settings } from "../../src/domain/Settings.ts"
import * as Host from "../../src/layers/Host.ts"
import { ApiKeys } from "../../src/services/ApiKeys.ts"
import { freshDatabase } from "../support/Postgres.ts"
import { stoa } from "./Desk.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-reset-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const issue = (user: string, scopes: ReadonlyArray<"read" | "admin">) =>
  Effect.flatMap(ApiKeys, (keys) =>
    Effect.map(
      keys.issue({ user_id: UserId.make(user), name: "", scopes: [...scopes], expires_at: null }),
      ({ key }) => key
    ))

/** Which of the keys are good. */
const verified = (...keys: ReadonlyArray<string>) =>
  Effect.flatMap(ApiKeys, ({ verify }) => Effect.forEach(keys, (key) => Effect.isSuccess(verify(key))))

const resets = (settings: Settings, env: Record<string, string>) =>
  Effect.gen(function*() {
    const on = <A, E>(act: Effect.Effect<A, E, ApiKeys>) => Effect.provide(act, Host.records(settings))
    const words = ["keys", "reset-admin", "--data-dir", settings.data_dir, "--yes"] as const
    const [lost, plain] = yield* on(Effect.all([issue("admin", ["read", "admin"]), issue("ada", ["read"])]))
    const { code, err, out } = yield* stoa({ env }, ...words)
    assert.strictEqual(code, 0, err)
    assert.include(err, "admin keys ended: 1.")
    assert.deepStrictEqual(yield* on(verified(lost!, plain!, out.trim())), [false, true, true])
    return { on, words }
  })

describe("keys reset-admin", () => {
  it.scopedLive(
    "ends the admin keys of a folder that no server holds, issues one, and leaves the others",
    () =>
      Effect.gen(function*() {
        const data_dir = yield* folder
        const { on, words } = yield* resets(Schema.decodeSync(Settings)({ data_dir }), {})
        const held = yield* on(stoa({}, ...words))
        assert.strictEqual(held.code, 1)
        assert.include(held.err, "is in use by another stoa")
        assert.strictEqual(held.out, "")
        yield* Effect.promise(() => rename(join(data_dir, "vault.key"), join(data_dir, "elsewhere.key")))
        const keyless = yield* stoa({}, ...words)
        assert.strictEqual(keyless.code, 1)
        assert.include(keyless.err, join(data_dir, "vault.key"))
      }),
    120_000
  )

  it.scopedLive("works on PostgreSQL, with the vault's key of its servers and no other", () =>
    Effect.gen(function*() {
      const data_dir = yield* folder
      const database_url = yield* Effect.promise(() => freshDatabase())
      const vault_key = Buffer.alloc(32, 7).toString("base64")
      const env = { STOA_DATABASE_URL: database_url, STOA_VAULT_KEY: vault_key }
      const { words } = yield* resets(
        { ...Schema.decodeSync(Settings)({ data_dir, vault_key }), database_url: Redacted.make(database_url) },
        env
      )
      const other = yield* stoa({ env: { ...env, STOA_VAULT_KEY: Buffer.alloc(32, 8).toString("base64") } }, ...words)
      assert.strictEqual(other.code, 1)
      assert.include(other.err, "STOA_VAULT_KEY")
    }), 120_000)

  it.scopedLive("makes no database in a folder that has none", () =>
    Effect.gen(function*() {
      const { code, err } = yield* stoa({}, "keys", "reset-admin", "--data-dir", join(yield* folder, "typo"), "--yes")
      assert.strictEqual(code, 1)
      assert.include(err, "There is no database")
    }))
})
