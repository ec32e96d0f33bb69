/** The database that the settings name, opened without a server. */
import * as FileSystem from "@effect/platform/FileSystem"
import type * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer, Redacted } from "effect"
import { join } from "node:path"
import type { Settings } from "../../domain/Settings.ts"
import type { DatabaseUnreachable } from "../../layers/Sql/pg/Address.ts"
import type { DatabaseUnfit } from "../../layers/Sql/pg/Reach.ts"
import type { DataDirUnusable } from "../../layers/Sql/pglite/DataDir.ts"
import type { DataDirLocked } from "../../layers/Sql/pglite/DirectoryLock.ts"
import { failed } from "../Failed.ts"

// What follows pulls in a whole PostgreSQL, so it is loaded when it is needed.
export const migrations = Effect.promise(async () => {
  const [{ migrate, status }, { downgrade }, { all }, { downs }] = await Promise.all([
    import("../../layers/Sql/Migrations.ts"),
    import("../../layers/Sql/Downgrade.ts"),
    import("../../layers/Sql/migrations/All.ts"),
    import("../../layers/Sql/migrations/Downs.ts")
  ])
  return { all, downgrade, downs, migrate, status }
})

/** The database that the settings name. */
export const database = (
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
export const isThere = (settings: Settings) =>
  settings.database_url === undefined
    ? Effect.flatMap(FileSystem.FileSystem, ({ exists }) =>
      Effect.orElseSucceed(exists(join(settings.data_dir, "postgres", "PG_VERSION")), () => false))
    : Effect.succeed(true)

export const nameOf = ({ data_dir, database_url }: Settings) => {
  if (database_url === undefined) return `the embedded database in ${data_dir}`
  const text = Redacted.value(database_url)
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url === undefined ? "PostgreSQL" : `PostgreSQL at ${url.host}${url.pathname}`
}

/** PostgreSQL's own sentence says more than the library's. */
export const sqlFailed = (error: { readonly cause?: unknown }) =>
  failed(`The database refused a statement: ${error.cause instanceof Error ? error.cause.message : "unknown"}.`)
