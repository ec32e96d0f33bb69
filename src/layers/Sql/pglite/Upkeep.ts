/**
 * The work of the background processes PGlite does not have: without it the
 * write-ahead log grows for ever, and with it the time to reopen after a kill;
 * dead rows are never cleared and the planner never learns a table's size.
 */
import type * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

/** Bytes of log since the last checkpoint after which the next one is made. */
const checkpointBytes = 64 * 1024 * 1024

const interval = "30 seconds"

/** One table at a time, so that other statements come in between. Thresholds as autovacuum's defaults. */
export const once = (sql: SqlClient.SqlClient): Effect.Effect<void, SqlError.SqlError> =>
  Effect.gen(function*() {
    const tables = yield* sql<{ readonly name: string; readonly vacuum: boolean }>`
      select s.relid::regclass::text as name,
        s.n_dead_tup > 50 + 0.2 * c.reltuples
          or s.n_ins_since_vacuum > 1000 + 0.2 * c.reltuples
          or age(c.relfrozenxid) > 150000000 as vacuum
      from pg_stat_all_tables s join pg_class c on c.oid = s.relid
      where c.relkind in ('r', 'm') and c.relpersistence = 'p' and s.schemaname <> 'pg_toast'
        and (s.n_dead_tup > 50 + 0.2 * c.reltuples
          or s.n_ins_since_vacuum > 1000 + 0.2 * c.reltuples
          or s.n_mod_since_analyze > 50 + 0.1 * c.reltuples
          or age(c.relfrozenxid) > 150000000)`
    yield* Effect.forEach(
      tables,
      ({ name, vacuum }) => sql.unsafe(vacuum ? `vacuum (analyze) ${name}` : `analyze ${name}`),
      { discard: true }
    )
    const [log] = yield* sql<{ readonly bytes: string }>`
      select pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn) as bytes from pg_control_checkpoint()`
    if (Number(log?.bytes) > checkpointBytes) yield* sql`checkpoint`
  }).pipe(Effect.withSpan("PgliteUpkeep.once"))

export const run = (sql: SqlClient.SqlClient): Effect.Effect<never> =>
  Effect.sleep(interval).pipe(
    Effect.zipRight(once(sql)),
    Effect.catchAllCause((cause) => Effect.logWarning("Database upkeep failed", cause)),
    Effect.forever
  )
