/**
 * Lists of an owner's runs that are narrowed without reading the runs: what narrows them is in the index by which they
 * are listed, so a run costs no more entries of indices than before. Here it is the order of the index that matters:
 * the owner, then the id, which is the order of the list, and then what is compared on the way.
 *
 * The columns have defaults, because a process of an older version, which still runs while others are upgraded, does not
 * name them: a trigger, which asks nothing else of anybody, fills them in for it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

/** What a document says of where its input came from. Quotes in a text are escaped, and what a client gave comes later. */
const source = (data: string) =>
  `coalesce(substring(${data} from '"source":"([a-z]+)","source_id":(?:null|"[^"]*")'), 'user')`

const sourceId = (data: string) =>
  `nullif(trim(both '"' from substring(${data} from '"source":"[a-z]+","source_id":(null|"[^"]*")')), 'null')`

const statements = [
  `alter table runs
    add column agent_id text collate "C" not null default '',
    add column source text collate "C" not null default 'user',
    add column source_id text collate "C"`,
  `update runs set agent_id = sessions.agent_id, source = ${source("runs.data")}, source_id = ${sourceId("runs.data")}
    from sessions where sessions.id = runs.session_id`,
  `create function fill_in_run() returns trigger language plpgsql as $$
    begin
      new.agent_id := coalesce((select agent_id from sessions where id = new.session_id), '');
      new.source := ${source("new.data")};
      new.source_id := ${sourceId("new.data")};
      return new;
    end $$`,
  "create trigger fill_in_run before insert on runs for each row when (new.agent_id = '') execute function fill_in_run()",
  "drop index runs_by_owner",
  "create index runs_by_owner on runs (owner, id, created_at, status, agent_id, source, source_id)"
]

export const runFilters: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
