/** Every step of the database has a way back to exactly what was there before it. */
import * as SqlClient from "@effect/sql/SqlClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import * as Downgrade from "../../src/layers/Sql/Downgrade.ts"
import * as Migrations from "../../src/layers/Sql/Migrations.ts"
import { all } from "../../src/layers/Sql/migrations/All.ts"
import { downs } from "../../src/layers/Sql/migrations/Downs.ts"
import { lockClass } from "../../src/layers/Sql/pg/Living.ts"
import * as Pg from "../../src/layers/Sql/pg/Pg.ts"
import { emptyPglite } from "../support/emptyPglite.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

/** What there is, as PostgreSQL writes it down; the order of columns says nothing. */
const shape = Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly line: string }>`
    select format('column %s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        a.attstorage, coalesce(pg_get_expr(d.adbin, d.adrelid), '')) || coalesce(a.attcollation::regcollation::text, '') as line
      from pg_attribute a join pg_class c on c.oid = a.attrelid
      left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
      where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace and a.attnum > 0 and not a.attisdropped
    union all select format('table %s %s', relname, reloptions) from pg_class
      where relkind = 'r' and relnamespace = 'public'::regnamespace
    union all select 'index ' || indexdef from pg_indexes where schemaname = 'public'
    union all select format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid)) from pg_constraint
      where connamespace = 'public'::regnamespace
    union all select 'function ' || pg_get_functiondef(oid) from pg_proc where pronamespace = 'public'::regnamespace
    union all select 'trigger ' || pg_get_triggerdef(oid) from pg_trigger where not tgisinternal
    order by line`
  return rows.map(({ line }) => line)
})

const back = (to: number, force = false) => Downgrade.downgrade(all, downs, { to, force })

const names = Object.keys(all)
const versionOf = (name: string) => Number(name.slice(0, 4))

const agent = (sql: SqlClient.SqlClient) =>
  sql`insert into agents (id, owner, created_at, updated_at, data) values ('a', 'ada', now(), now(), '{}')`

const contract = <E>(name: string, connect: () => Promise<Layer.Layer<SqlClient.SqlClient, E>>) =>
  describe(`Downgrade contract: ${name}`, () => {
    const fresh = Layer.unwrapEffect(Effect.promise(connect))

    it.live(
      "takes each step back to what was there before it, down to nothing, and up again to the same",
      () =>
        Effect.gen(function*() {
          const before = new Map<string, ReadonlyArray<string>>()
          for (const [i, step] of names.entries()) {
            yield* Migrations.migrate(Object.fromEntries(Object.entries(all).slice(0, i)))
            before.set(step, yield* shape)
          }
          yield* Migrations.migrate(all)
          const whole = yield* shape
          for (const [i, step] of [...names.entries()].toReversed()) {
            assert.deepStrictEqual(yield* back(i === 0 ? 0 : versionOf(names[i - 1]!)), [step])
            assert.deepStrictEqual(yield* shape, before.get(step), step)
          }
          assert.deepStrictEqual(yield* back(0), [])
          assert.deepStrictEqual(yield* Migrations.migrate(all), names)
          assert.deepStrictEqual(yield* shape, whole)
          assert.deepStrictEqual(yield* back(0), names.toReversed())
        }).pipe(Effect.provide(fresh)),
      patience(120_000)
    )

    it.live("refuses what would lose data, and changes nothing, unless it may be lost", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* Migrations.migrate(all)
        yield* agent(sql)
        yield* sql`insert into claims (id, owner, created_at, updated_at, data) values ('c', 'ada', now(), now(), '{}')`
        const whole = yield* shape
        const refused = yield* Effect.flip(back(0))
        assert.deepInclude(refused, { _tag: "DowngradeRefused", reason: "loses_data" })
        assert.match(refused.message, /what is in claims, agents: add --force/)
        assert.deepStrictEqual(yield* shape, whole)
        assert.strictEqual((yield* back(2)).length, names.length - 2)
        assert.deepStrictEqual(yield* sql`select id from agents`, [{ id: "a" }])
        assert.deepStrictEqual(yield* back(0, true), names.slice(0, 2).toReversed())
      }).pipe(Effect.provide(fresh)), patience(60_000))

    it.live(
      "refuses while a server runs on it, a step that has no way back, and a database that is newer",
      () =>
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* Migrations.migrate(all)
          yield* sql.withTransaction(Effect.gen(function*() {
            yield* sql`select pg_advisory_xact_lock_shared(${lockClass}::int, 7)`
            assert.deepInclude(yield* Effect.flip(back(0)), { _tag: "DowngradeRefused", reason: "in_use" })
          }))
          const [last] = names.slice(-1)
          const stuck = Downgrade.downgrade(all, { ...downs, [last!]: null }, { to: 0, force: false })
          assert.deepInclude(yield* Effect.flip(stuck), { _tag: "DowngradeRefused", reason: "no_way_back" })
          yield* sql`insert into stoa_migrations (id, name) values (9999, 'newer')`
          assert.strictEqual((yield* Effect.flip(back(0)))._tag, "DatabaseTooNew")
          assert.deepStrictEqual((yield* Migrations.status(all)).filter(({ appliedAt }) => appliedAt === null), [])
        }).pipe(Effect.provide(fresh)),
      patience(60_000)
    )
  })

contract("Pglite", () => Promise.resolve(emptyPglite))
contract("Pg", () => freshDatabase().then((url) => Pg.layer({ url: Redacted.make(url) })))
