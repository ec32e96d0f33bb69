/**
 * A PostgreSQL inside this process: PGlite, in a folder or in memory. It has one
 * connection. A transaction has it alone until its end, so nothing inside one
 * may wait for a fiber that needs the database from outside.
 *
 * Killed processes lose nothing that was acknowledged; a power cut may, since
 * PGlite never fsyncs.
 */
import * as Reactivity from "@effect/experimental/Reactivity"
import * as PgClient from "@effect/sql-pg/PgClient"
import * as SqlClient from "@effect/sql/SqlClient"
import type * as SqlConnection from "@effect/sql/SqlConnection"
import * as SqlError from "@effect/sql/SqlError"
import { PGlite } from "@electric-sql/pglite"
import { Chunk, Context, Duration, Effect, Layer, Option, Runtime, Stream } from "effect"
import { Fatal, StorageEnded } from "../../../services/Fatal.ts"
import { withPgSurface } from "../pg/Surface.ts"
import { Prepared } from "../Prepared.ts"
import { Turns } from "../Turns.ts"
import * as DataDir from "./DataDir.ts"
import * as DirectoryLock from "./DirectoryLock.ts"
import { objects, parsers, PgliteSession, type Result, values } from "./Session.ts"
import * as PgliteSnapshot from "./Snapshot.ts"
import * as PgliteUpkeep from "./Upkeep.ts"
import * as Watchdog from "./Watchdog.ts"

export interface Options {
  /** Made when it does not exist. `undefined` keeps everything in memory. */
  readonly dataDir: string | undefined
  /** Ends the process when it hangs for so long; without this option nothing watches it. */
  readonly watchdog?: Watchdog.Limits
}

/** Rows fetched per turn by a stream. */
const fetchSize = 128

/** How long closing waits for a transaction that is still open. */
const closeTimeout = Duration.seconds(5)

const startParams = [
  ...PGlite.defaultStartParams,
  // Half of PostgreSQL's default, because every start touches all of it.
  "-c",
  "shared_buffers=64MB",
  // A new segment of the log would be filled with 16 MB of zeros first, within the one statement that needs it.
  "-c",
  "wal_init_zero=off",
  // Nothing is kept for a crash longer than until the next checkpoint (PgliteUpkeep).
  "-c",
  "max_wal_size=96MB",
  "-c",
  "min_wal_size=32MB"
]

const failed = (cause: unknown) => new SqlError.SqlError({ cause, message: "Failed to execute statement" })

/** Makes the database from the snapshot if there is one that fits this PGlite, else from nothing. `restart` clears a failed attempt. */
const create = <E, F>(
  start: (from: { readonly loadDataDir?: Blob }) => Effect.Effect<PGlite, E>,
  restart: Effect.Effect<void, F>
) =>
  Effect.flatMap(
    PgliteSnapshot.read,
    Option.match({
      onNone: () => start({}),
      onSome: (snapshot) =>
        Effect.catchAllCause(start({ loadDataDir: snapshot }), (cause) =>
          Effect.logDebug("PGlite's snapshot does not open; starting from nothing", cause).pipe(
            Effect.zipRight(restart),
            Effect.zipRight(start({}))
          ))
    })
  )

const open = Effect.fn("Pglite.open")(function*(dataDir: string | undefined) {
  if (dataDir === undefined) {
    return yield* create((from) => Effect.promise(() => PGlite.create({ ...from, parsers, startParams })), Effect.void)
  }
  const folder = yield* DataDir.ensure(dataDir)
  yield* DirectoryLock.acquire(folder)
  const prepared = yield* DataDir.prepare(folder)
  const said: Array<string> = []
  const start = (from: { readonly loadDataDir?: Blob }) =>
    Effect.tryPromise({
      try: () =>
        PGlite.create({
          ...from,
          parsers,
          startParams,
          dataDir: `file://${prepared.database}`,
          onStderr: (line) => {
            said.push(line)
            return false
          }
        }),
      catch: (cause) => DataDir.broken(folder, cause, said)
    })
  if (!prepared.isNew) return yield* start({})
  const db = yield* create(start, DataDir.prepare(folder))
  yield* prepared.complete
  return db
})

/** Statements without parameters that are always short; the others may be migrations, or a vacuum. */
const short = /^\s*(begin|commit|rollback|savepoint|release|fetch|close|declare|select|set|listen|unlisten)\b/i

/** The operator gets a whole sentence about what hangs, because there is no server left to ask. */
const hanging = (dataDir: string | undefined, { seconds }: Watchdog.Limits) =>
  `stoa: The server has not moved for ${seconds} seconds (its embedded database${
    dataDir === undefined ? "" : ` in ${dataDir}`
  } may be hanging, which a full disk can cause), so it ends here. Nothing that was acknowledged is lost: ` +
  "look at the disk, then start stoa again."

const stopped = (dataDir: string | undefined, cause: unknown) =>
  new StorageEnded({
    message: `The embedded database${dataDir === undefined ? "" : ` in ${dataDir}`} has stopped (${
      cause instanceof Error ? cause.message : "no reason given"
    }). Nothing that was acknowledged is lost: ${
      /space/i.test(String(cause)) ? "make room on the disk, then" : "look at the disk, then"
    } start stoa again.`
  })

/** A connection that takes its turns from `turns`. */
class Connection implements SqlConnection.Connection {
  private readonly session: PgliteSession
  private readonly turns: Turns
  private readonly inTransaction: boolean
  private readonly watchdog: Watchdog.Watchdog | undefined
  private over = false

  constructor(
    session: PgliteSession,
    turns: Turns,
    inTransaction: boolean,
    watchdog: Watchdog.Watchdog | undefined
  ) {
    this.watchdog = watchdog
    this.session = session
    this.turns = turns
    this.inTransaction = inTransaction
  }

  execute(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    const rows = params.length === 0 ? this.script(sql, objects) : this.prepared(sql, params)
    return transformRows === undefined ? rows : Effect.map(rows, transformRows)
  }

  executeUnprepared(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    return this.execute(sql, params, transformRows)
  }

  executeValues(sql: string, params: ReadonlyArray<unknown>) {
    return params.length === 0
      ? this.script(sql, values)
      : this.turn(() => this.session.run(sql, params).then(values))
  }

  /** The shape of node-postgres' result, without its methods. */
  executeRaw(sql: string, params: ReadonlyArray<unknown>) {
    return params.length === 0
      ? this.turn(() =>
        this.session.script(sql).then((results) => results.length === 1 ? raw(results[0]!) : results.map(raw))
      )
      : this.turn(() => this.session.run(sql, params).then(raw))
  }

  executeStream(sql: string, params: ReadonlyArray<unknown>, transformRows: Transform) {
    if (!/^\s*(select|with|values|table)\b/i.test(sql)) {
      return Stream.fromIterableEffect(this.execute(sql, params, transformRows))
    }
    const cursor = `stoa_${++cursors}`
    const declare = `declare ${cursor} no scroll cursor ${this.inTransaction ? "" : "with hold"} for ${sql}`
    const fetch = this.script(`fetch forward ${fetchSize} from ${cursor}`, objects).pipe(
      Effect.mapError(Option.some),
      Effect.flatMap((rows) =>
        rows.length === 0
          ? Effect.fail(Option.none())
          : Effect.succeed(Chunk.unsafeFromArray(transformRows === undefined ? rows : transformRows(rows)))
      )
    )
    return Stream.unwrapScoped(Effect.as(
      Effect.acquireRelease(
        this.turn<unknown>(() =>
          params.length === 0 ? this.session.script(declare) : this.session.run(declare, params)
        ),
        () => Effect.ignore(this.script(`close ${cursor}`, objects))
      ),
      Stream.repeatEffectChunkOption(fetch)
    ))
  }

  prepared<Row extends object>(sql: string, params: ReadonlyArray<unknown>, isLong = false) {
    return this.turn(
      () => this.session.run(sql, params).then((result) => objects(result) as ReadonlyArray<Row>),
      isLong
    )
  }

  turn<A>(run: () => Promise<A>, isLong = false) {
    return this.over
      ? Effect.fail(failed(new Error("This transaction is over: a fiber outlived it")))
      : this.turns.run(isLong ? () => this.patiently(run) : run, failed)
  }

  private patiently<A>(run: () => Promise<A>) {
    this.watchdog?.setLong(true)
    return run().finally(() => this.watchdog?.setLong(false))
  }

  /** Ends the connection: nothing more runs here, and an open transaction is rolled back. */
  end() {
    this.over = true
    return this.turns.run(
      () => this.session.isInTransaction() ? this.session.script("rollback") : Promise.resolve([]),
      failed
    )
  }

  private script<Row>(sql: string, rowsOf: (result: Result) => ReadonlyArray<Row>) {
    return this.turn(() =>
      this.session.script(sql).then((results): ReadonlyArray<Row> =>
        // Several statements give an array of their rows each, as node-postgres does.
        results.length === 1 ? rowsOf(results[0]!) : results.map(rowsOf) as unknown as ReadonlyArray<Row>
      ), !short.test(sql))
  }
}

type Transform = (<A extends object>(row: ReadonlyArray<A>) => ReadonlyArray<A>) | undefined

let cursors = 0

const raw = (result: Result) => ({
  command: result.command,
  rowCount: result.rowCount,
  rows: objects(result),
  fields: result.columns.map(({ name, type }) => ({ name, dataTypeID: type }))
})

/** A database that has stopped is left alone: closing it sends to it. */
const close = (session: PgliteSession, turns: Turns) =>
  Effect.ignore(Effect.timeout(Effect.interruptible(turns.take), closeTimeout)).pipe(
    Effect.zipRight(Effect.suspend(() => session.isOver ? Effect.void : Effect.promise(() => session.db.close())))
  )

export const make = Effect.fn("Pglite.make")(function*(options: Options) {
  const turns = new Turns()
  const fatal = yield* Fatal
  const runtime = yield* Effect.runtime<never>()
  let isOver = false
  // Begun before the database is opened, because that can hang as well. An ended database beats no more: should
  // the orderly end hang, the watchdog ends the process all the same.
  const watchdog = options.watchdog === undefined
    ? undefined
    : yield* Watchdog.make(options.watchdog, hanging(options.dataDir, options.watchdog), () => !isOver)
  const onEnd = (cause: unknown) => {
    isOver = true
    Runtime.runFork(runtime)(fatal.report(stopped(options.dataDir, cause)))
  }
  const session = yield* Effect.acquireRelease(
    Effect.map(open(options.dataDir), (db) => new PgliteSession(db, onEnd)),
    (session) => close(session, turns)
  )
  const { db } = session
  watchdog?.setLong(false)
  const pooled = new Connection(session, turns, false, watchdog)

  const reserve: SqlConnection.Connection.Acquirer = Effect.uninterruptibleMask((restore) =>
    restore(turns.take).pipe(
      Effect.as(new Connection(session, new Turns(), true, watchdog)),
      Effect.tap((connection) =>
        Effect.addFinalizer(() => Effect.ensuring(Effect.ignore(connection.end()), Effect.sync(() => turns.leave())))
      )
    )
  )

  const client = yield* SqlClient.make({
    acquirer: Effect.succeed(pooled),
    transactionAcquirer: reserve,
    compiler: PgClient.makeCompiler(),
    spanAttributes: [["db.system.name", "postgresql"], ["db.namespace", "pglite"]]
  })

  const listeners = new Map<string, number>()
  const listen = (channel: string) =>
    Stream.asyncPush<string, SqlError.SqlError>((emit) =>
      Effect.gen(function*() {
        if (Option.isSome(yield* Effect.serviceOption(SqlClient.TransactionConnection))) {
          return yield* failed(new Error("listen cannot begin inside a transaction"))
        }
        const name = `"${channel.replaceAll("\"", "\"\"")}"`
        yield* Effect.acquireRelease(
          pooled.turn(() => {
            listeners.set(channel, (listeners.get(channel) ?? 0) + 1)
            return session.script(`listen ${name}`)
          }),
          () =>
            Effect.ignore(pooled.turn(() => {
              const left = listeners.get(channel)! - 1
              if (left > 0) {
                listeners.set(channel, left)
                return Promise.resolve([])
              }
              listeners.delete(channel)
              return session.script(`unlisten ${name}`)
            }))
        )
        yield* Effect.acquireRelease(
          Effect.sync(() =>
            db.onNotification((to, payload) => {
              if (to === channel && payload !== "") emit.single(payload)
            })
          ),
          (off) => Effect.sync(off)
        )
      })
    )

  yield* Effect.forkScoped(PgliteUpkeep.run(client))

  return Context.make(SqlClient.SqlClient, client).pipe(
    Context.add(PgClient.PgClient, withPgSurface(client, {}, listen)),
    Context.add(Prepared, {
      execute: <Row extends object>(
        sql: string,
        params: ReadonlyArray<unknown>,
        options?: { readonly isLong?: boolean }
      ) =>
        Effect.flatMap(
          Effect.serviceOption(SqlClient.TransactionConnection),
          (transaction) => connectionOf(transaction, pooled).prepared<Row>(sql, params, options?.isLong)
        )
    })
  )
})

const connectionOf = (
  transaction: Option.Option<readonly [SqlConnection.Connection, number]>,
  pooled: Connection
): Connection =>
  transaction._tag === "Some" && transaction.value[0] instanceof Connection ? transaction.value[0] : pooled

export const layer = (options: Options): Layer.Layer<
  SqlClient.SqlClient | PgClient.PgClient | Prepared,
  DirectoryLock.DataDirLocked | DataDir.DataDirUnusable
> => Layer.scopedContext(make(options)).pipe(Layer.provide(Reactivity.layer))
