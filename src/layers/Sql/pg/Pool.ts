/**
 * node-postgres with a limit to every wait. When no answer comes, the connection
 * is given up and never used again: what becomes of its statement is not known.
 */
import { Duration } from "effect"
import { type Answered, Client, type Config, type Lent, Pool, type Query, type Submittable, type Values } from "pg"

export interface Timeouts {
  /** Longest wait for the answer to a statement that does not bring its own timeout. */
  readonly statement: Duration.Duration
  /** Longest wait for a connection of the pool. A connection that comes later goes to the next who asks. */
  readonly connection: Duration.Duration
  /** Replaces both limits while the server answers other statements: it is busy then, not away. */
  readonly busy: Duration.Duration
}

/** The system reports `ETIMEDOUT` for a connection that is silent for too long. */
const silent = (what: string) => Object.assign(new Error(`PostgreSQL did not ${what} in time`), { code: "ETIMEDOUT" })

/** An answer that is not older shows that the server is alive; and how often that is checked again. In milliseconds. */
const recent = 500
const lookAgain = 250

/** `too_many_connections`, which shows that the server is alive. */
const isFull = (cause: unknown) => cause instanceof Error && "code" in cause && cause.code === "53300"

/** Longest time for the server to greet a new connection, in milliseconds. */
const greeting = 400

/**
 * Knows when the server last answered. Statements that wait for each other's locks
 * are all silent until the server finds the deadlock after a second, so a doubt is settled by a probe.
 */
class Pulse {
  readonly #config: Config | undefined
  #lastAnswer = -Infinity
  #asking: Promise<boolean> | undefined

  /** Without `config` there is no server to probe. */
  constructor(config?: Config) {
    this.#config = config
  }

  readonly beat = () => {
    this.#lastAnswer = performance.now()
  }

  readonly isAlive = () => performance.now() - this.#lastAnswer < recent

  readonly ask = (): Promise<boolean> => this.#asking ??= this.#greeted().finally(() => this.#asking = undefined)

  async #greeted(): Promise<boolean> {
    if (this.#config === undefined) return false
    const client = new Client({ ...this.#config, connectionTimeoutMillis: greeting })
    client.on("error", () => {})
    try {
      await client.connect()
    } catch (cause) {
      client.connection.stream.destroy()
      if (!isFull(cause)) return false
    }
    client.end().catch(() => {})
    this.beat()
    return true
  }
}

/** Calls once when the time is up, unless it is stopped before. */
const after = (timeout: Duration.Duration, busy: Duration.Duration, pulse: Pulse, call: () => void): () => void => {
  if (!Duration.isFinite(timeout)) return () => {}
  const since = performance.now()
  let immediate: NodeJS.Immediate | undefined
  let stopped = false
  const goOn = (isAlive: boolean) => {
    if (stopped) return
    if (isAlive) wait(lookAgain)
    else call()
  }
  const check = () => {
    if (performance.now() - since >= Duration.toMillis(busy)) call()
    else if (pulse.isAlive()) wait(lookAgain)
    else void pulse.ask().then(goOn)
  }
  const wait = (millis: number) => {
    // Answers that arrived while this process was blocked are read before the time is declared over.
    // @effect-diagnostics-next-line globalTimers:off -- node-postgres lives outside of fibers
    timer = setTimeout(() => {
      immediate = setImmediate(check)
    }, millis)
  }
  let timer: NodeJS.Timeout
  wait(Duration.toMillis(timeout))
  return () => {
    stopped = true
    clearTimeout(timer)
    clearImmediate(immediate)
  }
}

/** Closes the connection at once. Data that has not left this machine is dropped; an orderly end would send it. */
const abandon = ({ connection }: Client, why: Error) => {
  try {
    connection.stream.resetAndDestroy()
  } catch {
    // Only plain TCP can be reset, neither TLS nor a local socket.
    connection.stream.destroy()
  }
  connection.emit("error", why)
}

/** `gaveUp` is called for every connection that was given up. */
export const clientClass = (
  { busy, statement }: Timeouts,
  pulse = new Pulse(),
  gaveUp: (why: Error) => void = () => {}
) =>
  class extends Client {
    override query(sql: string): Promise<unknown>
    override query<A extends Submittable>(query: A): A
    override query(query: string | Query, answered: Answered): void
    override query(query: string | Query, values: Values | undefined, answered: Answered): void
    override query(
      query: string | Query | Submittable,
      second?: Values | Answered,
      third?: Answered
    ): unknown {
      if (typeof query !== "string" && "submit" in query) return super.query(query)
      const [values, answered] = typeof second === "function" ? [undefined, second] : [second, third]
      if (answered === undefined) {
        return new Promise((done, fail) =>
          this.query(query, values, (error, result) => error ? fail(error) : done(result))
        )
      }
      const own = typeof query === "string" ? undefined : query.answerTimeout
      const stop = after(own ?? statement, own ?? busy, pulse, () => {
        const why = silent("answer")
        abandon(this, why)
        gaveUp(why)
      })
      return super.query(query, values, (error, result) => {
        stop()
        if (!error) pulse.beat()
        answered(error, result)
      })
    }
  }

export class PgPool extends Pool {
  readonly #timeouts: Timeouts
  readonly #pulse: Pulse

  constructor(config: Config, timeouts: Timeouts) {
    const idle = new Set<Client>()
    const pulse = new Pulse(config)
    // Idle connections have probably been lost in the same way: no statement shall wait to find that out.
    const gaveUp = (why: Error) => idle.forEach((client) => abandon(client, why))
    super({ ...config, Client: clientClass(timeouts, pulse, gaveUp) })
    this.#timeouts = timeouts
    this.#pulse = pulse
    this.on("acquire", (client) => idle.delete(client))
    this.on("remove", (client) => idle.delete(client))
    this.on("release", (error, client) => {
      if (!error) idle.add(client)
    })
  }

  override connect(lent: Lent): void {
    const { busy, connection } = this.#timeouts
    let waits = true
    const stop = after(connection, busy, this.#pulse, () => {
      waits = false
      lent(silent("give a connection"))
    })
    super.connect((error, client, release) => {
      stop()
      if (waits) lent(error, client, release)
      else release?.()
    })
  }
}
