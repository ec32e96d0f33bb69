/** Vault keys as people and files write them. */
import { Array, Effect, Redacted } from "effect"
import { type VaultKeys, VaultKeyUnusable } from "./Key.ts"

const hex = /^[0-9a-f]{64}$/i
const base64 = /^[\w+/-]{43}=?$/

const parseKey = (word: string) => {
  if (hex.test(word)) return Redacted.make(new Uint8Array(Buffer.from(word, "hex")))
  return base64.test(word) ? Redacted.make(new Uint8Array(Buffer.from(word, "base64"))) : undefined
}

/** Keys separated by commas or white space. `source` and `fix` are for the sentence when one is wrong. */
export const parseKeys = (text: string, source: string, fix: string): Effect.Effect<VaultKeys, VaultKeyUnusable> =>
  Effect.suspend(() => {
    const keys = text.split(/[\s,]+/).filter((word) => word !== "").map(parseKey)
    const good = keys.filter((key) => key !== undefined)
    return Array.isNonEmptyReadonlyArray(good) && good.length === keys.length
      ? Effect.succeed(good)
      : Effect.fail(
        new VaultKeyUnusable({
          message:
            `${source} holds no usable key: expected 32 bytes as base64 or hex, several separated by commas; ${fix}.`
        })
      )
  })
