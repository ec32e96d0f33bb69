/** A row for each call of a model. It refers to nothing: what was used stays when what used it goes. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table usage (
    id text collate "C" primary key,
    kind text collate "C" not null,
    owner text collate "C" not null,
    session_id text collate "C",
    run_id text collate "C",
    agent_id text collate "C",
    credential_id text collate "C",
    provider text collate "C",
    model text collate "C" not null,
    input_tokens bigint not null,
    output_tokens bigint not null,
    cache_input_tokens bigint not null,
    cache_creation_input_tokens bigint not null,
    reasoning_tokens bigint not null,
    cost numeric,
    first_token_ms bigint,
    duration_ms bigint,
    outcome text collate "C" not null,
    attempts integer not null,
    created_at timestamptz not null
  )`,
  // Every sum is over a range of one owner's calls.
  "create index usage_by_time on usage (owner, created_at)"
]

export const usage: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
