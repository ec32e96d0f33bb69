import { Context, Data, type Effect } from "effect"
import type { UserId } from "../domain/Ids.ts"

/** What a sealed value belongs to. Opening it for anything else fails. */
export interface SealedFor {
  readonly owner: UserId
  /** Table and id: `credentials/0190…`. */
  readonly record: string
}

/** The value was sealed with another key or for another record, or has been changed. Says nothing of its content. */
export class VaultSealed extends Data.TaggedError("VaultSealed")<{ readonly message: string }> {}

/** The keys cannot be changed from here, or not now. `message` names where they come from and what to do. */
export class VaultFixed extends Data.TaggedError("VaultFixed")<{
  readonly message: string
  /** Seconds, when it is a matter of time. */
  readonly retry_after?: number
}> {}

export interface VaultKeys {
  readonly source: "file" | "settings"
  /** Newest first. The first key seals; every key opens. */
  readonly ids: ReadonlyArray<string>
  /** Whether the last key also makes the keyed hashes; otherwise a separate key does. */
  readonly lastHashes: boolean
}

/** Seals and opens secrets. */
export class Vault extends Context.Tag("stoa/services/Vault")<Vault, {
  readonly seal: (secret: string, sealedFor: SealedFor) => Effect.Effect<string>
  readonly open: (sealed: string, sealedFor: SealedFor) => Effect.Effect<string, VaultSealed>
  /** A keyed hash, base64url. The same text always has the same hash, and the text cannot be found from it. */
  readonly mac: (text: string) => string
  /** The id of the key that sealed a text; undefined when the text is not sealed. */
  readonly sealedWith: (sealed: string) => string | undefined
  /** The keys as they are now. */
  readonly keys: Effect.Effect<VaultKeys>
  /** Adds a fresh key, which seals from now on, for every process that uses the same keys. */
  readonly rotate: Effect.Effect<void, VaultFixed>
  /** Removes these keys, never the newest, without changing the hashes. What is sealed with them is lost. */
  readonly retire: (ids: ReadonlyArray<string>) => Effect.Effect<void, VaultFixed>
}>() {}
