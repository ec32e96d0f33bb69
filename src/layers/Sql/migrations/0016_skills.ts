/** Skills of workspaces and of libraries, and their files, in pieces. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table skill_bundles (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    state text collate "C" not null
  )`,
  "create index skill_bundles_by_owner on skill_bundles (owner, id)",
  "create index skill_bundles_open on skill_bundles (id) where state = 'open'",

  `create table skill_pieces (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    bundle text collate "C" not null references skill_bundles on delete cascade
  )`,
  "create index skill_pieces_by_bundle on skill_pieces (bundle)",

  // The id of a skill says its owner, its place and its name, so that a place has one of each name.
  `create table skills (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    workspace text collate "C" not null,
    shared text collate "C" not null,
    bundle text collate "C" not null references skill_bundles on delete cascade
  )`,
  "create index skills_by_owner on skills (owner, id)",
  "create index skills_by_workspace on skills (owner, workspace, id)",
  "create index skills_by_bundle on skills (bundle)",
  "create index skills_shared on skills (id) where shared <> ''"
]

export const skills: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
