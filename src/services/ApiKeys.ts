import { Context, type Effect } from "effect"
import type { ApiKeyDraft, IssuedKey } from "../domain/ApiKey.ts"
import type { Unauthenticated } from "../domain/Errors.ts"
import type { KeyId } from "../domain/Ids.ts"
import type { Principal } from "../domain/Principal.ts"

/** Keys of the form `stoa_<id>_<secret>`. */
export class ApiKeys extends Context.Tag("stoa/services/ApiKeys")<ApiKeys, {
  /** Makes a key. Only this answer ever shows it. */
  readonly issue: (draft: ApiKeyDraft) => Effect.Effect<IssuedKey>
  /** Whom a presented key speaks for; one error for unknown, wrong, expired and revoked. */
  readonly verify: (key: string) => Effect.Effect<Principal, Unauthenticated>
  /** The same for a key that was verified before. */
  readonly principalOf: (id: KeyId) => Effect.Effect<Principal, Unauthenticated>
  /** Whether a key that was verified may still be used. */
  readonly isUsable: (id: KeyId) => Effect.Effect<boolean>
}>() {}
