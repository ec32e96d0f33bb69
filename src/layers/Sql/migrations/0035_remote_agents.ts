/** Agents elsewhere, and which messages were sent to them. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table remote_agents (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    name text collate "C" not null
  )`,
  "create unique index remote_agents_by_name on remote_agents (owner, name)",
  "create index remote_agents_by_owner on remote_agents (owner, id)",
  `create table remote_calls (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null references sessions on delete cascade,
    run_id text collate "C" not null,
    agent_id text collate "C" not null,
    task_id text not null
  )`,
  "create index remote_calls_by_session on remote_calls (session_id, id)",
  "create index remote_calls_by_run on remote_calls (owner, run_id, id)"
]

export const remoteAgents: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
