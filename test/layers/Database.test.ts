/** Which databases are taken: by their encoding, behind which doors, and what is said of those that are not. */
import { SqlClient } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Effect, Layer, Redacted, Stream } from "effect"
import { Client } from "pg"
import * as Host from "../../src/layers/Host.ts"
import * as Pg from "../../src/layers/Sql/pg/Pg.ts"
import { Prepared } from "../../src/layers/Sql/Prepared.ts"
import { certificateFile, type CertificateName, type Door, poolerBefore, tlsBefore } from "../support/DatabaseDoors.ts"
import { conversation, converse, say } from "../support/hub.ts"
import { eventually, live, storedRun } from "../support/live.ts"
import { patience } from "../support/Patience.ts"
import { freshDatabase } from "../support/Postgres.ts"

const at = (url: string) => Pg.layer({ url: Redacted.make(url) })

/** Why it is refused. */
const refusal = (url: string) => Effect.flip(Effect.scoped(Layer.build(at(url))))

const answers = (url: string) =>
  Effect.gen(function*() {
    const sql = yield* SqlClient.SqlClient
    assert.deepStrictEqual(yield* sql`select 1 as one`, [{ one: 1 }])
  }).pipe(Effect.provide(at(url)), Effect.scoped)

const fresh = Effect.promise(() => freshDatabase())

const door = <D extends Door>(open: () => Promise<D>) =>
  Effect.acquireRelease(Effect.promise(open), ({ close }) => Effect.promise(close))

const withParams = (url: string, params: Record<string, string>) => {
  const changed = new URL(url)
  for (const [name, value] of Object.entries(params)) changed.searchParams.set(name, value)
  return changed.href
}

describe("A database", () => {
  for (const encoding of ["SQL_ASCII", "LATIN1", "EUC_JP"]) {
    it.live(`is refused with a sentence when its encoding is ${encoding}`, () =>
      Effect.gen(function*() {
        const url = new URL(yield* fresh)
        const name = `${url.pathname.slice(1)}_${encoding.toLowerCase()}`
        yield* Effect.promise(async () => {
          const client = new Client({ connectionString: url.href })
          await client.connect()
          await client.query(
            `create database ${name} encoding '${encoding}' lc_collate 'C' lc_ctype 'C' template template0`
          )
          await client.end()
        })
        url.pathname = `/${name}`
        const error = yield* refusal(url.href)
        assert.include(error.message, encoding)
        assert.match(error.message, /needs UTF8/)
      }), patience(30_000))
  }

  it.live("works behind a pooler that gives each client a connection of its own", () =>
    Effect.gen(function*() {
      const { url } = yield* door(async () => poolerBefore(await freshDatabase(), "session"))
      yield* Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const { execute } = yield* Prepared
        assert.deepStrictEqual(yield* execute("select $1::text as said", ["hello"]), [{ said: "hello" }])
        yield* sql`create table t (a int)`
        yield* sql.withTransaction(sql`insert into t values (1)`)
        assert.deepStrictEqual(yield* sql`select a from t`, [{ a: 1 }])
        const heard = yield* Effect.fork(Stream.runHead(sql.listen("news")))
        yield* Effect.sleep("300 millis")
        yield* sql.notify("news", "it works")
        const first = yield* heard
        assert.strictEqual(first._tag === "Some" ? first.value : "", "it works")
        // Limits that the start of a connection could not name.
        const limits = yield* sql<{ limit: string }>`
          select current_setting('statement_timeout') || ' ' || current_setting('idle_in_transaction_session_timeout') as limit`
        assert.deepStrictEqual(limits, [{ limit: "1min 10s" }])
        const slow = yield* Effect.timeoutOption(sql`select pg_sleep(20)`, "300 millis")
        assert.strictEqual(slow._tag, "None")
        assert.deepStrictEqual(
          yield* sql`select count(*)::int as n from pg_stat_activity where query like 'select pg_sleep(20)%' and state = 'active'`,
          [{ n: 0 }]
        )
      }).pipe(Effect.provide(at(url)))
    }).pipe(Effect.scoped), patience(30_000))

  it.live(
    "is refused with a sentence behind a pooler that gives connections out per transaction",
    () =>
      Effect.gen(function*() {
        const { url } = yield* door(async () => poolerBefore(await freshDatabase(), "transaction"))
        const error = yield* refusal(url)
        assert.match(error.message, /per transaction/)
        assert.match(error.message, /session/)
      }).pipe(Effect.scoped),
    patience(30_000)
  )
})

describe("A statement that the database refuses for its content", () => {
  for (const state of ["22021", "22P05", "54000"]) {
    it.live(
      `fails its run, is not sent for ever, and leaves the others alone: SQLSTATE ${state}`,
      () =>
        Effect.gen(function*() {
          const url = yield* fresh
          yield* Effect.gen(function*() {
            const client = new Client({ connectionString: url })
            yield* Effect.promise(() => client.connect())
            yield* Effect.promise(() =>
              client.query(`
              create table refusals (at timestamptz default clock_timestamp());
              create function refuse() returns trigger language plpgsql as $$
                begin
                  if new.frames like '%TEXT_BLOCK_DELTA%poison%' then
                    raise exception 'this cannot be held' using errcode = '${state}';
                  end if;
                  return new;
                end $$;
              create trigger refuse before insert on log_pages for each row execute function refuse()`)
            )
            const host = yield* live()
            const session = yield* host.do(conversation())
            const other = yield* host.do(conversation())
            const accepted = yield* host.do(say(session, "sleep 100\nsay poison"))
            yield* host.do(converse(other, "say fine"))
            const run = yield* eventually(
              "ended",
              storedRun(session, accepted.run_id),
              ({ status }) => status === "ended"
            )
            assert.strictEqual(run.finished_reason, "error")
            yield* Effect.sleep("500 millis")
            const count = "select xact_rollback::int as n from pg_stat_database where datname = current_database()"
            const rollbacks = Effect.promise(() =>
              client.query(count) as Promise<{ rows: ReadonlyArray<{ n: number }> }>
            )
            const { rows: [before] } = yield* rollbacks
            yield* Effect.sleep("2 seconds")
            const { rows: [after] } = yield* rollbacks
            assert.isAtMost(after!.n - before!.n, 2, "it is sent again and again")
            const { events } = yield* host.do(converse(session, "say well"))
            assert.strictEqual(events.at(-1)?.type, "REPLY_END")
            yield* Effect.promise(() => client.end())
          }).pipe(Effect.provide(Host.postgres({ url: Redacted.make(url) })))
        }).pipe(Effect.scoped),
      patience(60_000)
    )
  }
})

describe("The way to a database", () => {
  /** What becomes of each mode of TLS, as libpq has it. */
  const cases: ReadonlyArray<
    readonly [
      mode: string,
      ca: CertificateName | undefined,
      server: CertificateName | "plain",
      outcome: "tls" | "plain" | RegExp
    ]
  > = [
    ["disable", undefined, "here", "plain"],
    ["allow", undefined, "plain", "plain"],
    ["prefer", undefined, "plain", "plain"],
    ["prefer", undefined, "here", "tls"],
    ["require", undefined, "here", "tls"],
    ["require", undefined, "elsewhere", "tls"],
    ["require", undefined, "plain", /does not speak TLS/],
    ["require", "here", "here", "tls"],
    ["require", "here", "elsewhere", /certificate/],
    ["verify-ca", "elsewhere", "elsewhere", "tls"],
    ["verify-ca", "here", "elsewhere", /certificate/],
    ["verify-ca", undefined, "here", /sslrootcert/],
    ["verify-full", "here", "here", "tls"],
    ["verify-full", "elsewhere", "elsewhere", /127\.0\.0\.1/],
    ["verify-full", undefined, "here", /certificate/],
    ["no-verify", undefined, "elsewhere", "tls"],
    ["verify", undefined, "here", /sslmode/]
  ]
  for (const [sslmode, ca, server, outcome] of cases) {
    const title = `sslmode=${sslmode}${ca === undefined ? "" : ` with the certificate of ${ca}`} before ${
      server === "plain" ? "a server without TLS" : `a certificate for ${server}`
    }`
    it.live(`is ${outcome instanceof RegExp ? "refused" : outcome}: ${title}`, () =>
      Effect.gen(function*() {
        const { kinds, url } = server === "plain"
          ? { kinds: ["plain" as const], url: yield* fresh }
          : yield* door(async () => tlsBefore(await freshDatabase(), server))
        const asked = withParams(url, { sslmode, ...ca !== undefined && { sslrootcert: certificateFile(ca) } })
        if (outcome instanceof RegExp) {
          assert.match((yield* refusal(asked)).message, outcome)
          return
        }
        yield* answers(asked)
        assert.deepStrictEqual([...new Set(kinds)], [outcome])
      }).pipe(Effect.scoped), patience(30_000))
  }

  it.live("is refused with the name of a certificate that is not there", () =>
    Effect.gen(function*() {
      const url = withParams(yield* fresh, { sslmode: "verify-full", sslrootcert: "/nowhere/root.crt" })
      assert.match((yield* refusal(url)).message, /sslrootcert.*\/nowhere\/root\.crt.*cannot be read/)
    }), patience(30_000))

  /** Passwords of three parts, so that a part alone is found too. */
  const parts = ["HUNTER", "SWORDFISH", "OPENSESAME"]
  const passwords = [
    ...[
      "/",
      "?",
      "#",
      "@",
      ":",
      "%",
      "%zz",
      "\\",
      "[",
      "]",
      "&",
      "=",
      ";",
      "|",
      "^",
      "`",
      "{",
      "}",
      "<",
      ">",
      "\"",
      "'"
    ].map((sign) => parts.join(sign)),
    `${parts[0]}@${parts[1]}/${parts[2]}`,
    `${parts[0]}@${parts[1]}?${parts[2]}`,
    `${parts[0]}@${parts[1]}#${parts[2]}`,
    `5432/${parts.join("@")}`,
    `5432#${parts.join("@")}`,
    `5432?${parts.join("@")}`
  ]
  const shapes = [
    (password: string) => `postgres://stoa:${password}@127.0.0.1:1/x`,
    (password: string) => `postgres://stoa:${password}@unknown.invalid/x`,
    (password: string) => `postgres://stoa:${password}@[half`,
    (password: string) => `postgres://stoa:${password}@127.0.0.1:port/x`,
    (password: string) => `postgres://:${password}@127.0.0.1:1`,
    (password: string) => `postgres://127.0.0.1:1/x?password=${password}`,
    (password: string) => `postgres:///x?host=/nowhere&password=${password}`
  ]
  it.live("is never told with a part of the password, however the url is written", () =>
    Effect.gen(function*() {
      for (const shape of shapes) {
        for (const password of passwords) {
          const url = shape(password)
          const exit = yield* Effect.exit(refusal(url))
          const told = exit._tag === "Success" ? exit.value : Cause.squash(exit.cause)
          const text = Cause.pretty(Cause.fail(told)) + JSON.stringify(told) + String(told) +
            (exit._tag === "Success" ? "" : Cause.pretty(exit.cause))
          for (const part of parts) assert.notInclude(text, part, url)
          assert.strictEqual(exit._tag, "Success", `${url}: ${text}`)
        }
      }
    }), patience(60_000))
})
