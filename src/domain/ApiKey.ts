import { Schema } from "effect"
import { KeyId, Timestamp, UserId } from "./Ids.ts"
import { Scope } from "./Principal.ts"

/** A key on the wire. */
export const ApiKeyRecord = Schema.Struct({
  id: KeyId,
  user_id: UserId,
  name: Schema.String,
  scopes: Schema.Array(Scope),
  created_at: Timestamp,
  updated_at: Timestamp,
  expires_at: Schema.NullOr(Timestamp),
  last_used_at: Schema.NullOr(Timestamp),
  revoked_at: Schema.NullOr(Timestamp)
}).annotations({ identifier: "ApiKeyRecord" })
export type ApiKeyRecord = typeof ApiKeyRecord.Type

/** A key as it is stored: never the secret itself, only its keyed hash (HMAC-SHA-256, base64url). */
export const ApiKey = Schema.Struct({ ...ApiKeyRecord.fields, hash: Schema.String })
export interface ApiKey extends Schema.Schema.Type<typeof ApiKey> {}

export const presentKey = ({ hash: _, ...record }: ApiKey): ApiKeyRecord => record

export const ApiKeyDraft = Schema.Struct({
  /** The tenant that the key speaks for. */
  user_id: UserId,
  name: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(256)), { default: () => "" }),
  scopes: Schema.optionalWith(Schema.Array(Scope).pipe(Schema.minItems(1), Schema.maxItems(8)), {
    default: () => ["read", "write", "chat"] as const
  }),
  expires_at: Schema.optionalWith(Schema.NullOr(Timestamp), { default: () => null })
}).annotations({ identifier: "ApiKeyDraft" })
export type ApiKeyDraft = typeof ApiKeyDraft.Type

/** This is the only answer that ever holds the key itself. */
export const IssuedKey = Schema.Struct({ ...ApiKeyRecord.fields, key: Schema.String }).annotations({
  identifier: "IssuedKey"
})
export type IssuedKey = typeof IssuedKey.Type

/** Whether the key is neither revoked nor expired. Times can be compared as text. */
export const isUsable = (key: ApiKey, now: Timestamp): boolean =>
  key.revoked_at === null && (key.expires_at === null || key.expires_at > now)
