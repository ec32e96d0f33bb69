/**
 * Processes on one PostgreSQL. Each has one connection beside its pool, which
 * listens and holds a lock that the server releases when the process is gone.
 * Notices go out by one `pg_notify` for all that waits.
 */
import { Clock, Deferred, Duration, Effect, Layer, Random, Stream } from "effect"
import type { RunId, SessionId, UserId } from "../../domain/Ids.ts"
import { type Notice, Peers, type Received } from "../../services/Peers.ts"
import { Listening } from "../Sql/pg/Listening.ts"
import { livingText, lockClass } from "../Sql/pg/Living.ts"
import { Prepared } from "../Sql/Prepared.ts"

const channel = "stoa"

/** PostgreSQL takes 8000 bytes less one. All that is sent is ASCII. */
const maxPayload = 7_900

/**
 * Wait before a lost connection is tried again: doubled from the one to the
 * other. Shorter than what makes the others think that this process is gone.
 */
const retryFrom = Duration.millis(50)
const retryTo = Duration.millis(500)

/** How often everybody looks for what was missed: with the connection and without it. */
const lookEvery = Duration.seconds(4)
const lookEveryDeaf = Duration.seconds(1)

/** How often a process asks whether it is alone. */
const countEvery = Duration.seconds(2)

/** Longest wait for the first connection at the start. */
const readyTimeout = Duration.seconds(10)

/** A machine that vanishes says no goodbye; the server then asks, and gives up after about ten seconds. */
const keepalive = "set tcp_keepalives_idle = 4; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 3"

/**
 * A process that is frozen, or that nothing reaches, says nothing: the server then
 * ends its connection, and with it the lock. PostgreSQL 13 cannot do that; there
 * such a process keeps its runs.
 */
const silence = "select set_config(name, '8s', false) from pg_settings where name = 'idle_session_timeout'"

const notifyText = "select pg_notify($1, payload) from string_to_table($2, e'\\x1f') as payload"

const textOf = (notice: Notice): string => {
  switch (notice.type) {
    case "pages":
    case "forget":
    case "tasks":
    case "answered":
      return `${notice.type} ${notice.session}`
    case "input":
      return `input ${notice.session} ${notice.driver}`
    case "cancel":
      return `cancel ${notice.session} ${notice.run}`
    case "interrupt":
      return `interrupt ${notice.session} ${notice.run} ${notice.queue}`
    case "notified":
      return `notified ${notice.owner}`
  }
}

/** Undefined for what a later version says. */
const noticeOf = (text: string): Notice | undefined => {
  const [type, id, second, third] = text.split(" ")
  const session = id as SessionId
  const run = second as RunId
  switch (type) {
    case "pages":
    case "forget":
    case "tasks":
    case "answered":
      return { type, session }
    case "input":
      return { type, session, driver: second! }
    case "cancel":
      return { type, session, run }
    case "interrupt":
      return { type, session, run, queue: third === "drop" ? "drop" : "keep" }
    case "notified":
      return { type, owner: id as UserId }
    default:
      return undefined
  }
}

/** Lines joined into as few payloads as PostgreSQL takes, each beginning with who says it. */
const payloadsOf = (self: string, lines: Iterable<string>): ReadonlyArray<string> => {
  const payloads: Array<string> = []
  let payload = ""
  for (const line of lines) {
    if (payload !== "" && payload.length + line.length + 1 > maxPayload) {
      payloads.push(payload)
      payload = ""
    }
    payload = `${payload === "" ? self : payload}\n${line}`
  }
  if (payload !== "") payloads.push(payload)
  return payloads
}

const hello = "hello"

export const make = Effect.gen(function*() {
  const { execute } = yield* Prepared
  const { listen } = yield* Listening
  const self = String(globalThis.crypto.getRandomValues(new Uint32Array(1))[0]!)
  const key = Number(self) | 0
  const listeners = new Set<(received: Received) => void>()
  const waiting = new Set<string>()
  const some = yield* Effect.makeLatch(false)
  const again = yield* Effect.makeLatch(false)
  const ready = yield* Deferred.make<void>()
  let connected = false
  let others = true
  let failures = 0
  let generation = 0

  const receive = (received: Received) => {
    for (const call of listeners) call(received)
  }

  const say = (line: string) => {
    waiting.add(line)
    some.unsafeOpen()
  }

  // Nobody hears of pages where nobody else is.
  const notify = (notice: Notice) => {
    if (others || notice.type !== "pages") say(textOf(notice))
  }

  const receivePayload = (payload: string | null) => {
    if (payload === null) {
      connected = true
      failures = 0
      say(hello)
      Deferred.unsafeDone(ready, Effect.void)
      return receive({ type: "look" })
    }
    const [sender, ...lines] = payload.split("\n")
    if (sender === self) return
    others = true
    generation++
    for (const line of lines) {
      const notice = noticeOf(line)
      if (notice !== undefined) receive(notice)
    }
  }

  const connection = Effect.gen(function*() {
    again.unsafeClose()
    yield* Stream.runForEach(
      listen(channel, [keepalive, silence, `select pg_advisory_lock_shared(${lockClass}, ${key})`]),
      (payload) => Effect.sync(() => receivePayload(payload))
    ).pipe(Effect.exit, Effect.raceFirst(again.await))
    if (connected) yield* Effect.logWarning("The connection that hears of other processes is lost; it is made again")
    connected = false
    const jitter = yield* Random.nextRange(0.7, 1.3)
    yield* Effect.sleep(
      Duration.times(Duration.min(Duration.times(retryFrom, 2 ** Math.min(failures++, 10)), retryTo), jitter)
    )
  })

  const tell = Effect.gen(function*() {
    yield* some.await
    some.unsafeClose()
    const lines = [...waiting]
    waiting.clear()
    yield* execute(notifyText, [channel, payloadsOf(self, lines).join("\x1f")]).pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("Other processes could not be told", cause))
    )
  })

  const living = Effect.map(
    Effect.orDie(execute<{ readonly id: string }>(livingText, [])),
    (rows): ReadonlySet<string> => new Set(rows.map(({ id }) => id))
  )

  const count = Effect.gen(function*() {
    yield* Effect.sleep(countEvery)
    const before = generation
    const lives = yield* living
    // Somebody who came meanwhile may not be among them yet.
    if (generation === before) others = lives.size > (lives.has(self) ? 1 : 0)
    // The server has given the connection up, and it does not know yet.
    if (connected && !lives.has(self)) again.unsafeOpen()
  }).pipe(Effect.catchAllCause((cause) => Effect.logDebug("Other processes could not be counted", cause)))

  const look = Effect.gen(function*() {
    yield* Effect.sleep(Duration.times(connected ? lookEvery : lookEveryDeaf, yield* Random.nextRange(0.8, 1.2)))
    receive({ type: "look" })
  })

  const live = Clock.make()
  for (const loop of [connection, tell, count, look]) {
    yield* Effect.forkScoped(Effect.withClock(Effect.forever(loop), live))
  }
  yield* Deferred.await(ready).pipe(Effect.timeoutOption(readyTimeout), Effect.withClock(live))

  return Peers.of({
    self,
    alone: false,
    notify,
    listen: (receive) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => listeners.add(receive)),
        () => Effect.sync(() => listeners.delete(receive))
      )),
    living
  })
})

export const layer: Layer.Layer<Peers, never, Prepared | Listening> = Layer.scoped(Peers, make)
