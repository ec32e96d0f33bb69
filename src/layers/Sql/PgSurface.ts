/** What both PostgreSQL backends add to a `SqlClient` so that it can stand for a `PgClient`. */
import type { SqlClient } from "@effect/sql"
import { Statement } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Effect } from "effect"

const jsonFragment = Statement.custom<PgClient.PgCustom>("PgJson")

export const withPgSurface = (
  sql: SqlClient.SqlClient,
  config: PgClient.PgClientConfig,
  listen: PgClient.PgClient["listen"]
): PgClient.PgClient =>
  Object.assign(sql, {
    [PgClient.TypeId]: PgClient.TypeId,
    config,
    listen,
    // As text: node-postgres would send a JavaScript array as a PostgreSQL array.
    json: (value: unknown) => jsonFragment(JSON.stringify(value), undefined, undefined),
    // The library's own `NOTIFY c, $1` is a syntax error.
    notify: (channel: string, payload: string) => Effect.asVoid(sql`select pg_notify(${channel}, ${payload})`)
  })
