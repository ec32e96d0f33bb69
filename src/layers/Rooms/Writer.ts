/**
 * The process has one writer: what is pending in all rooms goes into the log in one
 * transaction, then everyone who waits is notified. While one flush is in flight the
 * next fills; between two lie at least two milliseconds, so a busy process
 * batches by itself, and the first event after a pause still goes at once.
 */
import { Clock, Effect } from "effect"
import type { EventLog } from "../../services/EventLog.ts"
import { monotonic } from "../../services/Now.ts"
import * as Flush from "./Flush.ts"

/** Least time between two flushes, in milliseconds. */
const gap = 2

/** How long a failed flush waits before it is tried again, in milliseconds: the first wait, doubled up to the last. */
const retryFrom = 50
const retryTo = 1_000

/** Failed flushes after which each room's part is written alone. */
const triesTogether = 4

/** About the most characters of frames in a flush: encoding and writing more would block the event loop. */
const maxFlushSize = 1024 * 1024

/** When something has waited for so long with nothing written, new inputs are refused. In milliseconds. */
const maxWait = 1_000

/** When something has waited for so long with nothing written, the log counts as unhealthy. In milliseconds. */
const maxStall = 3_000

/** A failure counts against storage for so long when nothing has been tried since. In milliseconds. */
const failureMemory = 10_000

/** Lets the rest of this turn of the event loop join the flush. */
const nextTurn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

export const make = Effect.fnUntraced(function*(log: typeof EventLog.Service) {
  const flush = Flush.make(log)
  const waiting = new Set<Flush.Source>()
  const latch = yield* Effect.makeLatch(false)
  /** Batches that were taken and are neither written nor refused yet. */
  let inHand: ReadonlyArray<Flush.Taken> = []
  /** Flushes in a row that failed as a whole. */
  let failures = 0
  let failedAt = 0
  let written = 0
  /** The time since which something waits and nothing was written. */
  let since: number | undefined

  // The pace depends on the machine's time, not on the clock that dates events.
  const live = Clock.make()
  const now = () => monotonic(live)

  const takeAll = (): ReadonlyArray<Flush.Taken> => {
    const taken = [...inHand]
    const retried = new Set(taken.map(({ source }) => source))
    let size = taken.reduce((sum, { batch }) => sum + Flush.sizeOf(batch), 0)
    for (const source of waiting) {
      if (size >= maxFlushSize) break
      // A source whose batch is tried again gives no new one: in one statement the two would have no order.
      if (retried.has(source)) continue
      waiting.delete(source)
      const one = flush.take(source)
      if (one === undefined) continue
      size += Flush.sizeOf(one.batch)
      taken.push(one)
    }
    return taken
  }

  const write = Effect.fnUntraced(function*(taken: ReadonlyArray<Flush.Taken>) {
    const { answered, failure, retry } = yield* flush.write(taken, failures >= triesTogether)
    inHand = retry
    if (answered) {
      failures = 0
      written++
      since = undefined
    } else if (failure !== undefined) {
      // This is logged once each time that storage goes away, not for each attempt.
      yield* (failures === 0 ? Effect.logError : Effect.logDebug)("The log does not take what is written", failure)
      failures++
      failedAt = now()
    }
  })

  const pass = Effect.gen(function*() {
    yield* latch.await
    yield* nextTurn
    // The latch is closed before anything is taken: a source that comes from now on opens it again.
    latch.unsafeClose()
    // The batches are recorded before they are written, so that a failure of the writer itself leaves nobody waiting.
    inHand = takeAll()
    if (inHand.length > 0) yield* write(inHand)
    yield* flush.report
    if (inHand.length + waiting.size === 0) since = undefined
    else since ??= now()
    const isRetried = failures > 0 || inHand.length > 0
    yield* Effect.sleep(isRetried ? Math.min(retryFrom * 2 ** Math.max(failures - 1, 0), retryTo) : gap)
    if (inHand.length + waiting.size > 0) latch.unsafeOpen()
  })

  /** A bug in here is logged. It costs the rooms whose batches were being written, and no others. */
  const supervised = Effect.catchAllDefect(pass, (defect) => {
    flush.giveUp(inHand)
    inHand = []
    if (waiting.size > 0) latch.unsafeOpen()
    return Effect.zipRight(Effect.logError("The log's writer broke and goes on", defect), Effect.sleep(retryFrom))
  })

  yield* Effect.forkScoped(Effect.withClock(Effect.forever(supervised), live))

  return {
    /** The source has something to write. */
    wake: (source: Flush.Source) => {
      waiting.add(source)
      since ??= now()
      latch.unsafeOpen()
    },
    /** Counts the flushes that were written. */
    written: () => written,
    /** Storage does not write what waits for it, or not in time. */
    isHeldUp: () => since !== undefined && now() - since > maxWait,
    /** Nothing has waited for long, and the last flush was written, or nothing waits and the last failure is long past. */
    healthy: Effect.sync(() => {
      if (since !== undefined && now() - since > maxStall) return false
      return failures === 0 || (inHand.length === 0 && now() - failedAt > failureMemory)
    })
  }
})
