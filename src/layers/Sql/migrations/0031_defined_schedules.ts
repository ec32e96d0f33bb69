/** Which schedules the operator's definitions say, so that those are found which they say no more. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  // A process of an older version, which knows none, does not name it.
  "alter table schedules add column defined text collate \"C\" not null default 'no'",
  "create index schedules_defined on schedules (id) where defined = 'yes'"
]

export const definedSchedules: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
