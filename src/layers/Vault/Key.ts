/** What a vault key is, and the one way in which it can be wrong. */
import { type Array, Data, type Redacted } from "effect"

/** Length of a key. */
export const keyBytes = 32

/** Newest first. */
export type VaultKeys = Array.NonEmptyReadonlyArray<Redacted.Redacted<Uint8Array>>

/** The server must not start with these keys. `message` names where they come from and the fix, never a key. */
export class VaultKeyUnusable extends Data.TaggedError("VaultKeyUnusable")<{
  readonly message: string
  readonly cause?: unknown
}> {}
