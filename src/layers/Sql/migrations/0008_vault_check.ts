/** At most one row: what tells whether the vault's key is the one that this database was written with. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statement = `create table vault_check (
    id boolean primary key default true check (id),
    value text collate "C" not null
  )`

export const vaultCheck: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.asVoid(sql.unsafe(statement))
)
