/** Finding what retention has not been at yet, and what waits for somebody, without reading what has ended. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  // An ended run whose pages have been removed as far as they ever will be because of it.
  "alter table runs add column pruned boolean not null default false",
  "create index runs_to_prune on runs (updated_at) where status = 'ended' and not pruned",
  "create index runs_parked on runs (id) where status in ('awaiting_permission', 'awaiting_external_result')"
]

export const retention: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
