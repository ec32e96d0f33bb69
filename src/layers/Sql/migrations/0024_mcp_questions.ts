/** What MCP servers want of people: authorizations with tokens, and questions of tools that are under way. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table mcp_authorizations (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    server_id text collate "C" not null references mcp_servers on delete cascade,
    state text collate "C" not null
  )`,
  "create index mcp_authorizations_by_owner on mcp_authorizations (owner, id)",
  "create index mcp_authorizations_by_server on mcp_authorizations (server_id)",
  "create unique index mcp_authorizations_by_state on mcp_authorizations (state) where state <> ''",

  `create table elicitations (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    session_id text collate "C" not null references sessions on delete cascade,
    status text collate "C" not null
  )`,
  "create index elicitations_by_owner on elicitations (owner, id)",
  "create index elicitations_by_session on elicitations (session_id, id)",
  "create index elicitations_by_age on elicitations (created_at)"
]

export const mcpQuestions: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
