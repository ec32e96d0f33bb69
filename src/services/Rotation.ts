import { Context, type Effect } from "effect"
import type { Conflict } from "../domain/Errors.ts"
import type { VaultRotation, VaultStatus } from "../domain/Vault.ts"

/** Changing the vault's keys while serving. */
export class Rotation extends Context.Tag("stoa/services/Rotation")<Rotation, {
  /** Counts what is sealed with which key: looks at every stored secret, unless a rotation runs. */
  readonly status: Effect.Effect<VaultStatus>
  /**
   * Seals everything stored with the newest key, in the background. When it is so
   * already, a fresh key is put in front first, where the keys are in a file.
   * What was cut off goes on when it is asked for again.
   */
  readonly rotate: Effect.Effect<VaultRotation>
  /** Forgets the keys that nothing is sealed with. Refused while something is. */
  readonly retire: Effect.Effect<VaultStatus, Conflict>
}>() {}
