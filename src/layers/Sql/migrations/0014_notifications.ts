/** Jobs, whom to tell what, and what became of it. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const record = `
  id text collate "C" primary key,
  owner text collate "C" not null,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  data text not null`

const statements = [
  `create table jobs (${record},
    kind text not null,
    status text not null,
    run_at timestamptz not null,
    attempts integer not null default 0,
    worker text collate "C"
  )`,
  "create index jobs_pending on jobs (run_at) where status = 'pending'",
  "create index jobs_of_owner on jobs (owner, run_at, id) where status = 'pending'",
  "create index jobs_taken on jobs (worker) where status = 'pending' and worker is not null",
  "create index jobs_over on jobs (updated_at) where status <> 'pending'",

  `create table notifications (${record})`,
  "create index notifications_by_owner on notifications (owner, id)",

  `create table deliveries (${record},
    notification_id text collate "C" not null references notifications on delete cascade,
    status text not null
  )`,
  "create index deliveries_by_owner on deliveries (owner, id)",
  "create index deliveries_by_notification on deliveries (notification_id, id)",
  "create index deliveries_by_age on deliveries (created_at)"
]

export const notifications: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
