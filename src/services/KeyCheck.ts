import { Context, type Effect } from "effect"

/** The stored data that is useless without the vault's key. */
export interface NeedsKey {
  /** One of the sealed texts, if there is any. */
  readonly sealed: string | undefined
  readonly hasApiKeys: boolean
}

/** Storage keeps a check value of the vault's key that it was written with: enough to notice a wrong key. */
export class KeyCheck extends Context.Tag("stoa/services/KeyCheck")<KeyCheck, {
  /** The key's check value; undefined before the first start that keeps one. */
  readonly kept: Effect.Effect<string | undefined>
  /** Replaces the check value `before`. False when another process was first. */
  readonly keep: (value: string, before: string | undefined) => Effect.Effect<boolean>
  readonly needs: Effect.Effect<NeedsKey>
}>() {}
