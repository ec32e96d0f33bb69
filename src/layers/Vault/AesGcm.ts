/**
 * Secrets sealed with AES-256-GCM, bound to their owner and record. A sealed
 * text is `v1.<key id>.<iv>.<ciphertext and tag>`, each part base64url, so that
 * a new key can seal while older ones still open.
 */
import { Effect, Layer, Redacted } from "effect"
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, hkdfSync, randomBytes } from "node:crypto"
import { type SealedFor, Vault, VaultSealed } from "../../services/Vault.ts"
import { keyBytes, type VaultKeys, VaultKeyUnusable } from "./Key.ts"
import { fileKeys } from "./KeyFile.ts"
import { parseKeys } from "./KeyText.ts"

const cipher = "aes-256-gcm"
const version = "v1"
const ivBytes = 12
const tagBytes = 16

const shape = /^v1\.([\w-]{8})\.([\w-]{16})\.([\w-]{22,})$/

/** One text of 32 bytes serves several ends; each gets its own key, so none can be used against another. */
const derive = (key: Uint8Array, purpose: string, length: number) =>
  Buffer.from(hkdfSync("sha256", key, "", `stoa vault ${purpose}`, length))

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

export interface AesGcmOptions {
  /**
   * The first seals, all open. The last makes the keyed hashes, because those
   * must stay the same when a new key is put in front. Taking the last key away
   * ends every API key that was issued under it.
   */
  readonly keys: VaultKeys
}

export const make = Effect.fnUntraced(function*({ keys }: AesGcmOptions) {
  if (keys.some((key) => Redacted.value(key).length !== keyBytes)) {
    return yield* new VaultKeyUnusable({ message: `A vault key has another length than ${keyBytes} bytes.` })
  }
  const sealing = keys.map((key) => ({
    id: derive(Redacted.value(key), "key id", 6).toString("base64url"),
    key: createSecretKey(derive(Redacted.value(key), "seal", keyBytes))
  }))
  const newest = sealing[0]!
  const hashing = createSecretKey(derive(Redacted.value(keys.at(-1)!), "mac", keyBytes))

  return Vault.of({
    seal: (secret, sealedFor) =>
      Effect.sync(() => {
        const iv = randomBytes(ivBytes)
        const sealer = createCipheriv(cipher, newest.key, iv, { authTagLength: tagBytes })
        sealer.setAAD(additionalData(newest.id, sealedFor))
        const content = Buffer.concat([sealer.update(secret, "utf8"), sealer.final(), sealer.getAuthTag()])
        return [version, newest.id, iv.toString("base64url"), content.toString("base64url")].join(".")
      }),
    open: (text, sealedFor) =>
      Effect.suspend(() => {
        const [, id = "", iv = "", content = ""] = shape.exec(text) ?? []
        const [ivRead, bytes] = [fromBase64url(iv), fromBase64url(content)]
        if (ivRead?.length !== ivBytes || bytes === undefined) return changed
        const known = sealing.find((candidate) => candidate.id === id)
        if (known === undefined) return unknownKey
        const opener = createDecipheriv(cipher, known.key, ivRead, { authTagLength: tagBytes })
        opener.setAAD(additionalData(id, sealedFor))
        opener.setAuthTag(bytes.subarray(-tagBytes))
        return Effect.orElse(
          Effect.try(() =>
            Buffer.concat([opener.update(bytes.subarray(0, -tagBytes)), opener.final()]).toString("utf8")
          ),
          () => changed
        )
      }),
    mac: (text) => createHmac("sha256", hashing).update(text).digest("base64url")
  })
})

export const layer = (options: AesGcmOptions): Layer.Layer<Vault, VaultKeyUnusable> =>
  Layer.effect(Vault, make(options))

/** Keys from a file, which is made with a fresh key when it does not exist. */
export const layerFile = (path: string): Layer.Layer<Vault, VaultKeyUnusable> =>
  Layer.effect(Vault, Effect.flatMap(fileKeys(path), (keys) => make({ keys })))

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
      (keys) => make({ keys })
    )
  )
