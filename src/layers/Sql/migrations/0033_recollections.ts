/** What agents remember of their users across sessions. It goes with the agent. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table recollections (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    agent_id text collate "C" not null references agents on delete cascade
  )`,
  "create index recollections_by_owner on recollections (owner, agent_id, id)",
  "create index recollections_by_agent on recollections (agent_id)"
]

export const recollections: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
