/**
 * A PostgreSQL server, by a pool of connections. `int8` and `numeric` arrive as
 * text, `bytea` as a Buffer, as with Pglite. LISTEN, session locks and prepared
 * statements belong to one connection, so that a pooler which gives those out per
 * transaction is refused at the start.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlConnection from "@effect/sql/SqlConnection"
import * as SqlError from "@effect/sql/SqlError"
import { Context, Duration, Effect, Layer, type Redacted, Schedule, Stream } from "effect"
import { createHash } from "node:crypto"
import { type Client, type Config, escapeIdentifier, type Pool, type Query } from "pg"
import { Prepared } from "../Prepared.ts"
import { type Address, addressOf, type DatabaseUnreachable } from "./Address.ts"
import { Listening } from "./Listening.ts"
import { clientClass, PgPool, type Timeouts } from "./Pool.ts"
import { closingClient, type DatabaseUnfit, reach } from "./Reach.ts"
import { withPgSurface } from "./Surface.ts"

export interface Options {
  /** `postgres://user:password@host:port/database?…`; what it says wins over the settings here. */
  readonly url: Redacted.Redacted
  /** At least 2: interrupting a query is itself a query, on another connection. Default 10. */
  readonly maxConnections?: number
  /** For work outside of requests, such as migrations: waits as long as the server does. Default false. */
  readonly isPatient?: boolean
}

/** Longest time to make a connection, once the server has been there: the next attempt may find it back. */
const connectTimeout = Duration.seconds(5)

/**
 * The first two together are less than the two seconds after which a request has
 * its answer. PostgreSQL looks for deadlocks after one.
 */
const timeouts: Timeouts = {
  statement: Duration.millis(1_300),
  connection: Duration.millis(600),
  busy: Duration.seconds(5)
}

const endless: Timeouts = { statement: Duration.infinity, connection: Duration.infinity, busy: Duration.infinity }

const idleTimeout = Duration.minutes(1)

/** Our statements are short. One that exceeds this hangs, and holds locks that others wait for. Migrations have no such limit. */
const statementTimeout = Duration.minutes(1)

/** How often a listening connection shows that its process is alive, and how long the server may take to answer. */
const lifeEvery = Duration.seconds(2)
const livenessTimeout = Duration.seconds(5)

/** For statements that may take as long as the server lets them. */
const longTimeout = Duration.sum(statementTimeout, Duration.seconds(5))

/** How long a transaction may be idle, as when its process was stopped. Our transactions wait only for the database. */
const idleInTransactionTimeout = Duration.seconds(10)

/** After so long a silent connection is probed. */
const keepAliveDelay = Duration.seconds(5)

/**
 * Settings that make the server notice when a client has vanished: the server
 * then stops its work and releases its locks. A server that is too old
 * for one of these does without.
 */
const courtesy = `
  select set_config(name, value, false) from pg_settings join (values
    ('client_connection_check_interval', '1s'), ('tcp_user_timeout', '10s'),
    ('tcp_keepalives_idle', '5'), ('tcp_keepalives_interval', '2'), ('tcp_keepalives_count', '3')
  ) as wished (name, value) using (name)`

const failed = (cause: unknown) => new SqlError.SqlError({ cause, message: "Failed to execute statement" })

/**
 * Limits of a connection, and the id of the server's process behind it, by which a
 * statement is cancelled. They are no parameters of its start: PgBouncer refuses
 * those that it does not know, and tells an id of its own.
 */
const limits = `
  select set_config('statement_timeout', '${Duration.toMillis(statementTimeout)}', false),
    set_config('idle_in_transaction_session_timeout', '${Duration.toMillis(idleInTransactionTimeout)}', false),
    pg_backend_pid() as pid`

const prepare = async (client: Client) => {
  const { rows: [row] } = await client.query(limits) as { readonly rows: ReadonlyArray<{ readonly pid: number }> }
  client.processID = row!.pid
  await client.query(courtesy).catch(() => {})
}

const configOf = ({ ssl, url }: Address, options: Options): Config => ({
  connectionString: url,
  ...ssl !== undefined && { ssl },
  application_name: "stoa",
  keepAlive: true,
  keepAliveInitialDelayMillis: Duration.toMillis(keepAliveDelay),
  connectionTimeoutMillis: Duration.toMillis(connectTimeout),
  idleTimeoutMillis: Duration.toMillis(idleTimeout),
  max: Math.max(2, options.maxConnections ?? 10),
  onConnect: prepare
})

/** Ends a pool in order, but waits only a second: a dead connection never answers. */
const closing = (open: Pool) =>
  Effect.promise(() => open.end()).pipe(Effect.interruptible, Effect.timeoutOption("1 second"))

const openPool = (config: Config, timeouts: Timeouts) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      // The loss of an idle connection is reported here; the pool drops it by itself.
      new PgPool(config, timeouts).on("error", () => {})
    ),
    closing
  )

const ListeningClient = clientClass(timeouts)

/** When no answer comes, the connection is abandoned, which reports itself. */
const showLife = (client: Client) =>
  Effect.async<void>((resume) =>
    client.query({ text: "select", values: [], answerTimeout: livenessTimeout }, () => resume(Effect.void))
  )

/**
 * Each stream has a connection of its own and fails when that is lost (the
 * library's goes silent). What was notified meanwhile is gone: read, then listen
 * again.
 */
const listen = (config: Config) => (channel: string, statements: ReadonlyArray<string>) =>
  Stream.asyncPush<string | null, SqlError.SqlError>((emit) =>
    Effect.gen(function*() {
      const client = new ListeningClient(config)
      const lost = (cause: unknown) => {
        emit.fail(new SqlError.SqlError({ cause, message: "The connection that listens is lost" }))
      }
      yield* Effect.addFinalizer(() => closingClient(client))
      client.on("error", lost)
      client.on("end", () => lost(new Error("Connection ended")))
      client.on("notification", (notification) => {
        if (notification.channel === channel && notification.payload) emit.single(notification.payload)
      })
      yield* Effect.tryPromise({
        try: async () => {
          await client.connect()
          await client.query([limits, ...statements, `listen ${escapeIdentifier(channel)}`].join("; "))
          emit.single(null)
        },
        catch: (cause) => new SqlError.SqlError({ cause, message: "Failed to listen" })
      })
      yield* showLife(client).pipe(Effect.repeat(Schedule.spaced(lifeEvery)), Effect.forkScoped)
    }), { bufferSize: "unbounded" })

/** The statement is right, but its prepared form on this connection is stale: a table changed meanwhile. */
const isStale = (error: SqlError.SqlError) =>
  error.cause instanceof Error && "code" in error.cause &&
  (error.cause.code === "26000" || (error.cause.code === "0A000" && error.cause.message.includes("cached plan")))

const makePrepared = (pool: Pool) => {
  const names = new Map<string, string>()
  const nameOf = (sql: string) => {
    const known = names.get(sql)
    if (known !== undefined) return known
    const name = `stoa_${createHash("sha256").update(sql).digest("hex").slice(0, 32)}`
    names.set(sql, name)
    return name
  }
  const onPool = <Row>(query: Query) =>
    Effect.map(Effect.tryPromise({ try: () => pool.query<Row>(query), catch: failed }), ({ rows }) => rows)

  return Prepared.of({
    execute: <Row extends object>(sql: string, params: ReadonlyArray<unknown>, { isLong = false } = {}) =>
      Effect.flatMap(Effect.serviceOption(SqlClient.TransactionConnection), (transaction) => {
        const unnamed: Query = { text: sql, values: params, ...(isLong && { answerTimeout: longTimeout }) }
        const query = { ...unnamed, name: nameOf(sql) }
        return transaction._tag === "None"
          ? Effect.catchIf(onPool<Row>(query), isStale, () => onPool<Row>(unnamed))
          : inTransaction<Row>(transaction.value[0], query)
      })
  })
}

/** The connection hands its text to node-postgres as it is, and node-postgres takes a query object as well. */
const inTransaction = <Row>(connection: SqlConnection.Connection, query: Query) =>
  connection.execute({ ...query } as unknown as string, query.values, undefined) as Effect.Effect<
    ReadonlyArray<Row>,
    SqlError.SqlError
  >

export const make = Effect.fn("Pg.make")(function*(options: Options) {
  const address = yield* addressOf(options.url)
  const config = yield* reach(address, configOf(address, options))
  const pool = yield* openPool(config, options.isPatient === true ? endless : timeouts)
  const payloads = (channel: string) => Stream.filter(listen(config)(channel, []), (payload) => payload !== null)
  // This cannot fail, because the pool is already open.
  const client = yield* Effect.orDie(PgClient.fromPool({ acquire: Effect.succeed(pool), applicationName: "stoa" }))
  return Context.make(SqlClient.SqlClient, client as SqlClient.SqlClient).pipe(
    Context.add(PgClient.PgClient, withPgSurface(client, client.config, payloads)),
    Context.add(Listening, Listening.of({ listen: listen(config) })),
    Context.add(Prepared, makePrepared(pool))
  )
})

export const layer = (
  options: Options
): Layer.Layer<SqlClient.SqlClient | PgClient.PgClient | Prepared | Listening, DatabaseUnreachable | DatabaseUnfit> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))
