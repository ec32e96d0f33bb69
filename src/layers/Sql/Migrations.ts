/**
 * The database's shape, one step per version. Steps run in one
 * transaction under a lock that every process asks for first: when two start at
 * once, the second finds the work done. Not @effect/sql's Migrator: it creates
 * its table unguarded, turns a failing step into a defect, and does not notice
 * a database that is newer than the code.
 */
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlError from "@effect/sql/SqlError"
import { Data, Effect } from "effect"

/** By name: `0001_records`, where the number is the version. */
export type Migrations = Readonly<Record<string, Effect.Effect<void, SqlError.SqlError, SqlClient.SqlClient>>>

export interface MigrationStatus {
  readonly id: number
  readonly name: string
  /** `null` means that this stoa knows the step and the database does not have it yet. */
  readonly appliedAt: Date | null
}

/** The database has been used by a newer stoa, whose tables this one does not understand. */
export class DatabaseTooNew extends Data.TaggedError("DatabaseTooNew")<{
  readonly database: number
  readonly known: number
}> {
  override get message() {
    return `The database is at version ${this.database}, this stoa knows ${this.known}: upgrade stoa.`
  }
}

/** A step failed; the database is as it was before. */
export class MigrationFailed extends Data.TaggedError("MigrationFailed")<{
  readonly name: string
  readonly cause: SqlError.SqlError
}> {
  override get message() {
    const { cause } = this.cause
    return `Migration ${this.name} failed: ${cause instanceof Error ? cause.message : this.cause.message}. ` +
      "Nothing was changed."
  }
}

/** Any number, the same in every process and used for nothing else: "stoa" in ASCII. */
export const lockKey = 0x73746f61

export const parse = (migrations: Migrations) => {
  const steps = Object.entries(migrations).map(([key, run]) => {
    const [, digits, name] = /^(\d+)_(\w+)$/.exec(key) ?? []
    if (digits === undefined || name === undefined) throw new Error(`Migration ${key} is not named like 0001_records`)
    return { id: Number(digits), name, key, run }
  }).toSorted((a, b) => a.id - b.id)
  const twice = steps.find(({ id }, i) => steps[i + 1]?.id === id)
  if (twice !== undefined) throw new Error(`Two migrations have the number ${twice.id}`)
  return steps
}

interface Applied {
  readonly id: number
  readonly name: string
  readonly applied_at: Date
}

export const readApplied = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const [table] = yield* sql<{ readonly there: boolean }>`select to_regclass('stoa_migrations') is not null as there`
  return table?.there === true ? yield* sql<Applied>`select id, name, applied_at from stoa_migrations order by id` : []
})

export const newestOf = (rows: ReadonlyArray<{ readonly id: number }>) => rows.at(-1)?.id ?? 0

/** Runs the missing steps, and returns their names. */
export const migrate = (
  migrations: Migrations
): Effect.Effect<ReadonlyArray<string>, DatabaseTooNew | MigrationFailed | SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.gen(function*() {
    const steps = parse(migrations)
    const sql = yield* SqlClient.SqlClient
    return yield* sql.withTransaction(Effect.gen(function*() {
      yield* sql`set local statement_timeout = 0`
      yield* sql`select pg_advisory_xact_lock(${lockKey})`
      yield* sql`create table if not exists stoa_migrations (
        id integer primary key,
        name text not null,
        applied_at timestamptz not null default now()
      )`
      const applied = yield* readApplied
      const database = newestOf(applied)
      const known = newestOf(steps)
      if (database > known) return yield* new DatabaseTooNew({ database, known })
      const done = new Set(applied.map(({ id }) => id))
      return yield* Effect.forEach(steps.filter(({ id }) => !done.has(id)), ({ id, key, name, run }) =>
        run.pipe(
          Effect.zipRight(sql`insert into stoa_migrations ${sql.insert({ id, name })}`),
          Effect.mapError((cause) => new MigrationFailed({ name: key, cause })),
          Effect.as(key)
        ))
    }))
  }).pipe(Effect.withSpan("Migrations.migrate"))

/** Every step this stoa knows, and those of a newer one that the database has had. Changes nothing. */
export const status = (
  migrations: Migrations
): Effect.Effect<ReadonlyArray<MigrationStatus>, SqlError.SqlError, SqlClient.SqlClient> =>
  Effect.map(readApplied, (applied) => {
    const rows = new Map<number, MigrationStatus>(
      parse(migrations).map(({ id, name }) => [id, { id, name, appliedAt: null }])
    )
    for (const { applied_at, id, name } of applied) rows.set(id, { id, name, appliedAt: applied_at })
    return [...rows.values()].toSorted((a, b) => a.id - b.id)
  }).pipe(Effect.withSpan("Migrations.status"))
