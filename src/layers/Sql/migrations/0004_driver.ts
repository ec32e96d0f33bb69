/** The process that drives a run, where a sweep for runs without one can see it. */
import { SqlClient, type SqlError } from "@effect/sql"
import { Effect } from "effect"

export const driver: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.asVoid(sql.unsafe("alter table runs add column driver text collate \"C\""))
)
