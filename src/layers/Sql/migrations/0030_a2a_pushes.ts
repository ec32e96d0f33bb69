/** Whom clients of A2A have updates of their tasks sent to. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table a2a_pushes (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null references sessions on delete cascade,
    run_id text collate "C" not null
  )`,
  "create index a2a_pushes_by_session on a2a_pushes (session_id)",
  "create index a2a_pushes_by_run on a2a_pushes (owner, run_id, id)"
]

export const a2aPushes: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
