/** Which sessions the keys of channels' clients stand for, and which were made for one request. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table session_keys (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null references sessions on delete cascade,
    kind text not null
  )`,
  "create index session_keys_by_session on session_keys (session_id)",
  "create index session_keys_by_owner on session_keys (owner, id)",
  // What the removal of sessions for one request looks at: the oldest first.
  "create index session_keys_once on session_keys (id) where kind = 'once'"
]

export const channels: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
