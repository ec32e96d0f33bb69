/** Tasks of the kinds that a server's own program brings, and what they brought. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table own_tasks (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    name text collate "C" not null,
    status text not null
  )`,
  // For the lists of one kind, and for counting those that wait.
  "create index own_tasks_by_name on own_tasks (owner, name, id)",
  "create index own_tasks_open on own_tasks (owner, status) where status in ('pending', 'running')",
  // For the removal of the oldest.
  "create index own_tasks_by_age on own_tasks (created_at)"
]

export const ownTasks: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
