/** Files of sessions: bytes once an owner and content, in pieces, and who holds them. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  // A file whose pieces are not all there yet is not whole; nobody can read it.
  `create table files (
    owner text collate "C" not null,
    hash text collate "C" not null,
    size integer not null,
    is_whole boolean not null default false,
    primary key (owner, hash)
  )`,

  `create table file_pieces (
    owner text collate "C" not null,
    hash text collate "C" not null,
    n integer not null,
    bytes bytea not null,
    primary key (owner, hash, n),
    foreign key (owner, hash) references files on delete cascade
  )`,
  // Pictures do not compress.
  "alter table file_pieces alter column bytes set storage external",

  // The session's hold on a file. The file cannot go while there is one.
  `create table session_files (
    session_id text collate "C" not null references sessions on delete cascade,
    hash text collate "C" not null,
    owner text collate "C" not null,
    media_type text not null,
    name text,
    created_at timestamptz not null,
    is_kept boolean not null default false,
    primary key (session_id, hash),
    foreign key (owner, hash) references files
  )`,
  "create index session_files_by_file on session_files (owner, hash)",
  "create index session_files_not_kept on session_files (created_at) where not is_kept"
]

export const files: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
