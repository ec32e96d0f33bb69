/** What can be told of a database from outside, for who looks whether all is well. */
import type * as FileSystem from "@effect/platform/FileSystem"
import { Effect, Layer, Option } from "effect"
import { join } from "node:path"
import type { Settings } from "../../domain/Settings.ts"
import { database, isThere } from "./Database.ts"

/** Whether the database answers; embedded ones are not opened for that. */
export const reach = (settings: Settings): Effect.Effect<Option.Option<string>> =>
  settings.database_url === undefined
    ? Effect.succeedNone
    : Effect.scoped(Layer.build(database(settings))).pipe(
      Effect.as(Option.none<string>()),
      Effect.catchAll(({ message }) => Effect.succeedSome(message))
    )

/**
 * Whether the vault's key belongs to the database. None where that cannot be
 * told: no database or no key yet, or a server holds it, which looked itself.
 */
export const compareKey = (
  settings: Settings
): Effect.Effect<Option.Option<boolean>, never, FileSystem.FileSystem> =>
  Effect.gen(function*() {
    if (!(yield* isThere(settings))) return Option.none<boolean>()
    const [{ make }, { matches, open }] = yield* Effect.promise(() =>
      Promise.all([import("../../layers/Vault/SqlCheck.ts"), import("../../layers/Vault/Checked.ts")])
    )
    const vault = yield* open(sourceOf(settings))
    if (Option.isNone(vault)) return Option.none<boolean>()
    return yield* Effect.flatMap(make, ({ kept, needs }) =>
      Effect.flatMap(Effect.zip(kept, needs), ([value, needs]) =>
        Effect.asSome(matches(vault.value, value, needs)))).pipe(
        Effect.provide(database(settings))
      )
  }).pipe(
    Effect.scoped,
    // What is wrong with the key or the database itself has a line of its own.
    Effect.catchAllCause(() =>
      Effect.succeedNone
    )
  )

const sourceOf = ({ data_dir, vault_key }: Settings) =>
  vault_key === undefined ? { file: join(data_dir, "vault.key") } : { key: vault_key }
