/** Keys that clients gave to their requests. Short-lived: swept by age. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table claims (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null
  )`,
  "create index claims_by_age on claims (created_at)"
]

export const idempotency: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
