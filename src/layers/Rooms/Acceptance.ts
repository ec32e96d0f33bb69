/** Waits until an input is durable, but only for a bounded time while storage writes nothing. */
import { Deferred, Effect } from "effect"
import { Unavailable } from "../../domain/Errors.ts"
import type { AppendRefused } from "../../services/EventLog.ts"

/** How long an input waits while the log writes nothing at all, and how often it looks, in milliseconds. No request waits for two seconds. */
const timeout = 1_200
const interval = 200

const notTaken = new Unavailable({
  code: "storage_unavailable",
  detail:
    "Storage does not take the input now. Try again, with an Idempotency-Key: in rare cases it was kept all the same.",
  retry_after: 2
})

/** Calls back once when the log has written nothing of any session for that long. Returns a function that stops the timer. */
const whenNothingIsTaken = (written: () => number, call: () => void): () => void => {
  let before = written()
  let quiet = 0
  // @effect-diagnostics-next-line globalTimers:off -- each input has one, and a fiber would cost more than the rest of it
  const timer = setInterval(() => {
    const now = written()
    quiet = now === before ? quiet + interval : 0
    before = now
    if (quiet < timeout) return
    clearInterval(timer)
    call()
  }, interval)
  return () => clearInterval(timer)
}

export const accepted = (
  settled: Deferred.Deferred<void, AppendRefused | Unavailable>,
  /** Counts the flushes that the log has written, of any session. */
  written: () => number,
  /** Withdraws the input with all that is pending in its room; false when that must stay. */
  withdraw: () => boolean
): Effect.Effect<void, AppendRefused | Unavailable> => {
  const stop = whenNothingIsTaken(written, () => {
    if (!withdraw()) Deferred.unsafeDone(settled, Effect.fail(notTaken))
  })
  return Deferred.await(settled).pipe(
    Effect.ensuring(Effect.sync(stop)),
    Effect.mapError((refused) =>
      refused._tag === "AppendRefused" && (refused.reason === "withdrawn" || refused.reason === "broken")
        ? notTaken
        : refused
    )
  )
}
