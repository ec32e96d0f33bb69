/** Vault keys as people and files write them. */
import { Array, Effect, Redacted } from "effect"
import { type KeySet, VaultKeyUnusable } from "./Key.ts"

const hex = /^[0-9a-f]{64}$/i
const base64 = /^[\w+/-]{43}=?$/

/** Before the key that makes the keyed hashes and does nothing else. */
const hashing = "hash:"

const parseKey = (word: string) => {
  if (hex.test(word)) return Redacted.make(new Uint8Array(Buffer.from(word, "hex")))
  return base64.test(word) ? Redacted.make(new Uint8Array(Buffer.from(word, "base64"))) : undefined
}

/** Keys separated by commas or white space. `source` and `fix` are for the sentence when one is wrong. */
export const parseKeys = (text: string, source: string, fix: string): Effect.Effect<KeySet, VaultKeyUnusable> =>
  Effect.suspend(() => {
    const words = text.split(/[\s,]+/).filter((word) => word !== "")
    const last = words.at(-1)?.startsWith(hashing) ? words.pop()!.slice(hashing.length) : undefined
    const hash = last === undefined ? undefined : parseKey(last)
    const keys = words.map(parseKey)
    const good = keys.filter((key) => key !== undefined)
    return Array.isNonEmptyReadonlyArray(good) && good.length === keys.length && (last === undefined) ===
        (hash === undefined)
      ? Effect.succeed({ keys: good, hashing: hash })
      : Effect.fail(
        new VaultKeyUnusable({
          message:
            `${source} holds no usable key: expected 32 bytes as base64 or hex, several separated by commas; ${fix}.`
        })
      )
  })

const write = (key: Redacted.Redacted<Uint8Array>) => Buffer.from(Redacted.value(key)).toString("base64")

/** One a line, as a file keeps them. */
export const printKeys = ({ hashing: hash, keys }: KeySet): string =>
  [...keys.map(write), ...(hash === undefined ? [] : [`${hashing}${write(hash)}`])].map((line) => `${line}\n`).join("")
