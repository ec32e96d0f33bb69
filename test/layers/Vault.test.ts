import { assert, describe, it } from "@effect/vitest"
import { Array, Clock, Effect, Exit, type Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Timers from "node:timers/promises"
import { UserId } from "../../src/domain/Ids.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { type VaultKeys, VaultKeyUnusable } from "../../src/layers/Vault/Key.ts"
import { Vault } from "../../src/services/Vault.ts"

const key = (bytes = 32) => Redacted.make(new Uint8Array(randomBytes(bytes)))
const [one, two] = [key(), key()]
const ada = { owner: UserId.make("ada"), record: "credentials/1" }

const withKeys = (...keys: VaultKeys) => VaultAesGcm.make({ keys })
const from = <E>(layer: Layer.Layer<Vault, E>) => Effect.provide(Vault, layer)

const folder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "stoa-vault-"))),
  (path) => Effect.promise(() => Fs.rm(path, { recursive: true, force: true }))
)

describe("Vault AesGcm", () => {
  it.effect("opens what it sealed, whatever the text", () =>
    Effect.gen(function*() {
      const vault = yield* withKeys(one)
      for (const secret of ["", "sk-123", "ключ 🗝", "x".repeat(100_000)]) {
        assert.strictEqual(yield* vault.open(yield* vault.seal(secret, ada), ada), secret)
      }
    }))

  it.effect("never seals the same text the same way, and shows none of it", () =>
    Effect.gen(function*() {
      const vault = yield* withKeys(one)
      const [a, b] = [yield* vault.seal("sk-123", ada), yield* vault.seal("sk-123", ada)]
      assert.notStrictEqual(a, b)
      assert.match(a, /^v1\.[\w-]{8}\.[\w-]{16}\.[\w-]+$/)
      assert.notInclude(Buffer.from(a.split(".")[3]!, "base64url").toString("latin1"), "sk-123")
    }))

  it.effect("does not open a secret for another owner or record", () =>
    Effect.gen(function*() {
      const vault = yield* withKeys(one)
      const sealed = yield* vault.seal("sk-123", ada)
      const others = [
        { ...ada, owner: UserId.make("bob") },
        { ...ada, record: "credentials/2" },
        { owner: UserId.make("a"), record: "dacredentials/1" }
      ]
      for (const other of others) {
        const error = yield* Effect.flip(vault.open(sealed, other))
        assert.strictEqual(error._tag, "VaultSealed")
        assert.notInclude(error.message, "sk-123")
      }
    }))

  it.effect("does not open a sealed text in which any character was changed, added or lost", () =>
    Effect.gen(function*() {
      const vault = yield* withKeys(one)
      const sealed = yield* vault.seal("sk-123", ada)
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      const bent = [...sealed].flatMap((old, i) =>
        [...alphabet].filter((char) => char !== old).map((char) => sealed.slice(0, i) + char + sealed.slice(i + 1))
      )
      for (
        const text of [...bent, `${sealed}A`, `${sealed}=`, sealed.slice(1), sealed.slice(0, -1), "", "v1...", "sk-123"]
      ) {
        assert.isTrue(Exit.isFailure(yield* Effect.exit(vault.open(text, ada))), text)
      }
    }))

  it.effect("seals with the first key and opens with all of them", () =>
    Effect.gen(function*() {
      const old = yield* withKeys(one)
      const rotated = yield* withKeys(two, one)
      const gone = yield* withKeys(two)
      const sealedBefore = yield* old.seal("before", ada)
      assert.strictEqual(yield* rotated.open(sealedBefore, ada), "before")
      assert.strictEqual(yield* gone.open(yield* rotated.seal("after", ada), ada), "after")
      assert.strictEqual((yield* Effect.flip(gone.open(sealedBefore, ada)))._tag, "VaultSealed")
    }))

  it.effect("keeps its keyed hashes when a new key is put in front", () =>
    Effect.gen(function*() {
      const [old, rotated, other] = [yield* withKeys(one), yield* withKeys(two, one), yield* withKeys(two)]
      assert.strictEqual(old.mac("text"), rotated.mac("text"))
      assert.notStrictEqual(old.mac("text"), other.mac("text"))
      assert.notStrictEqual(old.mac("text"), old.mac("text2"))
      assert.match(old.mac("text"), /^[\w-]{43}$/)
    }))

  it.effect("refuses a key of another length", () =>
    Effect.gen(function*() {
      for (const bytes of [0, 16, 31, 33]) {
        assert.instanceOf(yield* Effect.flip(withKeys(one, key(bytes))), VaultKeyUnusable)
      }
    }))
})

describe("Vault key from a setting", () => {
  const bytes = randomBytes(32)

  it.effect("reads base64, base64url and hex as the same key", () =>
    Effect.gen(function*() {
      const sealed = yield* Effect.flatMap(withKeys(Redacted.make(new Uint8Array(bytes))), (vault) =>
        vault.seal("x", ada))
      const spellings = ["base64", "base64url", "hex"] as const
      for (
        const text of [
          ...spellings.map((spelling) =>
            bytes.toString(spelling)
          ),
          ` ${bytes.toString("hex").toUpperCase()} \n`
        ]
      ) {
        const vault = yield* from(VaultAesGcm.layerKey(Redacted.make(text)))
        assert.strictEqual(yield* vault.open(sealed, ada), "x")
      }
    }))

  it.effect("reads several keys, newest first", () =>
    Effect.gen(function*() {
      const newer = randomBytes(32).toString("base64")
      const old = yield* from(VaultAesGcm.layerKey(Redacted.make(bytes.toString("hex"))))
      const rotated = yield* from(VaultAesGcm.layerKey(Redacted.make(`${newer}, ${bytes.toString("hex")}`)))
      assert.strictEqual(yield* rotated.open(yield* old.seal("x", ada), ada), "x")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(old.open(yield* rotated.seal("x", ada), ada))))
    }))

  it.effect("names the variable and never the value when a key is bad", () =>
    Effect.gen(function*() {
      const good = bytes.toString("base64")
      for (
        const bad of [
          "",
          ",",
          "hunter2hunter2",
          bytes.subarray(1).toString("base64"),
          `${good},hunter2hunter2`,
          `${good}AA`
        ]
      ) {
        const error = yield* Effect.flip(from(VaultAesGcm.layerKey(Redacted.make(bad))))
        assert.include(error.message, "STOA_VAULT_KEY")
        assert.notInclude(JSON.stringify(error) + error.message + String(error), "hunter2")
        assert.notInclude(error.message, good)
      }
    }))
})

describe("Vault key file", () => {
  it.scoped("is made once, for its owner only, and read again by the next start", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* folder, "new", "vault.key")
      const first = yield* from(VaultAesGcm.layerFile(path))
      const text = yield* Effect.promise(() => Fs.readFile(path, "utf8"))
      const { mode } = yield* Effect.promise(() => Fs.stat(path))
      assert.strictEqual(mode & 0o777, 0o600)
      assert.match(text, /^[\w+/]{43}=\n$/)
      const second = yield* from(VaultAesGcm.layerFile(path))
      assert.strictEqual(yield* second.open(yield* first.seal("x", ada), ada), "x")
      assert.strictEqual(yield* Effect.promise(() => Fs.readFile(path, "utf8")), text)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(Path.dirname(path))), ["vault.key"])
    }))

  it.scoped("gives one key to all who start at the same moment", () =>
    Effect.gen(function*() {
      const there = yield* folder
      for (let round = 0; round < 20; round++) {
        const path = Path.join(there, String(round), "vault.key")
        const start = (i: number) =>
          Effect.zipRight(Effect.promise(() => Timers.setTimeout(i)), from(VaultAesGcm.layerFile(path)))
        const vaults = yield* Effect.all(Array.makeBy(8, start), { concurrency: "unbounded" })
        assert.strictEqual(new Set(vaults.map((vault) => vault.mac("x"))).size, 1)
        assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(Path.dirname(path))), ["vault.key"])
      }
    }))

  it.scoped("is refused and left alone when it is bad, with a sentence that names it", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* folder, "vault.key")
      for (
        const bad of ["", "\n", "hunter2", randomBytes(31).toString("base64"), randomBytes(40_000).toString("hex")]
      ) {
        yield* Effect.promise(() => Fs.writeFile(path, bad, { mode: 0o600 }))
        const error = yield* Effect.flip(from(VaultAesGcm.layerFile(path)))
        assert.strictEqual(error._tag, "VaultKeyUnusable")
        assert.include(error.message, path)
        assert.notInclude(error.message, "hunter2")
        assert.strictEqual(yield* Effect.promise(() => Fs.readFile(path, "utf8")), bad)
      }
    }))

  it.scoped("is refused when others may read it", () =>
    Effect.gen(function*() {
      const path = Path.join(yield* folder, "vault.key")
      yield* from(VaultAesGcm.layerFile(path))
      yield* Effect.promise(() => Fs.chmod(path, 0o640))
      const error = yield* Effect.flip(from(VaultAesGcm.layerFile(path)))
      assert.include(error.message, `chmod 600 ${path}`)
      assert.include(error.message, "0640")
    }))

  it.scoped("is refused when it is a folder, a dangling link or in a place where nothing can be", () =>
    Effect.gen(function*() {
      const there = yield* folder
      yield* Effect.promise(() => Fs.mkdir(Path.join(there, "folder")))
      yield* Effect.promise(() => Fs.symlink(Path.join(there, "nowhere"), Path.join(there, "link")))
      yield* Effect.promise(() => Fs.writeFile(Path.join(there, "file"), ""))
      for (const name of ["folder", "link", "file/vault.key"]) {
        const path = Path.join(there, name)
        assert.include((yield* Effect.flip(from(VaultAesGcm.layerFile(path)))).message, path)
      }
      assert.deepStrictEqual((yield* Effect.promise(() => Fs.readdir(there))).toSorted(), ["file", "folder", "link"])
    }))
})

describe("Vault keys that are changed while serving", () => {
  const there = Effect.gen(function*() {
    const path = Path.join(yield* folder, "vault.key")
    const open = from(VaultAesGcm.layerFile(path, { grace: 0 }))
    return { path, open, text: Effect.promise(() => Fs.readFile(path, "utf8")) }
  })

  it.scoped("are put in front in the file, whole and for its owner only, and the hashes stay", () =>
    Effect.gen(function*() {
      const { open, path, text } = yield* there
      const vault = yield* open
      const before = yield* text
      const [sealed, mac] = [yield* vault.seal("x", ada), vault.mac("x")]
      yield* vault.rotate
      assert.isTrue((yield* text).endsWith(before))
      assert.match(yield* text, /^([\w+/]{43}=\n){2}$/)
      assert.strictEqual((yield* Effect.promise(() => Fs.stat(path))).mode & 0o777, 0o600)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(Path.dirname(path))), ["vault.key"])
      const again = yield* vault.seal("x", ada)
      assert.notStrictEqual(vault.sealedWith(again), vault.sealedWith(sealed))
      const { ids, lastHashes, source } = yield* vault.keys
      assert.deepStrictEqual<ReadonlyArray<unknown>>(ids, [vault.sealedWith(again), vault.sealedWith(sealed)])
      assert.deepStrictEqual([lastHashes, source], [true, "file"])
      assert.deepStrictEqual([vault.mac("x"), yield* vault.open(sealed, ada)], [mac, "x"])
    }))

  it.scoped("are seen by another process: it opens what the new key sealed, and seals with it", () =>
    Effect.gen(function*() {
      const { open } = yield* there
      const [one, other] = [yield* open, yield* open]
      yield* one.rotate
      const sealed = yield* one.seal("x", ada)
      assert.strictEqual(yield* other.open(sealed, ada), "x")
      yield* one.rotate
      assert.strictEqual(other.sealedWith(yield* other.seal("y", ada)), (yield* one.keys).ids[0])
      assert.strictEqual((yield* other.keys).ids.length, 3)
    }))

  it.scoped("are all there after many processes put one in front at once", () =>
    Effect.gen(function*() {
      const { open } = yield* there
      const vaults = yield* Effect.all(Array.makeBy(6, () => open))
      const rotate = (vault: (typeof vaults)[number]) =>
        Effect.flatMap(Effect.exit(vault.rotate), (exit) =>
          Effect.map(vault.seal("x", ada), (sealed) => ({ sealed, done: Exit.isSuccess(exit) })))
      const all = yield* Effect.forEach(vaults, rotate, { concurrency: "unbounded" })
      const { ids } = yield* (yield* open).keys
      assert.strictEqual(
        ids.length,
        1 + all.filter(({ done }) =>
          done
        ).length
      )
      for (const vault of [...vaults, yield* open]) {
        for (const { sealed } of all) assert.strictEqual(yield* vault.open(sealed, ada), "x")
      }
    }))

  it.scoped("are forgotten one by one, and API keys are still recognised when the last of them has gone", () =>
    Effect.gen(function*() {
      const { open, text } = yield* there
      const vault = yield* open
      const [sealed, mac] = [yield* vault.seal("x", ada), vault.mac("x")]
      yield* vault.rotate
      const [newest, first] = (yield* vault.keys).ids
      yield* vault.retire([newest!])
      assert.strictEqual((yield* vault.keys).ids.length, 2)
      yield* vault.retire([first!])
      assert.match(yield* text, /^[\w+/]{43}=\nhash:[\w+/]{43}=\n$/)
      for (const one of [vault, yield* open]) {
        assert.strictEqual(one.mac("x"), mac)
        assert.deepStrictEqual(yield* one.keys, { ids: [newest!], lastHashes: false, source: "file" })
        assert.strictEqual((yield* Effect.flip(one.open(sealed, ada)))._tag, "VaultSealed")
      }
      yield* vault.rotate
      yield* vault.retire([newest!])
      assert.strictEqual((yield* open).mac("x"), mac)
    }))

  it.scoped("stay for a minute, because another process may still be writing what it sealed", () =>
    Effect.gen(function*() {
      const { path } = yield* there
      const vault = yield* from(VaultAesGcm.layerFile(path))
      yield* vault.rotate
      const refused = yield* Effect.flip(vault.retire((yield* vault.keys).ids.slice(1)))
      assert.include(refused.message, "a minute")
      assert.strictEqual((yield* vault.keys).ids.length, 2)
    }))

  it.scoped("go on working from memory while the file is bad, and it is left alone", () =>
    Effect.gen(function*() {
      const { open, path, text } = yield* there
      const vault = yield* open
      yield* Effect.promise(() => Fs.writeFile(path, "hunter2"))
      assert.strictEqual(yield* vault.open(yield* vault.seal("x", ada), ada), "x")
      assert.include((yield* Effect.flip(vault.rotate)).message, path)
      assert.strictEqual(yield* text, "hunter2")
    }))

  it.scoped("cannot be changed while another process does so; a lock that was left behind is no obstacle", () =>
    Effect.gen(function*() {
      const { open, path } = yield* there
      const vault = yield* open
      yield* Effect.promise(() => Fs.writeFile(`${path}.lock`, ""))
      const now = (at: number) => Effect.withClock({ ...Clock.make(), currentTimeMillis: Effect.succeed(at) })
      const refused = yield* Effect.flip(vault.rotate.pipe(now(Date.now())))
      assert.include(refused.message, `${path}.lock`)
      yield* vault.rotate.pipe(now(Date.now() + 60_000))
      assert.strictEqual((yield* vault.keys).ids.length, 2)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(Path.dirname(path))), ["vault.key"])
    }))

  it.effect("are an operator's when they come from a setting, with a sentence that says what to do", () =>
    Effect.gen(function*() {
      const vault = yield* withKeys(two, one)
      for (const change of [vault.rotate, vault.retire([])]) {
        assert.include((yield* Effect.flip(change)).message, "STOA_VAULT_KEY")
      }
      assert.deepInclude(yield* vault.keys, { lastHashes: true, source: "settings" })
    }))
})
