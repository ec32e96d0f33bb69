/**
 * Which pages of the log hold the events of older versions. They are not rewritten: a log may be larger than what a
 * start may take, and reading is where they are brought into today's form. The default stays the older form, because a
 * process of an older version, which still runs while others are upgraded, does not name the column.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

export const customEvents: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.asVoid(sql.unsafe("alter table log_pages add column form smallint not null default 1"))
)
