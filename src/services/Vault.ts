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

/** Seals and opens secrets. */
export class Vault extends Context.Tag("stoa/services/Vault")<Vault, {
  readonly seal: (secret: string, sealedFor: SealedFor) => Effect.Effect<string>
  readonly open: (sealed: string, sealedFor: SealedFor) => Effect.Effect<string, VaultSealed>
  /** A keyed hash, base64url: the same for the same text, and no way back. */
  readonly mac: (text: string) => string
}>() {}
