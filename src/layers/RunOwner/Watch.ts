/** Looks for runs that nobody drives: at the start, after storage was away, and when another process is gone. */
import { Duration, Effect, Random } from "effect"
import type { SessionId, UserId } from "../../domain/Ids.ts"
import type { EventLog, Unfinished } from "../../services/EventLog.ts"
import type { Peers } from "../../services/Peers.ts"
import type { Seats } from "./Seats.ts"

/** Sessions that are picked up at the same time. */
const recoverConcurrency = 8

/** How often runs without a living process are looked for, in milliseconds. Seen twice, they are taken up. */
const sweepFrom = 900
const sweepTo = 1_500

/** How often storage that did not answer is asked what it has kept. */
const doubtEvery = Duration.millis(500)

export interface Options {
  readonly log: typeof EventLog.Service
  readonly peers: typeof Peers.Service
  readonly seats: Seats
  /** Open while storage may hold runs that nobody here knows of, because it did not answer when they were written. */
  readonly doubt: Effect.Latch
  readonly isClosing: () => boolean
  readonly takeUp: (session: { readonly id: SessionId; readonly user_id: UserId }) => Effect.Effect<void>
}

export const make = ({ peers, doubt, isClosing, log, seats, takeUp }: Options) => {
  const { self } = peers
  const takeUpAll = (sessions: ReadonlyArray<Unfinished>) =>
    Effect.forEach(sessions, ({ owner, session_id }) => takeUp({ id: session_id, user_id: owner }), {
      concurrency: recoverConcurrency,
      discard: true
    })

  /** Nobody drives what runs or waits there: the process is gone, or this one has lost it. */
  const strays = Effect.gen(function*() {
    const unfinished = yield* log.unfinishedSessions
    const foreign = unfinished.some(({ driver }) => driver !== null && driver !== self)
    const living = foreign ? yield* peers.living : new Set<string>()
    return unfinished.filter(({ driver, fresh, session_id }) =>
      seats.has(session_id) ? fresh : driver === null || driver === self || !living.has(driver)
    )
  })

  const recover = Effect.gen(function*() {
    const found = yield* strays
    if (found.length === 0) return
    yield* Effect.logInfo(`Going on with unfinished runs in ${found.length} sessions`)
    yield* takeUpAll(found)
  })

  /** Drives on what was refused and yet is there. Of what other processes have had, the sweep knows. */
  const clearUp = Effect.gen(function*() {
    yield* doubt.await
    yield* Effect.sleep(doubtEvery)
    if (isClosing()) return yield* Effect.never
    doubt.unsafeClose()
    yield* takeUpAll((yield* strays).filter(({ driver }) => peers.alone || driver === self))
  }).pipe(Effect.catchAllCause((cause) =>
    Effect.zipRight(
      Effect.logDebug("It cannot be looked for now what storage has kept", cause),
      Effect.sync(doubt.unsafeOpen)
    )
  ))

  let suspects = new Set<string>()

  /** A process that is gone for a moment only keeps its runs: whoever is missing is missed twice. */
  const sweep = Effect.gen(function*() {
    yield* Effect.sleep(yield* Random.nextIntBetween(sweepFrom, sweepTo))
    if (isClosing()) return
    const found = yield* strays
    const keyOf = ({ driver, fresh, session_id }: Unfinished) => `${session_id} ${driver} ${fresh}`
    const sure = found.filter((one) => suspects.has(keyOf(one)))
    suspects = new Set(found.map(keyOf))
    yield* takeUpAll(sure)
  }).pipe(Effect.catchAllCause((cause) => {
    suspects.clear()
    return Effect.logDebug("Unfinished runs cannot be looked for now", cause)
  }))

  return { recover, clearUp, sweep }
}
