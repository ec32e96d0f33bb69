/** Looks for runs that nobody drives: at the start, after storage was away, and when another process is gone. */
import { Duration, Effect, Random } from "effect"
import type { Unfinished } from "../../services/EventLog.ts"
import type { Parts } from "./Parts.ts"
import type { Recovery } from "./Recovery.ts"

/** Sessions that are taken up at the same time. */
const recoverConcurrency = 8

/** How often runs without a living process are looked for, in milliseconds. Seen twice, they are taken up. */
const sweepFrom = 900
const sweepTo = 1_500

/** How often storage that did not answer is asked what it has written. */
const unconfirmedEvery = Duration.millis(500)

export const make = (
  { activeRuns, log, peers }: Parts,
  /** Open while storage may hold runs that nobody here knows of. */
  unconfirmed: Effect.Latch,
  { takeUp }: Pick<Recovery, "takeUp">
) => {
  const { self } = peers
  const takeUpAll = (sessions: ReadonlyArray<Unfinished>) =>
    Effect.forEach(sessions, ({ owner, session_id }) => takeUp({ id: session_id, user_id: owner }), {
      concurrency: recoverConcurrency,
      discard: true
    })

  /** Sessions in which nobody drives what runs or waits: the process is gone, or this one has lost it. */
  const orphans = Effect.gen(function*() {
    const unfinished = yield* log.unfinishedSessions
    const foreign = unfinished.some(({ driver }) => driver !== null && driver !== self)
    const living = foreign ? yield* peers.living : new Set<string>()
    return unfinished.filter(({ driver, fresh, session_id }) =>
      activeRuns.has(session_id) ? fresh : driver === null || driver === self || !living.has(driver)
    )
  })

  const recover = Effect.gen(function*() {
    const found = yield* orphans
    if (found.length === 0) return
    yield* Effect.logInfo(`Going on with unfinished runs in ${found.length} sessions`)
    yield* takeUpAll(found)
  })

  /** Drives on what was refused and yet is there. What other processes had, the sweep finds. */
  const lookForUnconfirmed = Effect.gen(function*() {
    yield* unconfirmed.await
    yield* Effect.sleep(unconfirmedEvery)
    if (activeRuns.isClosing()) return yield* Effect.never
    // Closed before storage is asked: what becomes unconfirmed meanwhile opens it again.
    unconfirmed.unsafeClose()
    yield* takeUpAll((yield* orphans).filter(({ driver }) => peers.alone || driver === self))
  }).pipe(Effect.catchAllCause((cause) =>
    Effect.zipRight(
      Effect.logDebug("It cannot be looked for now what storage has written", cause),
      Effect.sync(unconfirmed.unsafeOpen)
    )
  ))

  let suspects = new Set<string>()

  /** A process that is away for a moment only keeps its runs: only what is found twice is taken up. */
  const sweep = Effect.gen(function*() {
    yield* Effect.sleep(yield* Random.nextIntBetween(sweepFrom, sweepTo))
    if (activeRuns.isClosing()) return
    const found = yield* orphans
    const keyOf = ({ driver, fresh, session_id }: Unfinished) => `${session_id} ${driver} ${fresh}`
    const sure = found.filter((one) => suspects.has(keyOf(one)))
    suspects = new Set(found.map(keyOf))
    yield* takeUpAll(sure)
  }).pipe(Effect.catchAllCause((cause) => {
    suspects.clear()
    return Effect.logDebug("Unfinished runs cannot be looked for now", cause)
  }))

  return { recover, lookForUnconfirmed, sweep }
}
