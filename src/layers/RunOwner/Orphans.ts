/** Looks for runs that no process drives: at the start, after storage was away, and when another process is gone. */
import { Duration, Effect, Random } from "effect"
import type { Unfinished } from "../../services/EventLog.ts"
import type { Parts } from "./Parts.ts"
import type { Recovery } from "./Recovery.ts"

/** How many sessions are recovered at the same time. */
const recoverConcurrency = 8

/** How often the sweep looks for runs without a living process, in milliseconds. Those that it sees twice are recovered. */
const sweepFrom = 900
const sweepTo = 1_500

/** After storage did not answer, how often it is asked what it has written. */
const unconfirmedEvery = Duration.millis(500)

export const make = (
  { activeRuns, log, peers }: Parts,
  /** Open while storage may hold runs that this process does not know of. */
  unconfirmed: Effect.Latch,
  { takeUp }: Pick<Recovery, "takeUp">
) => {
  const { self } = peers
  const takeUpAll = (sessions: ReadonlyArray<Unfinished>) =>
    Effect.forEach(sessions, ({ owner, session_id }) => takeUp({ id: session_id, user_id: owner }), {
      concurrency: recoverConcurrency,
      discard: true
    })

  /** Sessions whose runs no process drives: their process is gone, or this one has lost them. */
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

  /** Drives runs whose write seemed to be refused and which are in storage all the same. The sweep finds those of other processes. */
  const lookForUnconfirmed = Effect.gen(function*() {
    yield* unconfirmed.await
    yield* Effect.sleep(unconfirmedEvery)
    if (activeRuns.isClosing()) return yield* Effect.never
    // The latch is closed before storage is asked: a write that becomes unconfirmed meanwhile opens it again.
    unconfirmed.unsafeClose()
    yield* takeUpAll((yield* orphans).filter(({ driver }) => peers.alone || driver === self))
  }).pipe(Effect.catchAllCause((cause) =>
    Effect.zipRight(
      Effect.logDebug("It cannot be looked for now what storage has written", cause),
      Effect.sync(unconfirmed.unsafeOpen)
    )
  ))

  let suspects = new Set<string>()

  /** A process that is away for a moment keeps its runs: only what is found twice is recovered. */
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
