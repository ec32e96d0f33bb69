/**
 * The database itself, without a server. An embedded one has one process at a
 * time: while a server holds it, that server is asked instead.
 */
import { Command } from "@effect/cli"
import * as FileSystem from "@effect/platform/FileSystem"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Option, Redacted, Stream } from "effect"
import { join } from "node:path"
import { Health } from "../../domain/Health.ts"
import type { Settings } from "../../domain/Settings.ts"
import type { MigrationStatus } from "../../layers/Sql/Migrations.ts"
import type { DatabaseUnreachable } from "../../layers/Sql/pg/Address.ts"
import type { DatabaseUnfit } from "../../layers/Sql/pg/Reach.ts"
import type { DataDirUnusable } from "../../layers/Sql/pglite/DataDir.ts"
import type { DataDirLocked } from "../../layers/Sql/pglite/DirectoryLock.ts"
import { connect, connection, type ConnectionOptions } from "../Connection.ts"
import { failed } from "../Failed.ts"
import { type Column, output, print, printAll } from "../Output.ts"
import { readSettings, settingsOptions } from "../Server.ts"

// What follows pulls in a whole PostgreSQL, so it is loaded when it is needed.
const migrations = Effect.promise(() =>
  Promise.all([import("../../layers/Sql/Migrations.ts"), import("../../layers/Sql/migrations/All.ts")])
)

/** The database that the settings name. */
const database = (
  { data_dir, database_url }: Settings
): Layer.Layer<SqlClient.SqlClient, DatabaseUnreachable | DatabaseUnfit | DataDirLocked | DataDirUnusable> =>
  database_url === undefined
    ? Layer.unwrapEffect(Effect.map(
      Effect.promise(() => import("../../layers/Sql/pglite/Pglite.ts")),
      ({ layer }) => layer({ dataDir: data_dir })
    ))
    : Layer.unwrapEffect(Effect.map(
      Effect.promise(() => import("../../layers/Sql/pg/Pg.ts")),
      ({ layer }) => layer({ url: database_url, maxConnections: 2, isPatient: true })
    ))

/** Opening an embedded database makes it; looking must not. */
const isThere = (settings: Settings) =>
  settings.database_url === undefined
    ? Effect.flatMap(FileSystem.FileSystem, ({ exists }) =>
      Effect.orElseSucceed(exists(join(settings.data_dir, "postgres", "PG_VERSION")), () => false))
    : Effect.succeed(true)

const nameOf = ({ data_dir, database_url }: Settings) => {
  if (database_url === undefined) return `the embedded database in ${data_dir}`
  const text = Redacted.value(database_url)
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined ? "PostgreSQL" : `PostgreSQL at ${url.host}${url.pathname}`
}

const columns: ReadonlyArray<Column<MigrationStatus>> = [
  ["version", ({ id }) => id],
  ["name", ({ name }) => name],
  ["applied", ({ appliedAt }) => appliedAt?.toISOString() ?? "pending"]
]

/** PostgreSQL's own sentence says more than the library's. */
const sqlFailed = (error: { readonly cause?: unknown }) =>
  failed(`The database refused a statement: ${error.cause instanceof Error ? error.cause.message : "unknown"}.`)

const askHolder = (options: ConnectionOptions, locked: DataDirLocked) =>
  Effect.gen(function*() {
    const { raw, url } = yield* connect(options)
    const health = yield* Effect.flatMap(raw.get("/health"), HttpClientResponse.schemaBodyJson(Health))
    return { url, version: health.version, status: health.status, components: health.components }
  }).pipe(Effect.mapError(() => failed(locked.message)))

const status = Command.make(
  "status",
  { ...settingsOptions, ...output, ...connection },
  (options) =>
    Effect.gen(function*() {
      const settings = yield* readSettings(options)
      if (!(yield* isThere(settings))) {
        return yield* print(
          options.output,
          [],
          `There is no database in ${settings.data_dir} yet: the first start makes it.\n`
        )
      }
      const [{ status }, { all }] = yield* migrations
      yield* Effect.provide(status(all), database(settings)).pipe(
        Effect.flatMap((steps) => printAll(options.output, columns, Stream.fromIterable(steps))),
        Effect.catchTags({
          SqlError: sqlFailed,
          DataDirLocked: (locked) =>
            Effect.flatMap(askHolder(options, locked), (holder) => {
              const parts = Object.entries(holder.components).map(([name, state]) => `${name} ${state}`).join(", ")
              return print(
                options.output,
                { held_by: holder },
                `In use by the server at ${holder.url}, version ${holder.version}, which keeps it up to date. ` +
                  `Its health: ${holder.status}${parts === "" ? "" : ` (${parts})`}.\n`
              )
            })
        })
      )
    })
).pipe(Command.withDescription("Which versions it has had, and which wait"))

const upgrade = Command.make("upgrade", { ...settingsOptions, ...output }, (options) =>
  Effect.gen(function*() {
    const settings = yield* readSettings(options)
    if (!(yield* isThere(settings))) {
      return yield* print(
        options.output,
        [],
        `There is no database in ${settings.data_dir} yet: the first start makes it.\n`
      )
    }
    const [{ migrate }, { all }] = yield* migrations
    const done = yield* Effect.provide(migrate(all), database(settings)).pipe(
      Effect.catchTags({
        SqlError: sqlFailed,
        DataDirLocked: ({ message }) => failed(`${message} A server upgrades its database when it starts.`)
      })
    )
    yield* print(
      options.output,
      done,
      done.length === 0
        ? `Nothing to do: ${nameOf(settings)} is up to date.\n`
        : done.map((name) => `${name}\n`).join("")
    )
  })).pipe(Command.withDescription("Bring it to this version; a server does so when it starts"))

export const db = Command.make("db").pipe(
  Command.withDescription("The database on this machine: its versions"),
  Command.withSubcommands([status, upgrade])
)

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
