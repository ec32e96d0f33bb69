import { SqlClient } from "@effect/sql"
import type { SqlError } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it, layer } from "@effect/vitest"
import { Cause, Deferred, Duration, Effect, Either, Exit, Fiber, Layer, Redacted, Stream } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import * as Fs from "node:fs/promises"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Migrations from "../../src/layers/Sql/Migrations.ts"
import * as Pg from "../../src/layers/Sql/pg/Pg.ts"
import * as DataDir from "../../src/layers/Sql/pglite/DataDir.ts"
import * as DirectoryLock from "../../src/layers/Sql/pglite/DirectoryLock.ts"
import * as Pglite from "../../src/layers/Sql/pglite/Pglite.ts"
import * as PgliteUpkeep from "../../src/layers/Sql/pglite/Upkeep.ts"
import { Prepared } from "../../src/layers/Sql/Prepared.ts"
import { Turns } from "../../src/layers/Sql/Turns.ts"
import { chaosBefore } from "../support/Chaos.ts"
import { emptyPglite } from "../support/emptyPglite.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase, type Postgres, startPostgres } from "../support/Postgres.ts"

type Sql = SqlClient.SqlClient | PgClient.PgClient | Prepared

const sqlContract = <E>(name: string, sqlLayer: Layer.Layer<Sql, E>) =>
  layer(sqlLayer, { timeout: patience(60_000), excludeTestServices: true })(`SqlClient contract: ${name}`, (it) => {
    it.effect("returns what was inserted", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table person (id serial primary key, name text not null, age int)`
        const rows = yield* sql`insert into person ${
          sql.insert([{ name: "Ada", age: 36 }, { name: "Bob", age: null }])
        } returning *`
        assert.deepStrictEqual(rows, [{ id: 1, name: "Ada", age: 36 }, { id: 2, name: "Bob", age: null }])
        assert.deepStrictEqual(yield* sql`select name from person where ${sql.in("id", [2, 3])}`, [{ name: "Bob" }])
        assert.deepStrictEqual(yield* sql`select id, name from person order by id`.values, [[1, "Ada"], [2, "Bob"]])
        const result = (yield* sql`update person set age = ${37} where id = ${1}`.raw) as {
          rowCount: number
          command: string
        }
        assert.deepStrictEqual([result.command, result.rowCount], ["UPDATE", 1])
      }))

    it.effect("keeps jsonb, written as text or through sql.json", () =>
      Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const value = { text: "it's \"quoted\" \\ ünï 🏛", list: [1, null, { deep: true }], big: 1e21, "": "" }
        yield* sql`create table doc (id int primary key, body jsonb)`
        yield* sql`insert into doc ${sql.insert({ id: 1, body: JSON.stringify(value) })}`
        yield* sql`insert into doc (id, body) values (2, ${sql.json([1, "two"])}), (3, ${sql.json("text")})`
        yield* sql`insert into doc (id, body) values (4, ${{ a: 1 }}::jsonb)`
        const rows = yield* sql<{ body: unknown }>`select body from doc order by id`
        assert.deepStrictEqual(rows.map(({ body }) => body), [value, [1, "two"], "text", { a: 1 }])
        assert.deepStrictEqual(yield* sql`select array[body, body] as x from doc where id = 4`, [{
          x: [{ a: 1 }, { a: 1 }]
        }])
      }))

    it.effect("takes arrays as parameters, for one insert of many rows", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const prepared = yield* Prepared
        const names = [
          "plain",
          "",
          "NULL",
          "null",
          "comma,",
          "br{ac}e",
          "\"quote\"",
          "back\\slash",
          "line\nbreak",
          " ",
          "é🏛",
          null
        ]
        const numbers = names.map((_, i) => i === 0 ? 9007199254740993n : i === 1 ? "-9223372036854775808" : i)
        yield* sql`create table event (id bigint primary key, name text, tags text[], sizes bigint[])`
        const text = "insert into event (id, name) select * from unnest($1::bigint[], $2::text[]) returning id, name"
        const rows = yield* prepared.execute(text, [numbers, names])
        assert.deepStrictEqual(rows, names.map((name, i) => ({ id: String(numbers[i]), name })))
        yield* sql`update event set tags = ${names}, sizes = ${[1, null, 2n ** 60n]} where id = 2`
        assert.deepStrictEqual(yield* sql`select tags, sizes from event where id = 2`, [
          { tags: names, sizes: ["1", null, "1152921504606846976"] }
        ])
        assert.deepStrictEqual(
          yield* sql`select ${[[1, 2], [3, 4]]}::int[] as m, ${[]}::text[] as e, ${[true, false]}::bool[] as b`,
          [
            { m: [[1, 2], [3, 4]], e: [], b: [true, false] }
          ]
        )
        const bodies = [JSON.stringify({ a: "x\"y\\z" }), "[1,2]"]
        assert.deepStrictEqual(yield* sql`select * from unnest(${bodies}::jsonb[]) as body`, [{
          body: { a: "x\"y\\z" }
        }, { body: [1, 2] }])
      }))

    it.effect("gives bigint and numeric as text, times as dates, bytes as bytes", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const at = new Date("2026-03-29T01:30:00.123Z")
        const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
        yield* sql`create table kinds (i8 int8, n numeric, t timestamptz, b bytea, f float8, ok bool, u uuid, bs bytea[])`
        const uuid = "0198c2a1-0000-7000-8000-000000000000"
        yield* sql`insert into kinds values (${
          2n ** 53n + 1n
        }, ${"1.10"}, ${at}, ${bytes}, ${0.1}, ${true}, ${uuid}, ${[bytes]})`
        const [row] = yield* sql<Record<string, unknown>>`select * from kinds`
        assert.deepStrictEqual(row, {
          i8: "9007199254740993",
          n: "1.10",
          t: at,
          b: bytes,
          f: 0.1,
          ok: true,
          u: uuid,
          bs: [bytes]
        })
        assert.isTrue(Buffer.isBuffer(row!["b"]))
        assert.deepStrictEqual(yield* sql`select count(*) as n, sum(1) as s from kinds`, [{ n: "1", s: "1" }])
        assert.deepStrictEqual(yield* sql`select ${undefined}::text as u, ${null}::int as n, ${""} as e`, [{
          u: null,
          n: null,
          e: ""
        }])
      }))

    it.effect("replaces half a character by the replacement character, instead of breaking the message", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        assert.deepStrictEqual(
          yield* sql`select ${"é\udc00"}::text as a, ${"\ud83c"}::text as b, ${"next"}::text as c`,
          [
            { a: "é\ufffd", b: "\ufffd", c: "next" }
          ]
        )
      }))

    it.effect("refuses what a JavaScript array is not: jsonb", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const error = yield* Effect.flip(sql`select ${[1, 2]}::jsonb`)
        assert.strictEqual(codeOf(error), "22P02")
      }))

    it.effect("runs several statements in one text without parameters", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql.unsafe("create table several (a int); insert into several values (1), (2);")
        assert.deepStrictEqual(yield* sql`select sum(a)::int as s from several`, [{ s: 3 }])
      }))

    it.effect("goes on after a failed statement, and says PostgreSQL's code", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        for (const statement of [sql`select * from nowhere`, sql`select * from nowhere where a = ${1}`]) {
          assert.strictEqual(codeOf(yield* Effect.flip(statement)), "42P01")
        }
        yield* sql`create table uniq (id int primary key)`
        yield* sql`insert into uniq values (${1})`
        assert.strictEqual(codeOf(yield* Effect.flip(sql`insert into uniq values (${1})`)), "23505")
        yield* sql`insert into uniq values (${2})`
        assert.deepStrictEqual(yield* sql`select count(*)::int as n from uniq`, [{ n: 2 }])
      }))

    it.effect("keeps a prepared statement right when its table changes", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const prepared = yield* Prepared
        yield* sql`create table shifting (a int)`
        yield* sql`insert into shifting values (1)`
        const read = prepared.execute("select * from shifting where a = $1", [1])
        assert.deepStrictEqual(yield* read, [{ a: 1 }])
        yield* sql`alter table shifting add column b text default 'new'`
        assert.deepStrictEqual(yield* read, [{ a: 1, b: "new" }])
        yield* sql.unsafe(
          "do $$ begin alter table shifting alter column b drop default, alter column b type int using 7; end $$"
        )
        assert.deepStrictEqual(yield* read, [{ a: 1, b: 7 }])
        yield* sql`deallocate all`
        assert.deepStrictEqual(yield* sql`select * from shifting where a = ${1}`, [{ a: 1, b: 7 }])
      }))

    it.effect("commits a transaction, and undoes an inner one alone", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const prepared = yield* Prepared
        yield* sql`create table nested (id int)`
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* prepared.execute("insert into nested values ($1)", [1])
          const inner = yield* Effect.either(sql.withTransaction(
            Effect.zipRight(prepared.execute("insert into nested values ($1)", [2]), Effect.fail("no" as const))
          ))
          assert.deepStrictEqual(inner, Either.left("no"))
          yield* sql.withTransaction(sql`insert into nested values (3)`)
        }))
        assert.deepStrictEqual(yield* sql`select id from nested order by id`, [{ id: 1 }, { id: 3 }])
      }))

    it.effect("undoes everything when the outer transaction fails", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const prepared = yield* Prepared
        yield* sql`create table undone (id int)`
        const exit = yield* Effect.exit(sql.withTransaction(Effect.gen(function*() {
          yield* sql.withTransaction(sql`insert into undone values (${1})`)
          yield* prepared.execute("insert into undone values ($1)", [2])
          return yield* Effect.fail("no")
        })))
        assert.isTrue(Exit.isFailure(exit))
        assert.deepStrictEqual(yield* sql`select id from undone`, [])
      }))

    it.effect("survives an SQL error inside an inner transaction", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table careful (id int primary key)`
        yield* sql.withTransaction(Effect.gen(function*() {
          yield* sql`insert into careful values (1)`
          const error = yield* Effect.flip(sql.withTransaction(sql`insert into careful values (${1})`))
          assert.strictEqual(codeOf(error as SqlError.SqlError), "23505")
          yield* sql`insert into careful values (2)`
        }))
        assert.deepStrictEqual(yield* sql`select id from careful order by id`, [{ id: 1 }, { id: 2 }])
      }))

    it.effect("rolls back when interrupted, and the connection serves again", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table stopped (id int)`
        const inside = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(sql.withTransaction(
          sql`insert into stopped values (1)`.pipe(
            Effect.zipRight(Deferred.succeed(inside, undefined)),
            Effect.zipRight(Effect.never)
          )
        ))
        yield* Deferred.await(inside)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* sql`select id from stopped`, [])
      }))

    it.effect("interrupts at any moment without losing the connection", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        yield* sql`create table shaken (id int)`
        yield* Effect.forEach(Array.from({ length: 120 }), (_, i) =>
          Effect.gen(function*() {
            const fiber = yield* Effect.fork(sql.withTransaction(
              Effect.zipRight(sql`insert into shaken values (${i})`, sql`insert into shaken values (${i})`)
            ))
            for (let turns = 0; turns < i % 13; turns++) yield* Effect.yieldNow()
            if (i % 3 === 0) yield* Effect.sleep(i % 5)
            yield* Fiber.interrupt(fiber)
          }), { concurrency: 8, discard: true })
        const [odd] = yield* sql`select id from shaken group by id having count(*) <> 2`
        assert.isUndefined(odd)
        assert.deepStrictEqual(yield* sql.withTransaction(sql`select 1 as one`), [{ one: 1 }])
      }), patience(30_000))

    it.effect("keeps 70 concurrent fibers apart, in and out of transactions", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const prepared = yield* Prepared
        yield* sql`create table account (id int primary key, amount int not null)`
        yield* sql`insert into account values (1, 0), (2, 0)`
        yield* Effect.forEach(Array.from({ length: 70 }), (_, i) =>
          i % 7 === 6
            ? prepared.execute("select sum(amount)::int as s from account where id > $1", [0]).pipe(
              Effect.tap((rows) => assert.deepStrictEqual(rows, [{ s: 0 }]))
            )
            : sql.withTransaction(Effect.gen(function*() {
              yield* sql`update account set amount = amount + ${i} where id = 1`
              yield* Effect.yieldNow()
              yield* sql`update account set amount = amount - ${i} where id = 2`
              if (i % 10 === 5) return yield* Effect.fail("undo")
            })).pipe(Effect.ignore), { concurrency: "unbounded", discard: true })
        const expected = Array.from({ length: 70 }, (_, i) => i).filter((i) => i % 7 !== 6 && i % 10 !== 5)
          .reduce((a, b) => a + b, 0)
        assert.deepStrictEqual(yield* sql`select amount from account order by id`, [{ amount: expected }, {
          amount: -expected
        }])
      }), patience(30_000))

    it.effect("orders the statements of fibers within one transaction", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql.withTransaction(
          Effect.forEach(Array.from({ length: 30 }), (_, i) => sql`select ${i}::int as i`, { concurrency: "unbounded" })
        )
        assert.deepStrictEqual(rows.map(([row]) => row), Array.from({ length: 30 }, (_, i) => ({ i })))
      }))

    it.effect("streams rows, with parameters, in and out of transactions, and stops early", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const numbers = sql<{ i: number }>`select i from generate_series(1, ${1000}::int) as i`.stream
        assert.strictEqual(yield* Stream.runFold(numbers, 0, (sum, { i }) => sum + i), 500500)
        assert.strictEqual(yield* sql.withTransaction(Stream.runCount(numbers)), 1000)
        assert.deepStrictEqual([...(yield* Stream.runCollect(Stream.take(numbers, 3)))], [{ i: 1 }, { i: 2 }, { i: 3 }])
        assert.deepStrictEqual([...(yield* Stream.runCollect(sql`select 1 as a where false`.stream))], [])
        assert.strictEqual(
          codeOf((yield* Effect.flip(Stream.runDrain(sql`select 1 / ${0}::int`.stream))) as SqlError.SqlError),
          "22012"
        )
        assert.deepStrictEqual(yield* sql`select 1 as one`, [{ one: 1 }])
      }))

    it.effect("delivers what is notified to those who listen, and to no others", () =>
      Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const channel = "stoa \"Bus\""
        const [first, second] = yield* Effect.all([
          Effect.fork(Stream.runCollect(Stream.take(sql.listen(channel), 2))),
          Effect.fork(Stream.runCollect(Stream.take(sql.listen(channel), 1)))
        ])
        yield* Effect.sleep("300 millis")
        yield* sql.notify("another", "not for you")
        yield* sql.notify(channel, "one ünï")
        yield* Effect.ignore(sql.withTransaction(Effect.zipRight(sql.notify(channel, "taken back"), Effect.fail("no"))))
        yield* sql.withTransaction(sql`select pg_notify(${channel}, 'two')`)
        assert.deepStrictEqual([...(yield* Fiber.join(first))], ["one ünï", "two"])
        assert.deepStrictEqual([...(yield* Fiber.join(second))], ["one ünï"])
      }), patience(15_000))
  })

const codeOf = ({ cause }: SqlError.SqlError) => cause instanceof Error && "code" in cause ? cause.code : cause

const steps = (...names: ReadonlyArray<string>): Migrations.Migrations =>
  Object.fromEntries(names.map((name, i) => [
    `000${i + 1}_${name}`,
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table ${sql(name)} (id int)`
    })
  ]))

/** `connect` gives clients of one new and empty database. */
const migrationsContract = <E>(name: string, connect: () => Promise<Layer.Layer<Sql, E>>) =>
  describe(`Migrations contract: ${name}`, () => {
    const fresh = Effect.map(Effect.promise(connect), (client) => client)

    it.live("runs each step once, in order, and says what it ran", () =>
      Effect.gen(function*() {
        const before = yield* Migrations.status(steps("a", "b"))
        assert.deepStrictEqual(before, [{ id: 1, name: "a", appliedAt: null }, { id: 2, name: "b", appliedAt: null }])
        assert.deepStrictEqual(yield* Migrations.migrate(steps("a", "b")), ["0001_a", "0002_b"])
        assert.deepStrictEqual(yield* Migrations.migrate(steps("a", "b")), [])
        assert.deepStrictEqual(yield* Migrations.migrate(steps("a", "b", "c")), ["0003_c"])
        const after = yield* Migrations.status(steps("a", "b", "c", "d"))
        assert.deepStrictEqual(after.map((step) => [step.id, step.name, step.appliedAt instanceof Date]), [
          [1, "a", true],
          [2, "b", true],
          [3, "c", true],
          [4, "d", false]
        ])
      }).pipe(Effect.provide(Layer.unwrapEffect(fresh))), patience(30_000))

    it.live("lets two clients migrate at once: one works, the other finds it done", () =>
      Effect.gen(function*() {
        const client = yield* fresh
        // For PostgreSQL two pools; PGlite has one client per database.
        const pools = name === "Pg" ? [client, Layer.fresh(client)] : [client]
        const ran = yield* Effect.scoped(Effect.gen(function*() {
          const contexts = yield* Effect.forEach(pools, Layer.build)
          return yield* Effect.forEach(Array.from({ length: 6 }), (_, i) =>
            Effect.provide(Migrations.migrate(steps("a", "b", "c")), contexts[i % contexts.length]!), {
            concurrency: "unbounded"
          })
        }))
        assert.deepStrictEqual(
          ran.filter((names) =>
            names.length > 0
          ),
          [["0001_a", "0002_b", "0003_c"]]
        )
      }), patience(30_000))

    it.live("refuses a database that is newer than the code, and leaves it alone", () =>
      Effect.gen(function*() {
        yield* Migrations.migrate(steps("a", "b", "c"))
        const error = yield* Effect.flip(Migrations.migrate(steps("a")))
        assert.strictEqual(error._tag, "DatabaseTooNew")
        assert.strictEqual(error.message, "The database is at version 3, this stoa knows 1: upgrade stoa.")
        assert.strictEqual((yield* Migrations.status(steps("a"))).length, 3)
      }).pipe(Effect.provide(Layer.unwrapEffect(fresh))), patience(30_000))

    it.live("changes nothing when a step fails", () =>
      Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const broken = { ...steps("a"), "0002_broken": Effect.asVoid(sql`create tabel typo (id int)`) }
        const error = yield* Effect.flip(Migrations.migrate(broken))
        assert.strictEqual(error._tag, "MigrationFailed")
        assert.include(error.message, "0002_broken")
        assert.include(error.message, "tabel")
        assert.deepStrictEqual(yield* sql`select to_regclass('a') as a, to_regclass('stoa_migrations') as m`, [{
          a: null,
          m: null
        }])
        assert.deepStrictEqual(yield* Migrations.migrate(steps("a", "b")), ["0001_a", "0002_b"])
      }).pipe(Effect.provide(Layer.unwrapEffect(fresh))), patience(30_000))
  })

const pgFresh = () => freshDatabase().then((url) => Pg.layer({ url: Redacted.make(url) }))

sqlContract("Pglite", emptyPglite)
sqlContract("Pg", Layer.unwrapEffect(Effect.promise(pgFresh)))

migrationsContract("Pglite", () => Promise.resolve(emptyPglite))
migrationsContract("Pg", pgFresh)

const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => Fs.mkdtemp(Path.join(Os.tmpdir(), "stoa-sql-"))),
  (folder) => Effect.promise(() => Fs.rm(folder, { recursive: true, force: true }))
)

const pgliteModule = new URL("../../src/layers/Sql/pglite/Pglite.ts", import.meta.url).href

/** Another process: opens `dataDir`, inserts a row, says "open", and stays until it is killed. */
const holderScript = (dataDir: string) => `
import { Effect } from "effect"
import { SqlClient } from "@effect/sql"
import * as Pglite from ${JSON.stringify(pgliteModule)}
await Effect.runPromise(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql\`create table if not exists held (pid int)\`
  yield* sql\`insert into held values (\${process.pid})\`
  console.log("open")
  yield* Effect.never
}).pipe(
  Effect.provide(Pglite.layer({ dataDir: ${JSON.stringify(dataDir)} })),
  Effect.catchAll((error) => Effect.sync(() => { console.log(error._tag + ": " + error.message); process.exit(3) }))
))
`

const holder = (dataDir: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", holderScript(dataDir)], {
        cwd: new URL("../..", import.meta.url),
        stdio: ["ignore", "pipe", "inherit"]
      })
      const [line] = await once(child.stdout, "data")
      return { child, said: String(line).trim() }
    }),
    ({ child }) => Effect.promise(() => kill(child))
  )

const kill = async (child: ChildProcess) => {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill("SIGKILL")
  await once(child, "exit")
}

const openError = (dataDir: string) => Effect.flip(Effect.scoped(Layer.build(Pglite.layer({ dataDir }))))

describe("Pglite in a folder", () => {
  it.scopedLive("keeps its rows, and is open to its owner only", () =>
    Effect.gen(function*() {
      const dataDir = Path.join(yield* temporaryFolder, "new", "folder")
      const opened = Pglite.layer({ dataDir })
      yield* Effect.provide(
        Effect.gen(function*() {
          const sql = yield* SqlClient.SqlClient
          yield* sql`create table kept (body jsonb)`
          yield* sql`insert into kept values (${"{\"a\":1}"})`
        }),
        opened
      )
      const rows = yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select * from kept`),
        Layer.fresh(opened)
      )
      assert.deepStrictEqual(rows, [{ body: { a: 1 } }])
      const mode = yield* Effect.promise(() => Fs.stat(Path.join(dataDir, "postgres")))
      assert.strictEqual(mode.mode & 0o777, 0o700)
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(dataDir)), ["postgres"])
      const version = yield* Effect.promise(() => Fs.readFile(Path.join(dataDir, "postgres", "PG_VERSION"), "utf8"))
      assert.strictEqual(version.trim(), DataDir.postgresVersion)
    }), patience(60_000))

  it.scopedLive(
    "belongs to one process: the second is refused and the first goes on; after kill -9 it opens with its rows",
    () =>
      Effect.gen(function*() {
        const folder = yield* temporaryFolder
        const dataDir = Path.join(folder, "data")
        const link = Path.join(folder, "link")
        const { child, said } = yield* holder(dataDir)
        assert.strictEqual(said, "open")
        yield* Effect.promise(() => Fs.symlink(dataDir, link))
        for (const path of [dataDir, link]) {
          const error = yield* openError(path)
          assert.strictEqual(error._tag, "DataDirLocked")
          assert.include(error.message, dataDir)
          assert.include(error.message, `process ${child.pid}`)
          assert.include(error.message, "stop the other stoa, or choose another --data-dir")
        }
        yield* Effect.promise(() => kill(child))
        const second = yield* holder(dataDir)
        assert.strictEqual(second.said, "open")
        const third = yield* holder(dataDir)
        assert.match(third.said, /^DataDirLocked: /)
        yield* Effect.promise(() => kill(second.child))
        const rows = yield* Effect.provide(
          Effect.flatMap(SqlClient.SqlClient, (sql) => sql<{ pid: number }>`select pid from held`),
          Pglite.layer({ dataDir })
        )
        assert.deepStrictEqual(rows.map(({ pid }) => pid), [child.pid, second.child.pid])
      }),
    patience(120_000)
  )

  it.scopedLive("is refused twice within one process as well, and free again once closed", () =>
    Effect.gen(function*() {
      const folder = yield* temporaryFolder
      yield* Effect.scoped(Effect.zipRight(
        DirectoryLock.acquire(folder),
        Effect.gen(function*() {
          const error = yield* Effect.flip(Effect.scoped(DirectoryLock.acquire(folder)))
          assert.strictEqual(error._tag, "DataDirLocked")
        })
      ))
      yield* DirectoryLock.acquire(folder)
    }))

  it.scopedLive("starts over when its first creation was cut short", () =>
    Effect.gen(function*() {
      const dataDir = yield* temporaryFolder
      yield* Effect.promise(async () => {
        await Fs.mkdir(Path.join(dataDir, "postgres", "base"), { recursive: true })
        await Fs.writeFile(Path.join(dataDir, "postgres", "PG_VERSION"), "18\n")
        await Fs.writeFile(Path.join(dataDir, "postgres.unfinished"), "")
      })
      const rows = yield* Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) => sql`select 1 as one`),
        Pglite.layer({ dataDir })
      )
      assert.deepStrictEqual(rows, [{ one: 1 }])
      assert.deepStrictEqual(yield* Effect.promise(() => Fs.readdir(dataDir)), ["postgres"])
    }), patience(30_000))

  const refused = (
    title: string,
    spoil: (folder: string) => Promise<string>,
    words: ReadonlyArray<string>
  ) =>
    it.scopedLive(`says in a sentence that ${title}`, () =>
      Effect.gen(function*() {
        const folder = yield* temporaryFolder
        const dataDir = yield* Effect.promise(() => spoil(folder))
        const error = yield* openError(dataDir)
        assert.strictEqual(error._tag, "DataDirUnusable")
        for (const word of [folder, "--data-dir", ...words]) assert.include(error.message, word)
        assert.notInclude(error.message, "\n")
      }), patience(30_000))

  const write = async (folder: string, path: string, text: string | Buffer) => {
    await Fs.mkdir(Path.dirname(Path.join(folder, path)), { recursive: true })
    await Fs.writeFile(Path.join(folder, path), text)
    return folder
  }

  refused("the folder is a file", async (folder) => {
    await write(folder, "file", "")
    return Path.join(folder, "file")
  }, ["it is a file, not a folder"])
  refused("a part of the path is a file", async (folder) => {
    await write(folder, "file", "")
    return Path.join(folder, "file", "below")
  }, ["a part of the path is a file"])
  refused("another version made it", (folder) => write(folder, "postgres/PG_VERSION", "17\n"), [
    "PostgreSQL 17",
    "reads 18"
  ])
  refused("it holds something else", (folder) => write(folder, "postgres/photo.jpg", ""), ["no database"])
  refused("its database is damaged", (folder) => write(folder, "postgres/PG_VERSION", "18\n"), ["does not open"])
  if (process.getuid?.() !== 0) {
    refused("it may not be written", async (folder) => {
      await Fs.mkdir(Path.join(folder, "closed"), { mode: 0o500 })
      return Path.join(folder, "closed")
    }, ["may not read and write"])
  }
})

describe("Pglite", () => {
  it.scopedLive("fails a statement of a fiber that outlived its transaction", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const over = yield* Deferred.make<void>()
      const fiber = yield* sql.withTransaction(Effect.forkDaemon(Effect.zipRight(Deferred.await(over), sql`select 1`)))
      yield* Deferred.succeed(over, undefined)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit))
      assert.deepStrictEqual(yield* sql`select 1 as one`, [{ one: 1 }])
    }).pipe(Effect.provide(Pglite.layer({ dataDir: undefined }))), patience(30_000))

  it.scopedLive("lets timers fire while statements queue", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      let fired = 0
      const timer = setInterval(() => fired++, 1)
      const start = performance.now()
      yield* Effect.forEach(Array.from({ length: 3000 }), (_, i) => sql`select ${i}::int`, {
        concurrency: 20,
        discard: true
      })
      clearInterval(timer)
      assert.isAbove(fired, (performance.now() - start) / 50)
    }).pipe(Effect.provide(Pglite.layer({ dataDir: undefined }))), patience(30_000))

  it.scopedLive("clears dead rows and the log that background processes would", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      yield* sql`create table worn (id int primary key, body text)`
      yield* sql`insert into worn select i, repeat('x', 500) from generate_series(1, 60000) as i`
      yield* sql`update worn set body = repeat('y', 500)`
      // Counts of dead rows are told at most once a second, and never within a transaction.
      yield* sql`select pg_stat_force_next_flush()`
      const log = sql<
        { bytes: string }
      >`select pg_wal_lsn_diff(pg_current_wal_lsn(), redo_lsn) as bytes from pg_control_checkpoint()`
      assert.isAbove(Number((yield* log)[0]!.bytes), 64 * 1024 * 1024)
      yield* PgliteUpkeep.once(sql)
      assert.isBelow(Number((yield* log)[0]!.bytes), 1024 * 1024)
      const [stats] = yield* sql<Record<string, unknown>>`
        select n_dead_tup, last_vacuum is not null as vacuumed, last_analyze is not null as analyzed
        from pg_stat_user_tables where relname = 'worn'`
      assert.deepStrictEqual(stats, { n_dead_tup: "0", vacuumed: true, analyzed: true })
    }).pipe(Effect.provide(Pglite.layer({ dataDir: undefined }))), patience(60_000))
})

describe("Turns", () => {
  it.live("passes a turn on when its taker was interrupted in the moment it was given", () =>
    Effect.gen(function*() {
      const turns = new Turns()
      yield* turns.take
      const taker = yield* Effect.fork(
        Effect.uninterruptibleMask((restore) => Effect.zipRight(restore(turns.take), Effect.sync(() => turns.leave())))
      )
      yield* Effect.sleep(1)
      turns.leave()
      yield* Fiber.interrupt(taker)
      yield* Effect.timeout(turns.take, patience(1_000))
    }))
})

describe("Pg", () => {
  const secret = "hunter2-s3cret"

  it.live("says where it could not connect and what to do, and never the password", () =>
    Effect.gen(function*() {
      const database = new URL(yield* Effect.promise(() => freshDatabase()))
      database.password = secret
      const missing = new URL(database)
      missing.pathname = "/no_such_database"
      const closed = new URL(database)
      closed.port = "1"
      const cases = [
        [missing.href, `${missing.host}/no_such_database`, "Create it"],
        [closed.href, "127.0.0.1:1/", "nothing listens there"],
        [`postgres://u:${secret}@unknown.invalid/x`, "unknown.invalid:5432/x", "database url"],
        [`postgres://u:${secret}@[half`, "", "malformed"]
      ] as const
      for (const [url, address, words] of cases) {
        const error = yield* Effect.flip(Effect.scoped(Layer.build(Pg.layer({ url: Redacted.make(url) }))))
        assert.strictEqual(error._tag, "DatabaseUnreachable")
        assert.include(error.message, address)
        assert.include(error.message, words)
        assert.notInclude(Cause.pretty(Cause.fail(error)) + JSON.stringify(error) + String(error), secret)
      }
    }), patience(30_000))

  it.live("stays alive when the server drops its idle connections, and connects anew", () =>
    Effect.gen(function*() {
      const url = yield* Effect.promise(() => freshDatabase())
      const terminate = Effect.provide(
        Effect.flatMap(SqlClient.SqlClient, (sql) =>
          sql<{ n: number }>`select count(pg_terminate_backend(pid))::int as n from pg_stat_activity
            where datname = current_database() and application_name = 'stoa' and pid <> pg_backend_pid()`),
        Layer.fresh(Pg.layer({ url: Redacted.make(url) }))
      )
      yield* Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        yield* Effect.all(
          Array.from({ length: 5 }, () =>
            sql`select pg_sleep(0.05)`),
          { concurrency: "unbounded" }
        )
        const listening = yield* Effect.fork(Stream.runDrain(sql.listen("lost")))
        yield* Effect.sleep("200 millis")
        const [dropped] = yield* terminate
        assert.isAtLeast(dropped!.n, 5)
        const error = yield* Effect.flip(Fiber.join(listening))
        assert.strictEqual(error._tag, "SqlError")
        yield* Effect.sleep("100 millis")
        assert.deepStrictEqual(yield* sql`select 1 as one`, [{ one: 1 }])
        assert.deepStrictEqual(yield* sql.withTransaction(sql`select 1 as one`), [{ one: 1 }])
      }).pipe(Effect.provide(Pg.layer({ url: Redacted.make(url) })))
    }), patience(30_000))

  it.live("comes back after the server was stopped at once and restarted", () =>
    Effect.acquireUseRelease(
      Effect.promise(startPostgres),
      (server: Postgres) =>
        Effect.gen(function*() {
          const url = yield* Effect.promise(() => freshDatabase(server))
          yield* Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            const prepared = yield* Prepared
            yield* prepared.execute("select $1::int as a", [1])
            yield* Effect.promise(server.stopHard)
            assert.isTrue(Either.isLeft(yield* Effect.either(sql`select 1`)))
            assert.isTrue(Either.isLeft(yield* Effect.either(prepared.execute("select $1::int as a", [1]))))
            yield* Effect.promise(server.restart)
            assert.deepStrictEqual(yield* prepared.execute("select $1::int as a", [2]), [{ a: 2 }])
          }).pipe(Effect.provide(Pg.layer({ url: Redacted.make(url) })))
        }),
      (server) => Effect.promise(server.stop)
    ), patience(60_000))

  it.live(
    "gives up a statement or a connection that does not come, and works again when bytes go through",
    () =>
      Effect.acquireUseRelease(
        Effect.promise(async () => chaosBefore(await freshDatabase())),
        (chaos) =>
          Effect.gen(function*() {
            const sql = yield* SqlClient.SqlClient
            const prepared = yield* Prepared
            const ask = prepared.execute("select $1::int as a", [1])
            const failsIn = Effect.fnUntraced(function*(statement: Effect.Effect<unknown, SqlError.SqlError>) {
              const start = performance.now()
              const error = yield* Effect.flip(statement)
              assert.match(String(codeOf(error)), /ETIMEDOUT|Connection terminated/)
              return performance.now() - start
            })
            yield* Effect.all([ask, sql.withTransaction(sql`select 1`), ask], { concurrency: "unbounded" })
            chaos.stall()
            assert.isBelow(yield* failsIn(ask), patience(1_800))
            assert.isBelow(yield* failsIn(sql`select 1`), patience(1_800))
            const all = yield* Effect.exit(sql.withTransaction(sql`select 1`)).pipe(
              Effect.replicateEffect(30, { concurrency: "unbounded" }),
              Effect.timed
            )
            assert.isTrue(all[1].every(Exit.isFailure))
            assert.isBelow(Duration.toMillis(all[0]), patience(2_500))
            chaos.back()
            yield* Effect.sleep("1 second")
            assert.deepStrictEqual(yield* ask, [{ a: 1 }])
            assert.deepStrictEqual(yield* sql.withTransaction(sql`select 1 as one`), [{ one: 1 }])
          }).pipe(Effect.provide(Pg.layer({ url: Redacted.make(chaos.url) }))),
        (chaos) => Effect.promise(chaos.close)
      ),
    patience(30_000)
  )

  it.live("has no more use for connections that idled while another one was given up", () =>
    Effect.acquireUseRelease(
      Effect.promise(async () => chaosBefore(await freshDatabase())),
      (chaos) =>
        Effect.gen(function*() {
          const prepared = yield* Prepared
          const pid = prepared.execute<{ pid: number }>("select pg_backend_pid() as pid", [])
          const pidsOf = (count: number) =>
            Effect.map(
              Effect.replicateEffect(pid, count, { concurrency: "unbounded" }),
              (rows) => new Set(rows.map(([row]) => row!.pid))
            )
          const before = yield* pidsOf(5)
          assert.isAbove(before.size, 1)
          chaos.stall()
          yield* Effect.flip(pid)
          chaos.back()
          for (const after of yield* pidsOf(10)) assert.isFalse(before.has(after))
        }).pipe(Effect.provide(Pg.layer({ url: Redacted.make(chaos.url) }))),
      (chaos) => Effect.promise(chaos.close)
    ), patience(30_000))

  it.live("waits for what takes a while, longer only for what may take long", () =>
    Effect.gen(function*() {
      const url = Redacted.make(yield* Effect.promise(() => freshDatabase()))
      const sleep = (seconds: number) => `select pg_sleep(${seconds})::text as slept`
      const impatient = Effect.gen(function*() {
        const { execute } = yield* Prepared
        const [cut, ...whole] = yield* Effect.all([
          Effect.flip(execute(sleep(5.5), [])),
          execute(sleep(2), []),
          execute(sleep(5.5), [], { isLong: true })
        ], { concurrency: 3 })
        assert.strictEqual(codeOf(cut), "ETIMEDOUT")
        assert.deepStrictEqual(whole.map(({ length }) => length), [1, 1])
      }).pipe(Effect.provide(Pg.layer({ url })))
      const patient = Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        assert.strictEqual((yield* sql.withTransaction(sql`select pg_sleep(5.5)`)).length, 1)
      }).pipe(Effect.provide(Pg.layer({ url, isPatient: true })))
      yield* Effect.all([impatient, patient], { concurrency: 2, discard: true })
    }), patience(30_000))

  it.live("cancels a query that is interrupted, and limits one that is not", () =>
    Effect.gen(function*() {
      const url = yield* Effect.promise(() => freshDatabase())
      yield* Effect.gen(function*() {
        const sql = yield* SqlClient.SqlClient
        const start = Date.now()
        yield* sql`select pg_sleep(20)`.pipe(Effect.timeout("200 millis"), Effect.flip)
        assert.isBelow(Date.now() - start, patience(3000))
        assert.deepStrictEqual(yield* sql`show statement_timeout`, [{ statement_timeout: "1min" }])
        assert.deepStrictEqual(yield* sql`show application_name`, [{ application_name: "stoa" }])
      }).pipe(Effect.provide(Pg.layer({ url: Redacted.make(url) })))
    }), patience(30_000))
})
