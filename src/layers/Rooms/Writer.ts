/**
 * The process's one writer: whatever waits in all rooms goes into the log in one
 * transaction, then everyone waiting is told. While one flush is in flight the
 * next fills; between two lie at least two milliseconds, so a busy process
 * batches by itself, and the first event after a pause still goes at once.
 */
import { Cause, Clock, Effect, Exit } from "effect"
import { AppendRefused, type EventLog, type LogBatch } from "../../services/EventLog.ts"

type Log = typeof EventLog.Service

/** A room, as the writer sees it. */
export interface Source {
  /** What waits now. Taken once; it is tried until it is in the log, or refused, or withdrawn. */
  readonly take: () => LogBatch
  readonly committed: (batch: LogBatch) => void
  readonly refused: (error: AppendRefused) => void
  /** Storage does not take it. Whether the source gives it up; else it is tried again. */
  readonly withdraw: () => boolean
}

/** Least time between two flushes, in milliseconds. */
const gap = 2

/** Wait before a failed flush is tried again, in milliseconds: doubled from the one to the other. */
const retryFrom = 50
const retryTo = 1_000

interface Taken {
  readonly source: Source
  readonly batch: LogBatch
}

const merge = (taken: ReadonlyArray<Taken>): LogBatch =>
  taken.length === 1 ? taken[0]!.batch : {
    pages: taken.flatMap(({ batch }) => batch.pages),
    runs: taken.flatMap(({ batch }) => batch.runs),
    messages: taken.flatMap(({ batch }) => batch.messages),
    claims: taken.flatMap(({ batch }) => batch.claims ?? []),
    usage: taken.flatMap(({ batch }) => batch.usage ?? [])
  }

/** Lets the rest of this turn of the event loop join the flush. */
const nextTurn = Effect.async<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** How long a failure speaks against storage when nothing has been tried since, in milliseconds. */
const doubt = 10_000

/** How long a flush may take until nothing more is let in behind it, in milliseconds. */
const maxFlush = 1_000

/** Failed flushes after which each source is tried alone, so that one broken batch does not hold up all. */
const patience = 4

export const make = Effect.fnUntraced(function*(log: Log) {
  const waiting = new Set<Source>()
  const latch = yield* Effect.makeLatch(false)
  let stuck: ReadonlyArray<Taken> = []
  let failures = 0
  let failedAt = 0
  let written = 0
  /** When what is tried now was tried first. */
  let since: number | undefined

  const alone = (taken: ReadonlyArray<Taken>) =>
    Effect.map(Effect.forEach(taken, (one) => write([one])), (left) => left.flat())

  /**
   * Whether what collides is the batch itself: it was written, and the answer
   * was lost with the connection. Fails when storage does not say.
   */
  const isThere = ({ pages }: LogBatch) =>
    Effect.forEach(
      pages.slice(0, 1),
      ({ first_seq, frames, session_id }) =>
        Effect.map(log.read(session_id, first_seq - 1, 1), ([page]) =>
          page?.first_seq === first_seq && page.frames === frames)
    ).pipe(
      Effect.map((same) =>
        same.includes(true)
      ),
      Effect.sandbox
    )

  /** Writes what was taken, and answers with what storage does not take now. */
  const write = (taken: ReadonlyArray<Taken>): Effect.Effect<ReadonlyArray<Taken>> =>
    Effect.flatMap(Effect.exit(log.append(merge(taken))), (exit) => {
      if (Exit.isSuccess(exit)) {
        for (const { batch, source } of taken) source.committed(batch)
        return Effect.succeed([])
      }
      const refusal = Cause.failureOption(exit.cause)
      if (refusal._tag === "None") {
        // Once for each time that storage goes away, not for each attempt.
        const say = failures === 0 ? Effect.logError : Effect.logDebug
        return Effect.as(say("The log does not take what is written", exit.cause), taken)
      }
      if (taken.length > 1) return alone(taken)
      const [{ batch, source }] = taken as readonly [Taken]
      return Effect.match(isThere(batch), {
        onFailure: () => taken,
        onSuccess: (there) => {
          if (there) source.committed(batch)
          else source.refused(refusal.value)
          return []
        }
      })
    })

  const persist = Effect.fnUntraced(function*(taken: ReadonlyArray<Taken>) {
    const lonely = failures >= patience && taken.length > 1
    const left = yield* lonely ? alone(taken) : write(taken)
    if (left.length === 0) {
      failures = 0
      return left
    }
    if (left.length < taken.length) {
      for (const { source } of left) source.refused(new AppendRefused({ reason: "broken" }))
      failures = 0
      return []
    }
    failures++
    failedAt = yield* Clock.currentTimeMillis
    return left.filter(({ source }) => !source.withdraw())
  })

  // Pacing is about the machine, not about the time that events tell of.
  const live = Clock.make()

  const flush = Effect.gen(function*() {
    yield* latch.await
    yield* nextTurn
    latch.unsafeClose()
    const taken = [...stuck]
    for (const source of waiting) {
      if (stuck.some((one) => one.source === source)) continue
      waiting.delete(source)
      const batch = source.take()
      if (batch.pages.length + batch.runs.length + batch.messages.length > 0) taken.push({ source, batch })
    }
    if (taken.length > 0) {
      since ??= live.unsafeCurrentTimeMillis()
      stuck = yield* persist(taken)
      if (failures === 0) written++
      if (stuck.length === 0) since = undefined
    }
    yield* Effect.sleep(failures === 0 ? gap : Math.min(retryFrom * 2 ** (failures - 1), retryTo))
    if (stuck.length > 0 || waiting.size > 0) latch.unsafeOpen()
  })

  yield* Effect.forkScoped(Effect.withClock(Effect.forever(flush), live))

  return {
    /** The source has something to write. */
    wake: (source: Source) => {
      waiting.add(source)
      latch.unsafeOpen()
    },
    /** Flushes that went through. */
    written: () => written,
    /** Storage does not take what waits for it, or not in time. */
    isHeldUp: () => since !== undefined && live.unsafeCurrentTimeMillis() - since > maxFlush,
    /** The last flush went through; or nothing waits, and the last failure is long past. */
    healthy: Effect.map(
      live.currentTimeMillis,
      (now) => failures === 0 || (stuck.length === 0 && now - failedAt > doubt)
    )
  }
})
