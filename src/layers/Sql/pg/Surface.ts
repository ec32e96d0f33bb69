/** What both PostgreSQL backends add to a `SqlClient` so that it can stand for a `PgClient`. */
import * as PgClient from "@effect/sql-pg/PgClient"
import type * as SqlClient from "@effect/sql/SqlClient"
import * as Statement from "@effect/sql/Statement"
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
