/**
 * A table per noun. Ids compare bytewise, so every backend pages alike. A
 * document is `text`, not `jsonb`: it is written and read whole, by us; jsonb
 * refuses `\u0000` and lone surrogates, which users may write, and PGlite hangs
 * on deeply nested values. Look into one with `data::json`.
 */
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
  `create table agents (${record})`,
  "create index agents_by_owner on agents (owner, id)",

  `create table credentials (${record}, type text not null)`,
  "create index credentials_by_owner on credentials (owner, id)",

  `create table sessions (${record},
    agent_id text collate "C" not null references agents on delete cascade
  )`,
  "create index sessions_by_owner on sessions (owner, id)",
  "create index sessions_by_agent on sessions (agent_id, id)",

  `create table runs (${record},
    session_id text collate "C" not null references sessions on delete cascade,
    status text not null
  )`,
  "create index runs_by_owner on runs (owner, id)",
  "create index runs_by_session on runs (session_id, id)",
  "create index runs_not_ended on runs (session_id, id) where status <> 'ended'",

  `create table keys (${record})`,
  "create index keys_by_owner on keys (owner, id)",

  // `seq` is the place in the transcript; an id is unique within its session only, so that a copied transcript keeps its ids.
  `create table messages (
    session_id text collate "C" not null references sessions on delete cascade,
    seq integer not null,
    id text collate "C" not null,
    owner text collate "C" not null,
    data text not null,
    primary key (session_id, seq),
    unique (session_id, id)
  )`,

  // The primary key is the fence.
  `create table log_pages (
    session_id text collate "C" not null references sessions on delete cascade,
    first_seq integer not null,
    last_seq integer not null,
    run_id text collate "C",
    ends boolean not null,
    frames text not null,
    primary key (session_id, first_seq)
  )`,

  // Written while somebody waits: up to 8 KB in the row, more beside it, never compressed, which takes longer than the rest.
  ...[["runs", "data"], ["messages", "data"], ["log_pages", "frames"]].flatMap(([table, column]) => [
    `alter table ${table} set (toast_tuple_target = 8160)`,
    `alter table ${table} alter column ${column} set storage external`
  ])
]

export const initial: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
