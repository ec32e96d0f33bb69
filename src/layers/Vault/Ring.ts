/**
 * Keys at work. A sealed text is `v1.<key id>.<iv>.<ciphertext and tag>`, each
 * part base64url, so that a new key can seal while older ones still open.
 */
import { Effect, Redacted } from "effect"
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes
} from "node:crypto"
import { type SealedFor, VaultSealed } from "../../services/Vault.ts"
import { keyBytes, type KeySet, VaultKeyUnusable } from "./Key.ts"

const cipher = "aes-256-gcm"
const version = "v1"
const ivBytes = 12
const tagBytes = 16

const shape = /^v1\.([\w-]{8})\.([\w-]{16})\.([\w-]{22,})$/

/** One text of 32 bytes serves several ends; each gets its own key, so none can be used against another. */
const derive = (key: Redacted.Redacted<Uint8Array>, purpose: string, length: number) =>
  Buffer.from(hkdfSync("sha256", Redacted.value(key), "", `stoa vault ${purpose}`, length))

const additionalData = (keyId: string, { owner, record }: SealedFor) =>
  Buffer.from(JSON.stringify([version, keyId, owner, record]))

/** Strict, unlike Buffer: only the one spelling that we wrote ourselves. */
const fromBase64url = (text: string) => {
  const bytes = Buffer.from(text, "base64url")
  return bytes.toString("base64url") === text ? bytes : undefined
}

const sealed = (message: string) => Effect.fail(new VaultSealed({ message }))
const unknownKey = sealed("The secret was sealed with a key that this server does not have.")
const changed = sealed("The secret cannot be opened: it belongs to another record or has been changed.")

export const idOf = (key: Redacted.Redacted<Uint8Array>): string => derive(key, "key id", 6).toString("base64url")

export interface Keyring {
  /** Newest first. */
  readonly sealing: ReadonlyArray<{ readonly id: string; readonly key: KeyObject }>
  readonly hashing: KeyObject
  /** Whether the last key makes the hashes too. */
  readonly lastHashes: boolean
}

/** What makes the keyed hashes, without what opens. */
export const hashingOf = ({ hashing, keys }: KeySet): Redacted.Redacted<Uint8Array> =>
  hashing ?? Redacted.make(new Uint8Array(derive(keys.at(-1)!, "mac", keyBytes)))

export const keyringOf = (set: KeySet): Effect.Effect<Keyring, VaultKeyUnusable> =>
  Effect.suspend(() => {
    const all = set.hashing === undefined ? set.keys : [...set.keys, set.hashing]
    if (all.some((key) => Redacted.value(key).length !== keyBytes)) {
      return Effect.fail(
        new VaultKeyUnusable({ message: `A vault key has another length than ${keyBytes} bytes.` })
      )
    }
    return Effect.succeed({
      sealing: set.keys.map((key) => ({
        id: idOf(key),
        key: createSecretKey(derive(key, "seal", keyBytes))
      })),
      hashing: createSecretKey(Redacted.value(hashingOf(set))),
      lastHashes: set.hashing === undefined
    })
  })

export const seal = ({ sealing }: Keyring, secret: string, sealedFor: SealedFor): string => {
  const newest = sealing[0]!
  const iv = randomBytes(ivBytes)
  const sealer = createCipheriv(cipher, newest.key, iv, { authTagLength: tagBytes })
  sealer.setAAD(additionalData(newest.id, sealedFor))
  const content = Buffer.concat([sealer.update(secret, "utf8"), sealer.final(), sealer.getAuthTag()])
  return [version, newest.id, iv.toString("base64url"), content.toString("base64url")].join(".")
}

/** The id of the key that sealed it; undefined for what was not sealed here. */
export const keyIdOf = (text: string): string | undefined => shape.exec(text)?.[1]

export const has = ({ sealing }: Keyring, text: string): boolean => {
  const id = keyIdOf(text)
  return sealing.some((known) => known.id === id)
}

export const open = ({ sealing }: Keyring, text: string, sealedFor: SealedFor): Effect.Effect<string, VaultSealed> => {
  const [, id = "", iv = "", content = ""] = shape.exec(text) ?? []
  const [ivRead, bytes] = [fromBase64url(iv), fromBase64url(content)]
  if (ivRead?.length !== ivBytes || bytes === undefined) return changed
  const known = sealing.find((candidate) => candidate.id === id)
  if (known === undefined) return unknownKey
  const opener = createDecipheriv(cipher, known.key, ivRead, { authTagLength: tagBytes })
  opener.setAAD(additionalData(id, sealedFor))
  opener.setAuthTag(bytes.subarray(-tagBytes))
  return Effect.orElse(
    Effect.try(() => Buffer.concat([opener.update(bytes.subarray(0, -tagBytes)), opener.final()]).toString("utf8")),
    () => changed
  )
}

export const mac = ({ hashing }: Keyring, text: string): string =>
  createHmac("sha256", hashing).update(text).digest("base64url")
