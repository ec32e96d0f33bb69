/** What vault keys are, and the one way in which they can be wrong. */
import { type Array, Data, type Redacted } from "effect"

/** Length of a key. */
export const keyBytes = 32

/** Newest first. */
export type VaultKeys = Array.NonEmptyReadonlyArray<Redacted.Redacted<Uint8Array>>

export interface KeySet {
  /** The first seals, all open. */
  readonly keys: VaultKeys
  /**
   * Makes the keyed hashes; left out, a part of the last key does. It is what
   * stays of that key when it is retired: it opens nothing.
   */
  readonly hashing?: Redacted.Redacted<Uint8Array> | undefined
}

/** The server must not start with these keys. `message` names where they come from and the fix, never a key. */
export class VaultKeyUnusable extends Data.TaggedError("VaultKeyUnusable")<{
  readonly message: string
  readonly cause?: unknown
}> {}
