/** The vault's keys as an admin sees them: only their ids, which reveal nothing about the keys. */
import { Schema } from "effect"
import { Timestamp } from "./Ids.ts"

/** A rotation seals everything stored again with the newest key. */
export const VaultRotation = Schema.Struct({
  state: Schema.Literal("running", "done", "failed"),
  started_at: Timestamp,
  ended_at: Schema.NullOr(Timestamp),
  /** Whether a fresh key was put in front; else what an earlier rotation or a new setting left was sealed anew. */
  fresh_key: Schema.Boolean,
  /** Secrets to look at, those looked at so far, and those sealed anew. */
  total: Schema.Int,
  checked: Schema.Int,
  resealed: Schema.Int,
  /** Secrets that none of the keys opens; they are left as they are. */
  unreadable: Schema.Int
}).annotations({ identifier: "VaultRotation" })
export type VaultRotation = typeof VaultRotation.Type

export const VaultKey = Schema.Struct({
  id: Schema.String,
  /** What is stored from now on is sealed with it. */
  seals: Schema.Boolean,
  /** This key makes the hashes that recognise API keys, so it must stay. */
  hashes: Schema.Boolean,
  /** Stored secrets that are sealed with it; null while a rotation runs. */
  secrets: Schema.NullOr(Schema.Int)
}).annotations({ identifier: "VaultKey" })
export type VaultKey = typeof VaultKey.Type

export const VaultStatus = Schema.Struct({
  /** The server changes a `file`; the operator changes `settings`. */
  source: Schema.Literal("file", "settings"),
  /** Newest first. */
  keys: Schema.Array(VaultKey),
  /** Stored secrets that are sealed with a key that is not here; null while a rotation runs. */
  unreadable: Schema.NullOr(Schema.Int),
  /** The last rotation since this process started. */
  rotation: Schema.NullOr(VaultRotation)
}).annotations({ identifier: "VaultStatus" })
export type VaultStatus = typeof VaultStatus.Type
