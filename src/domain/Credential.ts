import * as HttpApiSchema from "@effect/platform/HttpApiSchema"
import { Schema } from "effect"
import { problem } from "./Errors.ts"
import { CredentialId, Timestamp, UserId } from "./Ids.ts"
import { JsonObject } from "./Json.ts"
import type { ChatModelConfig } from "./Model.ts"

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
  /** Nothing is shared yet, so whoever sees it may change it. */
  editable: Schema.Literal(true),
  data: JsonObject
}).annotations({ identifier: "CredentialRecord" })
export type CredentialRecord = typeof CredentialRecord.Type

export const present = (credential: Credential): CredentialRecord => ({
  id: credential.id,
  user_id: credential.user_id,
  created_at: credential.created_at,
  updated_at: credential.updated_at,
  editable: true,
  data: {
    type: credential.type,
    id: credential.id,
    name: credential.name,
    ...credential.settings,
    ...Object.fromEntries(credential.secrets.map((name) => [name, masked]))
  }
})

/** Who reaches a model through a credential. */
export const CredentialUse = Schema.Struct({
  kind: Schema.Literal("session", "agent", "schedule"),
  id: Schema.String,
  name: Schema.String,
  /** Where it is named: `chat_model_config`, `fallback_chat_model_config.1` … */
  field: Schema.String
}).annotations({ identifier: "CredentialUse" })
export type CredentialUse = typeof CredentialUse.Type

/** Most uses that a refusal names. */
export const maxUses = 20

/** It was to be deleted, and something needs it. */
export class CredentialInUse extends Schema.TaggedError<CredentialInUse>()(
  "CredentialInUse",
  {
    ...problem(409, "Conflict", "credential_in_use"),
    used_by: Schema.Array(CredentialUse).pipe(Schema.maxItems(maxUses))
  },
  HttpApiSchema.annotations({ status: 409, description: "Sessions, agents or schedules use the credential." })
) {
  static readonly of = (used_by: ReadonlyArray<CredentialUse>): CredentialInUse => {
    const [first] = used_by
    const more = used_by.length < 2
      ? ""
      : ` and ${used_by.length === maxUses ? `${used_by.length - 1} or more` : used_by.length - 1} others`
    return new CredentialInUse({
      detail: `The credential is used by the ${first?.kind} '${first?.name}' (${first?.id})${more}: ` +
        "choose another model there, or delete it all the same with force=true.",
      used_by: [...used_by]
    })
  }
}

/** Where a session or an agent names the credential. */
export const usesIn = (
  credential_id: CredentialId,
  kind: CredentialUse["kind"],
  { id, name }: { readonly id: string; readonly name: string },
  configs: ReadonlyArray<{ readonly config: ChatModelConfig; readonly path: string }>
): ReadonlyArray<CredentialUse> =>
  configs.filter(({ config }) => config.credential_id === credential_id)
    .map(({ path }) => ({ kind, id, name, field: path }))

/** Most models that a check names. */
export const maxCheckedModels = 1000

/** Whether a credential works, found out by asking its provider. */
export const CredentialCheck = Schema.Struct({
  ok: Schema.Boolean,
  /** From the request to the provider's whole answer. */
  latency_ms: Schema.Int,
  /** Names of the models that the credential sees; empty when it does not work. */
  models: Schema.Array(Schema.String).pipe(Schema.maxItems(maxCheckedModels)),
  /** As in `REPLY_END`: `authentication`, `connection` … with a sentence of ours. */
  error: Schema.NullOr(Schema.Struct({ type: Schema.String, message: Schema.String }))
}).annotations({ identifier: "CredentialCheck" })
export type CredentialCheck = typeof CredentialCheck.Type

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
