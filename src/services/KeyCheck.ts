import { Context, type Effect } from "effect"

/** What in storage only the vault's key makes useful. */
export interface NeedsKey {
  /** One of the sealed texts, if there is any. */
  readonly sealed: string | undefined
  readonly hasApiKeys: boolean
}

/** What storage knows of the vault's key that it was written with: enough to notice a wrong one. */
export class KeyCheck extends Context.Tag("stoa/services/KeyCheck")<KeyCheck, {
  /** The key's check value; undefined before the first start that keeps one. */
  readonly kept: Effect.Effect<string | undefined>
  /** Puts a check value in the place of `before`. False when another process was quicker. */
  readonly keep: (value: string, before: string | undefined) => Effect.Effect<boolean>
  readonly needs: Effect.Effect<NeedsKey>
}>() {}
