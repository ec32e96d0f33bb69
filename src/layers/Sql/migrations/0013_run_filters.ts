/**
 * Lists of an owner's runs that are narrowed without reading the runs: what narrows them is in the index by which they
 * are listed, so a run costs no more entries of indices than before. Here it is the order of the index that matters:
 * the owner, then the id, which is the order of the list, and then what is compared on the way.
 *
 * The columns have defaults, because a process of an older version, which still runs while others are upgraded, does not
 * name them: what such a process accepts is found by all but these columns.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `alter table runs
    add column agent_id text collate "C" not null default '',
    add column source text collate "C" not null default 'user',
    add column source_id text collate "C"`,
  // Quotes in a text are escaped, so these words stand in no text; and what a client gave comes after what is found first.
  `update runs set agent_id = sessions.agent_id,
      source = coalesce(substring(runs.data from '"reply_id":"[^"]*","source":"([a-z]+)"'), 'user'),
      source_id = nullif(trim(both '"' from substring(
        runs.data from '"reply_id":"[^"]*","source":"[a-z]+","source_id":(null|"[^"]*")'
      )), 'null')
    from sessions where sessions.id = runs.session_id`,
  "drop index runs_by_owner",
  "create index runs_by_owner on runs (owner, id, created_at, status, agent_id, source, source_id)"
]

export const runFilters: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
