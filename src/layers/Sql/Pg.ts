/**
 * A PostgreSQL server, by a pool of connections. `int8` and `numeric` arrive as
 * text, `bytea` as a Buffer, as with Pglite. Not for a pooler that hands out
 * connections per transaction: LISTEN, session locks and prepared statements
 * belong to one connection.
 */
import { Reactivity } from "@effect/experimental"
import { SqlClient, type SqlConnection, SqlError } from "@effect/sql"
import { PgClient } from "@effect/sql-pg"
import { Context, Data, Duration, Effect, Layer, Redacted, Stream } from "effect"
import { createHash } from "node:crypto"
import { Client, type Config, escapeIdentifier, Pool, type Query } from "pg"
import { Listening } from "./Listening.ts"
import { withPgSurface } from "./PgSurface.ts"
import { Prepared } from "./Prepared.ts"

export interface Options {
  /** `postgres://user:password@host:port/database?…`; what it says wins over the settings here. */
  readonly url: Redacted.Redacted
  /** At least 2: interrupting a query is itself a query, on another connection. Default 10. */
  readonly maxConnections?: number
}

/** The server did not let us in. `message` is for the person who starts stoa, and never holds the password. */
export class DatabaseUnreachable extends Data.TaggedError("DatabaseUnreachable")<{
  /** `host:port/database` */
  readonly address: string
  /** The system's or PostgreSQL's code: `ECONNREFUSED`, `28P01` … */
  readonly code: string | undefined
  readonly message: string
}> {}

/** Also the longest wait for a free connection of the pool. */
const connectTimeout = Duration.seconds(10)

const idleTimeout = Duration.minutes(1)

/** No statement of ours takes long; one that does is lost, and holds locks others wait for. Migrations lift it. */
const statementTimeout = Duration.minutes(1)

/** How long a transaction may sit idle, as when its process was stopped. */
const idleInTransactionTimeout = Duration.minutes(1)

const failed = (cause: unknown) => new SqlError.SqlError({ cause, message: "Failed to execute statement" })

const poolConfig = (options: Options): Config => ({
  connectionString: Redacted.value(options.url),
  application_name: "stoa",
  keepAlive: true,
  connectionTimeoutMillis: Duration.toMillis(connectTimeout),
  idleTimeoutMillis: Duration.toMillis(idleTimeout),
  max: Math.max(2, options.maxConnections ?? 10),
  statement_timeout: Duration.toMillis(statementTimeout),
  idle_in_transaction_session_timeout: Duration.toMillis(idleInTransactionTimeout)
})

const advice: Record<string, string> = {
  ECONNREFUSED: "nothing listens there. Start PostgreSQL, or correct the database url",
  ENOENT: "there is no such socket. Start PostgreSQL, or correct the database url",
  ENOTFOUND: "the host is unknown. Correct the database url",
  EAI_AGAIN: "the host cannot be looked up. Check the network, or correct the database url",
  "28P01": "the user or the password is refused. Correct the database url",
  "28000": "this user may not connect from here. Correct the database url, or the server's pg_hba.conf",
  "3D000": "there is no such database. Create it (createdb), or correct the database url",
  "53300": "it has no connection left. Stop other clients, or raise its max_connections",
  "57P03": "it is starting up or shutting down. Try again in a moment"
}

const unreachable = (address: string) => (cause: unknown) => {
  const error = cause instanceof AggregateError ? cause.errors[0] : cause
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
  const reason = code !== undefined && code in advice
    ? advice[code]!
    : `${error instanceof Error ? error.message : String(error)}. Check the database url`
  return new DatabaseUnreachable({ address, code, message: `Cannot connect to PostgreSQL at ${address}: ${reason}.` })
}

const addressOf = (config: Config) =>
  Effect.try({
    try: () => {
      const { database, host, port } = new Client(config)
      return `${host}:${port}/${database ?? ""}`
    },
    // The original error repeats the url, with its password.
    catch: () =>
      new DatabaseUnreachable({
        address: "",
        code: undefined,
        message: "The database url is malformed; it should read postgres://user:password@host:5432/database."
      })
  })

/** A dead connection never says goodbye. */
const closing = (open: Client | Pool) =>
  Effect.promise(() => open.end()).pipe(Effect.interruptible, Effect.timeoutOption("1 second"))

const openPool = (config: Config, address: string) =>
  Effect.acquireRelease(
    Effect.sync(() =>
      // An idle connection that is lost says so here; the pool drops it by itself.
      new Pool(config).on("error", () => {})
    ),
    closing
  ).pipe(
    Effect.tap((pool) => Effect.tryPromise({ try: () => pool.query("select 1"), catch: unreachable(address) }))
  )

/**
 * Each stream has a connection of its own and fails when that is lost (the
 * library's goes silent). What was notified meanwhile is gone: read, then listen
 * again.
 */
const listen = (config: Config) => (channel: string, statements: ReadonlyArray<string>) =>
  Stream.asyncPush<string | null, SqlError.SqlError>((emit) =>
    Effect.gen(function*() {
      const client = new Client(config)
      const lost = (cause: unknown) => {
        emit.fail(new SqlError.SqlError({ cause, message: "The connection that listens is lost" }))
      }
      yield* Effect.addFinalizer(() => closing(client))
      client.on("error", lost)
      client.on("end", () => lost(new Error("Connection ended")))
      client.on("notification", (notification) => {
        if (notification.channel === channel && notification.payload) emit.single(notification.payload)
      })
      yield* Effect.tryPromise({
        try: async () => {
          await client.connect()
          await client.query([...statements, `listen ${escapeIdentifier(channel)}`].join("; "))
          emit.single(null)
        },
        catch: (cause) => new SqlError.SqlError({ cause, message: "Failed to listen" })
      })
    }), { bufferSize: "unbounded" })

/** Not the statement is wrong, but what the connection remembers of it: a table changed meanwhile. */
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
    execute: <Row extends object>(sql: string, params: ReadonlyArray<unknown>) =>
      Effect.flatMap(Effect.serviceOption(SqlClient.TransactionConnection), (transaction) => {
        const query = { name: nameOf(sql), text: sql, values: params }
        return transaction._tag === "None"
          ? Effect.catchIf(onPool<Row>(query), isStale, () => onPool<Row>({ text: sql, values: params }))
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
  const config = poolConfig(options)
  const pool = yield* openPool(config, yield* addressOf(config))
  const payloads = (channel: string) => Stream.filter(listen(config)(channel, []), (payload) => payload !== null)
  // Connects nothing, so cannot fail: the pool is open.
  const client = yield* Effect.orDie(PgClient.fromPool({ acquire: Effect.succeed(pool), applicationName: "stoa" }))
  return Context.make(SqlClient.SqlClient, client as SqlClient.SqlClient).pipe(
    Context.add(PgClient.PgClient, withPgSurface(client, client.config, payloads)),
    Context.add(Listening, Listening.of({ listen: listen(config) })),
    Context.add(Prepared, makePrepared(pool))
  )
})

export const layer = (
  options: Options
): Layer.Layer<SqlClient.SqlClient | PgClient.PgClient | Prepared | Listening, DatabaseUnreachable> =>
  Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))
