import { assert, describe, it } from "@effect/vitest"
import { Array, Context, Effect, Exit, Layer, Redacted, Scope } from "effect"
import { randomBytes } from "node:crypto"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Claim } from "../../src/domain/Claim.ts"
import type { Credential } from "../../src/domain/Credential.ts"
import * as Host from "../../src/layers/Host.ts"
import * as RotationStored from "../../src/layers/Rotation/Stored.ts"
import * as VaultAesGcm from "../../src/layers/Vault/AesGcm.ts"
import { Rotation } from "../../src/services/Rotation.ts"
import { Storage } from "../../src/services/Storage.ts"
import { Vault } from "../../src/services/Vault.ts"
import { credentialOf, freshId, freshOwner, later, mcpServerOf, time } from "../support/fixtures.ts"

const storage = Layer.build(Host.memory)

const keyFile = Effect.map(
  Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "stoa-rotation-"))),
    (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
  ),
  (folder) => join(folder, "vault.key")
)

/** A process over this storage, with this vault. `end` is sudden. */
const over = Effect.fnUntraced(function*<E>(memory: Context.Context<Host.Memories>, vault: Layer.Layer<Vault, E>) {
  const scope = yield* Scope.make()
  const layer = RotationStored.layer.pipe(Layer.provideMerge(Layer.merge(Layer.succeedContext(memory), vault)))
  const context = yield* Layer.buildWithScope(layer, scope)
  yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
  const rotation = Context.get(context, Rotation)
  const ended = rotation.status.pipe(
    Effect.delay("5 millis"),
    Effect.repeat({ until: ({ rotation }) => rotation?.state !== "running" })
  )
  return {
    ...rotation,
    vault: Context.get(context, Vault),
    credentials: Context.get(context, Storage).credentials,
    claims: Context.get(context, Storage).claims,
    mcpServers: Context.get(context, Storage).mcpServers,
    rotated: Effect.zipRight(rotation.rotate, ended),
    ended,
    end: Scope.close(scope, Exit.void)
  }
})

type Process = Effect.Effect.Success<ReturnType<typeof over>>

const file = (path: string) => VaultAesGcm.layerFile(path, { grace: 0 })

const sealedFor = ({ id, user_id }: Credential) => ({ owner: user_id, record: `credentials/${id}` })

/** Credentials of many owners, with the secret `secret of <id>`, and one without any. */
const fill = Effect.fnUntraced(function*({ credentials, vault }: Process, count: number) {
  yield* Effect.orDie(credentials.insert(credentialOf(freshOwner())))
  return yield* Effect.forEach(
    Array.makeBy(count, () => credentialOf(freshOwner())),
    (bare) =>
      Effect.flatMap(
        vault.seal(`secret of ${bare.id}`, sealedFor(bare)),
        (sealed) => Effect.orDie(credentials.insert({ ...bare, secrets: ["api_key"], sealed }))
      )
  )
})

const opened = Effect.fnUntraced(function*({ credentials, vault }: Process, made: ReadonlyArray<Credential>) {
  for (const { id } of made) {
    const now = yield* credentials.host.get(id)
    assert.strictEqual(yield* vault.open(now.sealed!, sealedFor(now)), `secret of ${id}`)
    assert.strictEqual(now.updated_at, time)
  }
})

describe("A rotation", () => {
  it.scopedLive("seals the secrets of MCP servers again, too", () =>
    Effect.gen(function*() {
      const process = yield* over(yield* storage, file(yield* keyFile))
      const bare = mcpServerOf(freshOwner())
      const sealedFor = { owner: bare.user_id, record: `mcp_servers/${bare.id}` }
      const sealed = yield* process.vault.seal("a header", sealedFor)
      yield* Effect.orDie(process.mcpServers.insert({ ...bare, sealed }))
      yield* process.rotated
      const now = yield* process.mcpServers.host.get(bare.id)
      assert.notStrictEqual(now.sealed, sealed)
      assert.strictEqual(process.vault.sealedWith(now.sealed!), (yield* process.vault.keys).ids[0])
      assert.strictEqual(yield* process.vault.open(now.sealed!, sealedFor), "a header")
    }))

  it.scopedLive("puts a fresh key in front, seals everything with it, and lets the old one be forgotten", () =>
    Effect.gen(function*() {
      const path = yield* keyFile
      const process = yield* over(yield* storage, file(path))
      const made = yield* fill(process, 250)
      const claim: Claim = {
        id: freshId(),
        user_id: freshOwner(),
        created_at: time,
        updated_at: time,
        digest: "d",
        answer: "",
        is_sealed: true
      }
      const claimFor = { owner: claim.user_id, record: `claims/${claim.id}` }
      yield* process.claims.insert({ ...claim, answer: yield* process.vault.seal("an issued key", claimFor) })
      assert.strictEqual((yield* process.retire).keys.length, 1)
      const { keys, rotation, unreadable } = yield* process.rotated
      assert.deepInclude(rotation, {
        state: "done",
        fresh_key: true,
        total: 251,
        checked: 251,
        resealed: 251,
        unreadable: 0
      })
      assert.deepStrictEqual(keys.map(({ hashes, seals, secrets }) => [seals, hashes, secrets]), [
        [true, false, 251],
        [false, true, 0]
      ])
      assert.strictEqual(unreadable, 0)
      yield* opened(process, made)
      const left = yield* process.retire
      assert.deepStrictEqual(left.keys.map(({ hashes, secrets, seals }) => [seals, hashes, secrets]), [[
        true,
        false,
        251
      ]])
      yield* opened(process, made)
      const kept = yield* process.claims.host.get(claim.id)
      assert.strictEqual(yield* process.vault.open(kept.answer, claimFor), "an issued key")
    }))

  it.scopedLive("that was cut off goes on where it was, with the key that it had made", () =>
    Effect.gen(function*() {
      const [path, memory] = [yield* keyFile, yield* storage]
      const first = yield* over(memory, file(path))
      const made = yield* fill(first, 350)
      yield* first.rotate
      yield* Effect.sleep("1 millis").pipe(
        Effect.zipRight(first.status),
        Effect.repeat({ until: ({ rotation }) => (rotation?.resealed ?? 0) >= 100 })
      )
      yield* first.end
      const second = yield* over(memory, file(path))
      const { keys } = yield* second.status
      assert.isAbove(keys[0]?.secrets ?? 0, 0)
      assert.isAbove(keys[1]?.secrets ?? 0, 0)
      const { rotation } = yield* second.rotated
      assert.deepInclude(rotation, { state: "done", fresh_key: false, resealed: keys[1]!.secrets! })
      assert.strictEqual((yield* second.status).keys.length, 2)
      yield* opened(second, made)
    }))

  it.scopedLive("loses no change that comes between, and finds what was sealed meanwhile with the old key", () =>
    Effect.gen(function*() {
      const [path, memory] = [yield* keyFile, yield* storage]
      const process = yield* over(memory, file(path))
      const made = yield* fill(process, 300)
      const late = yield* process.vault.seal("changed", sealedFor(made[299]!))
      yield* process.rotate
      yield* Effect.forEach(made, (credential) => {
        const change = process.credentials.modify(credential.user_id, credential.id, (now) => ({
          ...now,
          name: "renamed",
          updated_at: later,
          ...(credential === made[299] && { sealed: late })
        }))
        return Effect.zipRight(Effect.yieldNow(), change)
      }, { discard: true })
      const { keys } = yield* process.ended
      assert.deepStrictEqual(keys.map(({ secrets }) => secrets), [300, 0])
      for (const { id } of made) {
        const now = yield* process.credentials.host.get(id)
        assert.deepStrictEqual([now.name, now.updated_at], ["renamed", later])
        const secret = yield* process.vault.open(now.sealed!, sealedFor(now))
        assert.strictEqual(secret, id === made[299]!.id ? "changed" : `secret of ${id}`)
      }
    }))

  it.scopedLive("leaves a secret as it is that was changed just while it was sealed anew", () =>
    Effect.gen(function*() {
      const [path, memory] = [yield* keyFile, yield* storage]
      const plain = yield* over(memory, file(path))
      const made = yield* fill(plain, 3)
      const changing = made[1]!
      const patch = Effect.flatMap(
        plain.vault.seal("changed", sealedFor(changing)),
        (sealed) => plain.credentials.modify(changing.user_id, changing.id, (now) => ({ ...now, sealed }))
      ).pipe(Effect.orDie)
      const interrupted = Layer.map(file(path), (context) => {
        const vault = Context.get(context, Vault)
        const seal: typeof vault.seal = (secret, of) =>
          secret === `secret of ${changing.id}`
            ? Effect.zipLeft(vault.seal(secret, of), patch)
            : vault.seal(secret, of)
        return Context.add(context, Vault, { ...vault, seal })
      })
      const process = yield* over(memory, interrupted)
      assert.deepStrictEqual((yield* process.rotated).keys.map(({ secrets }) => secrets), [3, 0])
      const now = yield* process.credentials.host.get(changing.id)
      assert.strictEqual(yield* process.vault.open(now.sealed!, sealedFor(now)), "changed")
    }))

  it.scopedLive("is noticed by other processes: what it sealed is opened there too", () =>
    Effect.gen(function*() {
      const [path, memory] = [yield* keyFile, yield* storage]
      const [one, other] = [yield* over(memory, file(path)), yield* over(memory, file(path))]
      const made = yield* fill(one, 10)
      yield* one.rotated
      yield* opened(other, made)
      const more = yield* fill(other, 10)
      assert.deepStrictEqual((yield* other.status).keys.map(({ secrets }) => secrets), [20, 0])
      yield* one.retire
      yield* opened(other, [...made, ...more])
      assert.strictEqual((yield* other.status).keys.length, 1)
    }))

  it.scopedLive("leaves alone what no key opens, says how much that is, and forgets no key that is in use", () =>
    Effect.gen(function*() {
      const path = yield* keyFile
      const process = yield* over(yield* storage, file(path))
      const [foreign, broken] = yield* fill(process, 3)
      const elsewhere = yield* VaultAesGcm.make({ keys: [Redacted.make(new Uint8Array(randomBytes(32)))] })
      const text = yield* elsewhere.seal("x", sealedFor(foreign!))
      yield* process.credentials.host.modify(foreign!.id, (now) => ({ ...now, sealed: text }))
      yield* process.credentials.host.modify(broken!.id, (now) => ({ ...now, sealed: `${now.sealed}AAAA` }))
      const { keys, rotation, unreadable } = yield* process.rotated
      assert.deepInclude(rotation, { state: "done", resealed: 1, unreadable: 2, total: 3 })
      assert.deepStrictEqual([keys.map(({ secrets }) => secrets), unreadable], [[1, 1], 1])
      assert.strictEqual((yield* process.credentials.host.get(foreign!.id)).sealed, text)
      const before = yield* Effect.promise(() => readFile(path, "utf8"))
      assert.strictEqual((yield* Effect.flip(process.retire)).code, "vault_keys_in_use")
      assert.strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), before)
    }))

  it.scopedLive("with keys from a setting seals with the newest of them, and makes none", () =>
    Effect.gen(function*() {
      const [older, newer] = Array.makeBy(2, () => randomBytes(32).toString("base64"))
      const memory = yield* storage
      const setting = (text: string) => VaultAesGcm.layerKey(Redacted.make(text))
      const made = yield* Effect.flatMap(over(memory, setting(older!)), (process) => fill(process, 20))
      const process = yield* over(memory, setting(`${newer},${older}`))
      assert.deepStrictEqual((yield* process.status).keys.map(({ secrets }) => secrets), [0, 20])
      assert.deepInclude((yield* process.rotated).rotation, { state: "done", fresh_key: false, resealed: 20 })
      assert.deepInclude((yield* process.rotated).rotation, { state: "done", fresh_key: false, resealed: 0 })
      assert.deepStrictEqual((yield* process.status).keys.map(({ secrets }) => secrets), [20, 0])
      const refused = yield* Effect.flip(process.retire)
      assert.strictEqual(refused.code, "vault_keys_fixed")
      assert.include(refused.detail, "STOA_VAULT_KEY")
      yield* opened(process, made)
    }))

  it.scopedLive("runs once at a time", () =>
    Effect.gen(function*() {
      const process = yield* over(yield* storage, file(yield* keyFile))
      yield* fill(process, 250)
      const begun = yield* Effect.all([process.rotate, process.rotate, process.rotate], { concurrency: 3 })
      assert.strictEqual(new Set(begun.map(({ started_at }) => started_at)).size, 1)
      assert.strictEqual((yield* process.ended).keys.length, 2)
    }))
})
