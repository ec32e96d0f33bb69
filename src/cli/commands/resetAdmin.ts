/**
 * A way back in for who has lost every admin key and has the machine: it works
 * on the database itself, while no server holds it. On PostgreSQL a running
 * server learns of it within a second or two.
 */
import { Command } from "@effect/cli"
import * as FileSystem from "@effect/platform/FileSystem"
import { Clock, Effect } from "effect"
import { join } from "node:path"
import type { ApiKey } from "../../domain/ApiKey.ts"
import { UserId } from "../../domain/Ids.ts"
import type { Settings } from "../../domain/Settings.ts"
import { ApiKeys } from "../../services/ApiKeys.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import { failed } from "../Failed.ts"
import { confirm, yes } from "../Inputs.ts"
import { output, print } from "../Output.ts"
import { Screen } from "../Screen.ts"
import { readSettings, settingsOptions } from "../Server.ts"

/** Keys read together. */
const batch = 100

/** Opening an embedded database makes it; a mistyped folder must not. */
const isThere = (settings: Settings) =>
  settings.database_url === undefined
    ? Effect.flatMap(FileSystem.FileSystem, ({ exists }) =>
      Effect.orElseSucceed(exists(join(settings.data_dir, "postgres", "PG_VERSION")), () => false))
    : Effect.succeed(true)

/** Keys, and the id to go on after. */
interface ScannedKeys {
  readonly items: ReadonlyArray<ApiKey>
  readonly next: string | undefined
}

/** Revokes every usable admin key and issues one, together or not at all. Answers the new key and the ended ones' ids. */
const reset = Effect.gen(function*() {
  const { keys, transaction } = yield* Storage
  const apiKeys = yield* ApiKeys
  const now = timestampOf(yield* Clock.currentTimeMillis)
  return yield* transaction(Effect.gen(function*() {
    const revoked: Array<string> = []
    let after: string | undefined
    do {
      const found: ScannedKeys = yield* keys.host.scan(after, batch)
      after = found.next
      for (const key of found.items) {
        if (key.revoked_at !== null || !key.scopes.includes("admin")) continue
        yield* Effect.orDie(keys.host.modify(key.id, (record) => ({ ...record, revoked_at: now, updated_at: now })))
        revoked.push(key.id)
      }
    } while (after !== undefined)
    const issued = yield* apiKeys.issue({
      user_id: UserId.make("admin"),
      name: "reset on this machine",
      scopes: ["read", "write", "chat", "admin"],
      expires_at: null
    })
    return { issued, revoked }
  }))
})

export const resetAdmin = Command.make(
  "reset-admin",
  { ...settingsOptions, ...output, ...yes },
  (options) =>
    Effect.gen(function*() {
      const settings = yield* readSettings(options)
      if (!(yield* isThere(settings))) {
        return yield* failed(`There is no database in ${settings.data_dir}: name its folder with --data-dir.`)
      }
      yield* confirm("End all admin keys and issue a new one?", options.yes)
      // A whole server is loaded with it.
      const { records } = yield* Effect.promise(() => import("../../layers/Host.ts"))
      const { issued, revoked } = yield* Effect.provide(reset, records(settings)).pipe(
        Effect.catchTag(
          "DataDirLocked",
          ({ message }) => failed(`${message} A server that runs is asked with stoa keys create and stoa keys revoke.`)
        )
      )
      yield* print(options.output, { ...issued, revoked }, `${issued.key}\n`)
      if (options.output === "table") {
        yield* (yield* Screen).err(
          `This is the only time the key is shown. Its id is ${issued.id}; admin keys ended: ${revoked.length}.\n`
        )
      }
    })
).pipe(Command.withDescription("Offline: end all admin keys and issue a new one, for who has the data folder"))
