import * as SqlClient from "@effect/sql/SqlClient"
import { Effect, Layer } from "effect"
import * as Pglite from "../../src/layers/Sql/pglite/Pglite.ts"

/** An embedded database in memory that no migration has run in. */
export const emptyPglite = Layer.effectDiscard(
  Effect.flatMap(SqlClient.SqlClient, (sql) => sql`drop schema public cascade; create schema public`)
).pipe(Layer.provideMerge(Pglite.layer({ dataDir: undefined })))
