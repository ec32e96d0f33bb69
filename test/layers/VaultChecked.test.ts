import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import { CredentialId, UserId } from "../../src/domain/Ids.ts"
import * as Host from "../../src/layers/Host.ts"
import * as VaultChecked from "../../src/layers/Vault/Checked.ts"
import { KeyCheck, type NeedsKey } from "../../src/services/KeyCheck.ts"
import { timestampOf } from "../../src/services/Now.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Vault } from "../../src/services/Vault.ts"
import { freshDatabase } from "../support/Postgres.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "stoa-vault-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

/** Storage that was written by somebody before. */
const stored = (kept: string | undefined, needs: NeedsKey) => {
  const state = { kept }
  const service = KeyCheck.of({
    kept: Effect.sync(() => state.kept),
    keep: (value, before) =>
      Effect.sync(() => {
        if (state.kept !== before) return false
        state.kept = value
        return true
      }),
    needs: Effect.succeed(needs)
  })
  const open = (source: VaultChecked.Source, acceptNew = false) =>
    Effect.map(Layer.build(VaultChecked.layer({ source, acceptNew })), Context.get(Vault)).pipe(
      Effect.provideService(KeyCheck, service)
    )
  return { open, state }
}

const nothing: NeedsKey = { sealed: undefined, hasApiKeys: false }
const keys: NeedsKey = { sealed: undefined, hasApiKeys: true }
const key = () => ({ key: Redacted.make(randomBytes(32).toString("base64")) })
const isFile = (path: string) => Effect.promise(() => Fs.stat(path).then(() => true, () => false))

describe("A vault and the storage beside it", () => {
  it.scoped("begin together: the first start makes the key file, and later ones find it right", () =>
    Effect.gen(function*() {
      const file = Path.join(yield* folder, "vault.key")
      const { open, state } = stored(undefined, nothing)
      const first = yield* open({ file })
      assert.strictEqual(state.kept, VaultChecked.checkValueOf(first))
      const again = stored(state.kept, keys)
      assert.strictEqual((yield* again.open({ file })).mac("x"), first.mac("x"))
    }))

  it.scoped("never get a fresh key while something needs the old one: the missing file is named, and not made", () =>
    Effect.gen(function*() {
      const file = Path.join(yield* folder, "vault.key")
      for (
        const { open } of [
          stored("of another key", keys),
          stored(undefined, keys),
          stored(undefined, { sealed: "v1.AAAAAAAA.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAA", hasApiKeys: false })
        ]
      ) {
        const { message } = yield* Effect.flip(open({ file }))
        assert.include(message, file)
        assert.include(message, "is missing")
        assert.include(message, "--accept-new-vault-key")
        assert.isFalse(yield* isFile(file))
      }
    }))

  it.scoped("notice another key, from a file as from the settings", () =>
    Effect.gen(function*() {
      const file = Path.join(yield* folder, "vault.key")
      yield* stored(undefined, nothing).open({ file })
      const { open } = stored("of another key", keys)
      assert.include((yield* Effect.flip(open({ file }))).message, file)
      assert.include((yield* Effect.flip(open(key()))).message, "STOA_VAULT_KEY")
    }))

  it.scoped("tell by what is sealed, where no check value was kept yet", () =>
    Effect.gen(function*() {
      const [one, two] = [key(), key()]
      const vault = yield* stored(undefined, nothing).open(one)
      const sealed = yield* vault.seal("secret", { owner: UserId.make("ada"), record: "credentials/1" })
      const needs = { sealed, hasApiKeys: true }
      yield* stored(undefined, needs).open(one)
      assert.include((yield* Effect.flip(stored(undefined, needs).open(two))).message, "secrets and API keys")
    }))

  it.scoped("go on with another key when that was asked for, and find it right from then on", () =>
    Effect.gen(function*() {
      const file = Path.join(yield* folder, "vault.key")
      const { open, state } = stored("of another key", keys)
      const vault = yield* open({ file }, true)
      assert.strictEqual(state.kept, VaultChecked.checkValueOf(vault))
      yield* open({ file })
    }))

  it.scoped("take another key without a word when nothing needs the old one", () =>
    stored("of another key", nothing).open(key()))

  it.scoped("stay together when the key is rotated and the old one retired", () =>
    Effect.gen(function*() {
      const file = Path.join(yield* folder, "vault.key")
      const { open, state } = stored(undefined, keys)
      yield* Effect.flip(open({ file }))
      const vault = yield* open({ file }, true)
      const before = state.kept
      yield* vault.rotate
      assert.strictEqual(VaultChecked.checkValueOf(yield* open({ file })), before)
    }))

  it.scoped("a bad key is told by looking at it alone, and looking makes nothing", () =>
    Effect.gen(function*() {
      const file = Path.join(yield* folder, "vault.key")
      yield* VaultChecked.examine({ file })
      assert.isFalse(yield* isFile(file))
      yield* Effect.promise(() => Fs.writeFile(file, "no key\n", { mode: 0o600 }))
      assert.include((yield* Effect.flip(VaultChecked.examine({ file }))).message, file)
      const error = yield* Effect.flip(VaultChecked.examine({ key: Redacted.make("short") }))
      assert.include(error.message, "STOA_VAULT_KEY")
    }))
})

const sqlSuite = <E>(name: string, storage: Layer.Layer<Host.Memories | KeyCheck, E>) =>
  layer(storage, { timeout: "60 seconds", excludeTestServices: true })(`The key check in ${name}`, (it) => {
    it.effect("keeps one value, and says what needs the key", () =>
      Effect.gen(function*() {
        const check = yield* KeyCheck
        const { credentials, keys } = yield* Storage
        const at = timestampOf(0)
        assert.isUndefined(yield* check.kept)
        assert.deepStrictEqual(yield* check.needs, nothing)
        assert.isTrue(yield* check.keep("one", undefined))
        assert.isFalse(yield* check.keep("two", undefined))
        assert.isFalse(yield* check.keep("two", "other"))
        assert.strictEqual(yield* check.kept, "one")
        assert.isTrue(yield* check.keep("two", "one"))
        assert.strictEqual(yield* check.kept, "two")
        const credential = (id: string, sealed: string | null) => ({
          id: CredentialId.make(id),
          user_id: UserId.make("ada"),
          created_at: at,
          updated_at: at,
          type: "demo_credential",
          name: "",
          settings: {},
          secrets: [],
          sealed
        })
        yield* credentials.insert(credential("plain", null))
        assert.deepStrictEqual(yield* check.needs, nothing)
        const sealed = "v1.AAAAAAAA.AAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAA"
        yield* credentials.insert(credential("sealed", sealed))
        assert.deepStrictEqual(yield* check.needs, { sealed, hasApiKeys: false })
        assert.strictEqual((yield* keys.host.list({ limit: 1, cursor: undefined })).total, 0)
      }))
  })

sqlSuite("PGlite", Host.pglite({ dataDir: undefined }))
sqlSuite(
  "PostgreSQL",
  Layer.unwrapEffect(
    Effect.map(Effect.promise(() => freshDatabase()), (url) => Host.postgres({ url: Redacted.make(url) }))
  )
)
