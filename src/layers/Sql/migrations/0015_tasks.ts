/** Tool calls that have outlived their turns, and what they brought. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table background_tasks (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null references sessions on delete cascade,
    run_id text collate "C" not null,
    status text not null,
    process text collate "C" not null,
    untold text not null,
    stop boolean not null default false
  )`,
  "create index background_tasks_by_session on background_tasks (session_id, id)",
  "create index background_tasks_by_owner on background_tasks (owner, id)",
  // Few at a time: what every process looks at again and again.
  "create index background_tasks_running on background_tasks (id) where status = 'running'",
  "create index background_tasks_untold on background_tasks (session_id) where untold = 'yes'",
  "create index background_tasks_over on background_tasks (updated_at) where status <> 'running' and untold = 'no'"
]

export const tasks: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
