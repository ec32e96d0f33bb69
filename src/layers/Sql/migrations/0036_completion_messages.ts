/** What stored completions were answers to, apart from them. */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table completion_messages (
    id text collate "C" primary key,
    owner text collate "C" not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    data text not null,
    completion_id text collate "C" not null references stored_completions on delete cascade
  )`,
  "create index completion_messages_by_owner on completion_messages (owner, id)",
  "create index completion_messages_by_completion on completion_messages (completion_id)"
]

export const completionMessages: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
