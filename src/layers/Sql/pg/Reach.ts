/** The first look at a server: whether it can be reached, and whether it is one that stoa can live on. */
import { Data, Duration, Effect, Option } from "effect"
import { Client, type Config } from "pg"
import { type Address, DatabaseUnreachable } from "./Address.ts"

/** The server answers, but stoa cannot use it. `message` says what to change. */
export class DatabaseUnfit extends Data.TaggedError("DatabaseUnfit")<{
  readonly address: string
  readonly message: string
}> {}

/** Longest time to make a connection at the start, and for one answer then. */
const connectTimeout = Duration.seconds(10)
const answerTimeout = Duration.seconds(5)

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

/** The library says it in these words, without a code. */
const speaksNoTls = /does not support SSL/

const reasonOf = (error: unknown, code: string | undefined) => {
  if (code !== undefined && code in advice) return advice[code]!
  if (!(error instanceof Error)) return "it gives no reason. Check the database url"
  if (speaksNoTls.test(error.message)) {
    return "it does not speak TLS. Set it up there, or choose sslmode=prefer or disable in the database url"
  }
  if (/certificate|altnames/i.test(error.message)) {
    return `its certificate is not accepted (${error.message}). Name the right sslrootcert and host in the database url`
  }
  return `${error.message}. Check the database url`
}

const errorOf = (cause: unknown): unknown => cause instanceof AggregateError ? cause.errors[0] : cause

const unreachable = (shown: string) => (cause: unknown) => {
  const error = errorOf(cause)
  const code = error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined
  return new DatabaseUnreachable({
    address: shown,
    code,
    message: `Cannot connect to PostgreSQL at ${shown}: ${reasonOf(error, code)}.`
  })
}

/** Ends a connection in order, but waits only a second: a dead one never answers. */
export const closingClient = (client: Client) =>
  Effect.promise(() => client.end()).pipe(
    Effect.interruptible,
    Effect.timeoutOption("1 second"),
    Effect.zipRight(Effect.sync(() => client.connection.stream.destroy()))
  )

const connected = (config: Config, shown: string) =>
  Effect.acquireRelease(
    Effect.gen(function*() {
      const client = new Client({ ...config, connectionTimeoutMillis: Duration.toMillis(connectTimeout) })
        .on("error", () => {})
      yield* Effect.tryPromise({ try: () => client.connect(), catch: unreachable(shown) }).pipe(
        Effect.onError(() => Effect.sync(() => client.connection.stream.destroy()))
      )
      return client
    }),
    closingClient
  )

interface Answered {
  readonly rows: ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** The last answer to the statements; undefined when there is none in time. */
const asked = (client: Client, statements: string, shown: string) =>
  Effect.tryPromise({ try: () => client.query(statements), catch: unreachable(shown) }).pipe(
    Effect.timeoutOption(answerTimeout),
    Effect.map(Option.map((answer) => {
      const answers: ReadonlyArray<Answered> = Array.isArray(answer) ? answer : [answer]
      return answers.at(-1)!.rows[0]!
    }))
  )

const unfit = (address: string, message: string) => new DatabaseUnfit({ address, message })

const perTransaction = (shown: string) =>
  unfit(
    shown,
    `What answers at ${shown} gives its connections out per transaction (or statement), as a pooler such as PgBouncer does in that mode. ` +
      "Stoa needs connections of its own, for LISTEN, locks and prepared statements: set pool_mode = session there, or name the PostgreSQL server itself."
  )

const whoAnswers = "select pg_backend_pid() as pid, current_setting('server_encoding') as encoding"

/**
 * Asks on two connections in turn which process of the server answers. Behind a
 * pooler that gives connections out per transaction, both get the same one, or one
 * of them gets another once the first is held by a transaction.
 */
const haveTheirOwn = Effect.fnUntraced(function*(config: Config, shown: string, first: Client, pid: unknown) {
  const second = yield* Effect.option(connected(config, shown))
  // A server that has no second connection says so to those who need it.
  if (Option.isNone(second)) return true
  const other = yield* asked(second.value, `begin; ${whoAnswers}`, shown)
  if (Option.isNone(other) || other.value["pid"] === pid) return false
  const again = yield* asked(first, whoAnswers, shown)
  return Option.isSome(again) && again.value["pid"] === pid
}, Effect.scoped)

/** Connects, and says how from now on. */
export const reach = Effect.fnUntraced(
  function*({ isTlsOptional, shown }: Address, given: Config) {
    const withoutTls = { ...given, ssl: false } satisfies Config
    const trying = Effect.map(connected(given, shown), (client) => ({ client, config: given }))
    const { client, config } = yield* isTlsOptional
      ? Effect.catchIf(
        trying,
        ({ message }) => message.includes("does not speak TLS"),
        () => Effect.map(connected(withoutTls, shown), (client) => ({ client, config: withoutTls }))
      )
      : trying
    const answer = yield* asked(client, whoAnswers, shown)
    if (Option.isNone(answer)) {
      return yield* new DatabaseUnreachable({
        address: shown,
        code: "ETIMEDOUT",
        message: `PostgreSQL at ${shown} takes connections, but does not answer. Try again when it does.`
      })
    }
    const { encoding, pid } = answer.value
    if (encoding !== "UTF8") {
      return yield* unfit(
        shown,
        `The database at ${shown} has the encoding ${
          String(encoding)
        }, which does not hold every text: stoa needs UTF8. ` +
          "Make one with createdb --encoding UTF8 --template template0, and name it in the database url."
      )
    }
    if (!(yield* haveTheirOwn(config, shown, client, pid))) return yield* perTransaction(shown)
    return config
  },
  Effect.scoped
)
