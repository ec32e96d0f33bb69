import { Context, type Effect } from "effect"
import type { Conflict } from "../domain/Errors.ts"
import type { VaultRotation, VaultStatus } from "../domain/Vault.ts"

/** Changes the vault's keys while the server runs. */
export class Rotation extends Context.Tag("stoa/services/Rotation")<Rotation, {
  /** Counts the secrets that each key seals, which reads every stored secret. While a rotation runs it counts nothing. */
  readonly status: Effect.Effect<VaultStatus>
  /**
   * Seals everything stored with the newest key, in the background. When it is so
   * already and the keys are in a file, it first adds a fresh key.
   * A rotation that was cut off continues when it is requested again.
   */
  readonly rotate: Effect.Effect<VaultRotation>
  /** Removes all keys but the newest. It is refused while something is sealed with one of them. */
  readonly retire: Effect.Effect<VaultStatus, Conflict>
}>() {}
