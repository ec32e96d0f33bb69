/**
 * Takes steps of the database back, newest first, for an older stoa: all in one transaction, under the lock of the
 * migrations, while no server runs on it.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Data, Effect } from "effect"
import {
  DatabaseTooNew,
  lockKey,
  MigrationFailed,
  type Migrations,
  newestOf,
  parse,
  readApplied
} from "./Migrations.ts"
import { livingText } from "./pg/Living.ts"

/** The way back of a step. */
export interface Down {
  readonly statements: ReadonlyArray<string>
  /** Tables, or rows of one, such as `runs where driver is not null`: whatever is there would be lost. */
  readonly loses: ReadonlyArray<string>
}

/** The database is as it was. */
export class DowngradeRefused extends Data.TaggedError("DowngradeRefused")<{
  readonly reason: "in_use" | "loses_data" | "no_way_back"
  readonly message: string
}> {}

const inUse = new DowngradeRefused({
  reason: "in_use",
  message: "A server runs on this database: stop it first."
})

const losing = (what: ReadonlyArray<string>) =>
  new DowngradeRefused({
    reason: "loses_data",
    message: `This would lose what is in ${what.join(", ")}: add --force if that may be lost.`
  })

export interface Options {
  /** The version that is the newest then; 0 is an empty database. */
  readonly to: number
  /** Whether data may be lost. */
  readonly force: boolean
}

const isThere = (rows: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql.unsafe<{ readonly there: boolean }>(`select exists (select from ${rows}) as there`),
      ([row]) => row?.there === true
    ))

/** Answers the names of the steps that were taken back. */
export const downgrade = (
  steps: Migrations,
  downs: Readonly<Record<string, Down | null>>,
  { force, to }: Options
): Effect.Effect<
  ReadonlyArray<string>,
  DatabaseTooNew | DowngradeRefused | MigrationFailed | SqlError.SqlError,
  SqlClient.SqlClient
> =>
  Effect.gen(function*() {
    const known = parse(steps).toReversed()
    const sql = yield* SqlClient.SqlClient
    return yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql`set local statement_timeout = 0`
      yield* sql`select pg_advisory_xact_lock(${lockKey})`
      const applied = yield* readApplied
      const database = newestOf(applied)
      const newest = known[0]?.id ?? 0
      if (database > newest) return yield* new DatabaseTooNew({ database, known: newest })
      if ((yield* sql.unsafe(livingText)).length > 0) return yield* inUse
      const done = new Set(applied.map(({ id }) => id))
      const back = known.filter(({ id }) => id > to && done.has(id))
      const lost = force
        ? []
        : yield* Effect.filter(back.flatMap(({ key }) => downs[key]?.loses ?? []), isThere)
      if (lost.length > 0) return yield* losing(lost)
      return yield* Effect.forEach(back, ({ id, key }) =>
        Effect.gen(function*() {
          const down = downs[key] ?? null
          if (down === null) {
            return yield* new DowngradeRefused({
              reason: "no_way_back",
              message: `The step ${key} cannot be taken back. Nothing was changed.`
            })
          }
          yield* Effect.forEach(down.statements, (statement) => sql.unsafe(statement), { discard: true })
          yield* sql`delete from stoa_migrations where id = ${id}`
          return key
        }).pipe(
          Effect.catchTag("SqlError", (cause) => new MigrationFailed({ name: key, cause }))
        ))
    }))
  }).pipe(Effect.withSpan("Downgrade.downgrade"))
