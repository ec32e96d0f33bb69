/** MCP servers: those of workspaces, and those of a tenant's library, whose `workspace` is empty. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table mcp_servers (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    workspace text collate "C" not null,
    name text collate "C" not null,
    shared text collate "C" not null
  )`,
  // Two servers of one workspace would have tools of the same names.
  "create unique index mcp_servers_by_name on mcp_servers (owner, workspace, name)",
  "create index mcp_servers_by_owner on mcp_servers (owner, id)",
  "create index mcp_servers_shared on mcp_servers (id) where shared <> ''"
]

export const mcpServers: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
