/** Secrets sealed with AES-256-GCM, bound to their owner and record, with keys from a file or from a setting. */
import { Effect, Layer, Redacted } from "effect"
import { randomBytes } from "node:crypto"
import { Vault, VaultFixed } from "../../services/Vault.ts"
import { keyBytes, type KeySet, type VaultKeyUnusable } from "./Key.ts"
import * as KeyFile from "./KeyFile.ts"
import { parseKeys } from "./KeyText.ts"
import * as Ring from "./Ring.ts"

/**
 * The first key seals, all open. The keyed hashes are made by `hashing`, else by
 * the last key, because they must stay the same when a new key is put in front:
 * taking that away ends every API key that was issued under it.
 */
export type AesGcmOptions = KeySet

/** A vault whose keys stay the same for as long as the process lives. */
const fixed = new VaultFixed({
  message:
    "The vault's keys come from STOA_VAULT_KEY: put a new one in front of them and restart every process, then rotate. Take unused ones out there, but not the last, by which API keys are recognised."
})

export const make = Effect.fnUntraced(function*(options: AesGcmOptions) {
  const keyring = yield* Ring.keyringOf(options)
  return Vault.of({
    seal: (secret, sealedFor) => Effect.sync(() => Ring.seal(keyring, secret, sealedFor)),
    open: (text, sealedFor) => Effect.suspend(() => Ring.open(keyring, text, sealedFor)),
    mac: (text) => Ring.mac(keyring, text),
    sealedWith: Ring.keyIdOf,
    keys: Effect.succeed(keysOf(keyring, "settings")),
    rotate: Effect.fail(fixed),
    retire: () => Effect.fail(fixed)
  })
})

const keysOf = ({ lastHashes, sealing }: Ring.Keyring, source: "file" | "settings") => ({
  source,
  ids: sealing.map(({ id }) => id),
  lastHashes
})

/** How long old keys stay after the file was changed, in milliseconds: what is being sealed with one has landed by then. */
const grace = 60_000

/** Keys that other processes may change: the file is looked at before each sealing, and when a key is not known. */
const makeFile = Effect.fnUntraced(function*(path: string, millis: number) {
  let { mark, set } = yield* KeyFile.read(path)
  let keyring = yield* Ring.keyringOf(set)
  const mutex = Effect.unsafeMakeSemaphore(1)

  const take = Effect.fnUntraced(function*(next: KeyFile.Read) {
    keyring = yield* Ring.keyringOf(next.set)
    mark = next.mark
    return keyring
  })

  const reread = Effect.gen(function*() {
    if ((yield* KeyFile.markOf(path)) === mark) return keyring
    return yield* Effect.flatMap(KeyFile.read(path), take)
  }).pipe(mutex.withPermits(1))

  /** What the file says now; while it cannot be read, what it said. */
  const current = Effect.catchAll(
    reread,
    ({ message }) => Effect.as(Effect.logError("The vault's keys could not be read again", message), keyring)
  )

  const change = (f: (set: KeySet) => KeySet) =>
    KeyFile.change(path, f).pipe(
      Effect.flatMap(take),
      mutex.withPermits(1),
      Effect.mapError(({ message }) => new VaultFixed({ message })),
      Effect.asVoid
    )

  return Vault.of({
    seal: (secret, sealedFor) => Effect.map(current, (keyring) => Ring.seal(keyring, secret, sealedFor)),
    open: (text, sealedFor) =>
      Effect.suspend(() =>
        Ring.has(keyring, text)
          ? Ring.open(keyring, text, sealedFor)
          : Effect.flatMap(current, (keyring) => Ring.open(keyring, text, sealedFor))
      ),
    mac: (text) => Ring.mac(keyring, text),
    sealedWith: Ring.keyIdOf,
    keys: Effect.map(current, (keyring) => keysOf(keyring, "file")),
    rotate: change(({ hashing, keys }) => ({
      keys: [Redacted.make(new Uint8Array(randomBytes(keyBytes))), ...keys],
      hashing
    })),
    retire: Effect.fnUntraced(function*(ids: ReadonlyArray<string>) {
      const since = yield* Effect.mapError(KeyFile.age(path), ({ message }) => new VaultFixed({ message }))
      if (since < millis) {
        return yield* new VaultFixed({
          message: `A key was put in front only ${
            Math.floor(since / 1000)
          } seconds ago, and another process may still be writing what it sealed with the one before: retire old keys a minute after a rotation.`,
          retry_after: Math.ceil((millis - since) / 1000)
        })
      }
      yield* change((set) => {
        const [newest, ...older] = set.keys
        const remaining = older.filter((key) => !ids.includes(Ring.idOf(key)))
        return {
          keys: [newest, ...remaining],
          hashing: remaining.at(-1) === older.at(-1) ? set.hashing : Ring.hashingOf(set)
        }
      })
    })
  })
})

export const layer = (options: AesGcmOptions): Layer.Layer<Vault, VaultKeyUnusable> =>
  Layer.effect(Vault, make(options))

/** Keys from a file, which is made with a fresh key when it does not exist. */
export const layerFile = (
  path: string,
  options: { readonly grace?: number } = {}
): Layer.Layer<Vault, VaultKeyUnusable> =>
  Layer.effect(Vault, Effect.zipRight(KeyFile.ensure(path), makeFile(path, options.grace ?? grace)))

/** Keys from a setting: 32 bytes as base64 or hex; several, newest first, separated by commas. */
export const layerKey = (text: Redacted.Redacted<string>): Layer.Layer<Vault, VaultKeyUnusable> =>
  Layer.effect(
    Vault,
    Effect.flatMap(
      parseKeys(
        Redacted.value(text),
        "STOA_VAULT_KEY (vault_key in stoa.yaml)",
        "make one with `openssl rand -base64 32`"
      ),
      make
    )
  )
