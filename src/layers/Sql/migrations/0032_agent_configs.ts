/** What users have told personal agents. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table agent_configs (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    agent_id text collate "C" not null references agents on delete cascade
  )`,
  "create index agent_configs_by_agent on agent_configs (agent_id)",
  "create index agent_configs_by_owner on agent_configs (owner, id)"
]

export const agentConfigs: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
