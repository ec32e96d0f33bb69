/**
 * The newest compaction of each session: with it a room is made without reading what its summary stands for. The log tells
 * of it too, but its old pages may be removed. `seq` is the place of the first message that is given beside the summary.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Effect } from "effect"

const statements = [
  `create table compactions (
    session_id text collate "C" primary key references sessions on delete cascade,
    seq integer not null,
    owner text collate "C" not null,
    data text not null
  )`,
  "alter table compactions set (toast_tuple_target = 8160)",
  "alter table compactions alter column data set storage external"
]

export const context: Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient> = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true })
)
