import { Schema } from "effect"
import { CredentialId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** How to reach a model provider, as it is stored: the secret fields are sealed, the others plain. */
export const Credential = Schema.Struct({
  id: CredentialId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  /** `openai_credential`, `demo_credential` … */
  type: Schema.String,
  name: Schema.String,
  settings: JsonObject,
  /** Names of the secret fields that have a value. */
  secrets: Schema.Array(Schema.String),
  /** The secret fields as sealed JSON; null when there are none. */
  sealed: Schema.NullOr(Schema.String)
})
export interface Credential extends Schema.Schema.Type<typeof Credential> {}

/** What an answer shows in the place of a secret. Sent back, it keeps the stored one. */
export const masked = "********"

/** A credential on the wire: its type's fields in `data`, secrets masked. */
export const CredentialRecord = Schema.Struct({
  id: CredentialId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  data: JsonObject
}).annotations({ identifier: "CredentialRecord" })
export type CredentialRecord = typeof CredentialRecord.Type

export const present = (credential: Credential): CredentialRecord => ({
  id: credential.id,
  user_id: credential.user_id,
  created_at: credential.created_at,
  updated_at: credential.updated_at,
  data: {
    type: credential.type,
    id: credential.id,
    name: credential.name,
    ...credential.settings,
    ...Object.fromEntries(credential.secrets.map((name) => [name, masked]))
  }
})

/** `data` carries a `type` and that type's fields; `GET /credential/schemas` lists them. */
export const CredentialDraft = Schema.Struct({ data: JsonObject }).annotations({ identifier: "CredentialDraft" })
export type CredentialDraft = typeof CredentialDraft.Type

/** `openai_credential` → `Openai`; `(2)`, `(3)` … when taken. */
export const defaultName = (type: string, taken: ReadonlySet<string>): string => {
  const words = type.replace(/_credential$/, "").split("_").filter((word) => word !== "")
  const name = words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join(" ") || type
  if (!taken.has(name)) return name
  let n = 2
  while (taken.has(`${name} (${n})`)) n++
  return `${name} (${n})`
}
