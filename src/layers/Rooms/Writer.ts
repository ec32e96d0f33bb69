/**
 * The process's one writer: whatever waits in all rooms goes into the log in one
 * transaction, then everyone waiting is told. While one flush is in flight the
 * next fills; between two lie at least two milliseconds, so a busy process
 * batches by itself, and the first event after a pause still goes at once.
 */
import { Clock, Effect } from "effect"
import type { EventLog } from "../../services/EventLog.ts"
import * as Flush from "./Flush.ts"

/** Least time between two flushes, in milliseconds. */
const gap = 2

/** Wait before a failed flush is tried again, in milliseconds: doubled from the one to the other. */
const retryFrom = 50
const retryTo = 1_000

/** Failed flushes after which each room's part is written alone. */
const triesTogether = 4

/** Characters of frames in a flush, about: encoding and writing more would hold up the event loop. */
const maxFlushSize = 4 * 1024 * 1024

/** How long something may wait, with nothing written, until nothing more is let in behind it, in milliseconds. */
const maxWait = 1_000

/** How long something may wait, with nothing written, until the log counts as unhealthy, in milliseconds. */
const maxStall = 3_000

/** How long a failure speaks against storage when nothing has been tried since, in milliseconds. */
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
  /** Taken, and neither written nor refused yet. */
  let inHand: ReadonlyArray<Flush.Taken> = []
  /** Flushes in a row that failed as a whole. */
  let failures = 0
  let failedAt = 0
  let written = 0
  /** Since when something waits and nothing was written. */
  let since: number | undefined

  // Pacing is about the machine, not about the time that events tell of.
  const live = Clock.make()
  const now = () => live.unsafeCurrentTimeMillis()

  const takeAll = (): ReadonlyArray<Flush.Taken> => {
    const taken = [...inHand]
    const retried = new Set(taken.map(({ source }) => source))
    let size = taken.reduce((sum, { batch }) => sum + Flush.sizeOf(batch), 0)
    for (const source of waiting) {
      if (size >= maxFlushSize) break
      // Its next events come after those that are tried again: both in one statement would be in no order.
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
      // Once for each time that storage goes away, not for each attempt.
      yield* (failures === 0 ? Effect.logError : Effect.logDebug)("The log does not take what is written", failure)
      failures++
      failedAt = now()
    }
  })

  const pass = Effect.gen(function*() {
    yield* latch.await
    yield* nextTurn
    // Closed before anything is taken: whoever comes from now on opens it again.
    latch.unsafeClose()
    // In hand before it is written, so that a failure of the writer itself leaves nobody waiting.
    inHand = takeAll()
    if (inHand.length > 0) yield* write(inHand)
    yield* flush.report
    if (inHand.length + waiting.size === 0) since = undefined
    else since ??= now()
    const isRetried = failures > 0 || inHand.length > 0
    yield* Effect.sleep(isRetried ? Math.min(retryFrom * 2 ** Math.max(failures - 1, 0), retryTo) : gap)
    if (inHand.length + waiting.size > 0) latch.unsafeOpen()
  })

  /** A mistake in here is logged and costs the rooms whose batches were in hand, not everybody's log. */
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
    /** Flushes that went through. */
    written: () => written,
    /** Storage does not take what waits for it, or not in time. */
    isHeldUp: () => since !== undefined && now() - since > maxWait,
    /** The last flush went through, or nothing waits and the last failure is long past; and nothing has waited for long. */
    healthy: Effect.sync(() => {
      if (since !== undefined && now() - since > maxStall) return false
      return failures === 0 || (inHand.length === 0 && now() - failedAt > failureMemory)
    })
  }
})
