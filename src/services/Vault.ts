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
  /** Newest first: the first seals, all open. */
  readonly ids: ReadonlyArray<string>
  /** Whether the last key makes the keyed hashes too; else a key of their own does. */
  readonly lastHashes: boolean
}

/** Seals and opens secrets. */
export class Vault extends Context.Tag("stoa/services/Vault")<Vault, {
  readonly seal: (secret: string, sealedFor: SealedFor) => Effect.Effect<string>
  readonly open: (sealed: string, sealedFor: SealedFor) => Effect.Effect<string, VaultSealed>
  /** A keyed hash, base64url: the same for the same text, and no way back. */
  readonly mac: (text: string) => string
  /** The id of the key that sealed a text; undefined for what is no sealed text. */
  readonly sealedWith: (sealed: string) => string | undefined
  /** The keys as they are now. */
  readonly keys: Effect.Effect<VaultKeys>
  /** Puts a fresh key in front, for every process that uses the same keys. */
  readonly rotate: Effect.Effect<void, VaultFixed>
  /** Forgets these keys, never the newest, and keeps the hashes as they are. What is sealed with them is lost. */
  readonly retire: (ids: ReadonlyArray<string>) => Effect.Effect<void, VaultFixed>
}>() {}
