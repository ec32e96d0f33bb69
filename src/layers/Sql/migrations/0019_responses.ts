/** Responses that clients may come back for, and conversations. What was said is in the log of their sessions. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table responses (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null references sessions on delete cascade,
    run_id text collate "C" not null
  )`,
  "create index responses_by_session on responses (session_id)",
  "create index responses_by_run on responses (run_id, id)",
  "create index responses_by_owner on responses (owner, id)",
  // A conversation outlives its session, so this is no reference.
  `create table conversations (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null
  )`,
  "create index conversations_by_session on conversations (session_id) where session_id <> ''",
  "create index conversations_by_owner on conversations (owner, id)"
]

export const responses: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
