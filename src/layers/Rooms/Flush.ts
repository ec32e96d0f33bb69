/**
 * Writes what one flush has taken from the rooms: all of it in one transaction,
 * or each room's part alone when that fails, so that a batch which cannot be
 * written is refused alone. Nothing that a room does can end the writer: what it
 * throws is caught here and logged.
 */
import { Cause, Effect, Exit } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import { AppendRefused, type EventLog, type LogBatch } from "../../services/EventLog.ts"

type Log = typeof EventLog.Service

/** A room, as the writer sees it. */
export interface Source {
  readonly session_id: SessionId
  /** Takes what is pending. The writer tries it until it is in the log, refused or withdrawn. */
  readonly take: () => LogBatch
  readonly committed: (batch: LogBatch) => void
  readonly refused: (error: AppendRefused) => void
  /** Storage does not write it. Answers whether the source gives it up; otherwise it is tried again. */
  readonly withdraw: () => boolean
}

export interface Taken {
  readonly source: Source
  readonly batch: LogBatch
  /** Times that this batch failed while storage wrote or refused another one. */
  readonly strikes: number
}

export interface Outcome {
  /** Whether storage wrote something, or said why it will not. */
  readonly answered: boolean
  readonly retry: ReadonlyArray<Taken>
  /** Why the flush failed as a whole. */
  readonly failure: Cause.Cause<never> | undefined
}

/** A batch is refused after it failed so many times while others were written. */
const maxStrikes = 3

/** After so many failures in a row, with nothing written, storage counts as away and the rest is left for the next flush. */
const maxInVain = 4

const broken = new AppendRefused({ reason: "broken" })

const merge = (taken: ReadonlyArray<Taken>): LogBatch =>
  taken.length === 1 ? taken[0]!.batch : {
    pages: taken.flatMap(({ batch }) => batch.pages),
    runs: taken.flatMap(({ batch }) => batch.runs),
    messages: taken.flatMap(({ batch }) => batch.messages),
    claims: taken.flatMap(({ batch }) => batch.claims ?? []),
    usage: taken.flatMap(({ batch }) => batch.usage ?? []),
    tasks: taken.flatMap(({ batch }) => batch.tasks ?? []),
    compactions: taken.flatMap(({ batch }) => batch.compactions ?? [])
  }

const isEmpty = ({ claims = [], messages, pages, runs, tasks = [], usage = [] }: LogBatch) =>
  pages.length + runs.length + messages.length + claims.length + usage.length + tasks.length === 0

/** Characters of frames in it, which are most of what a flush costs. */
export const sizeOf = ({ pages }: LogBatch): number => pages.reduce((size, { frames }) => size + frames.length, 0)

export const make = (log: Log) => {
  /** The errors that rooms have thrown, with their sessions; they are logged when the flush is over. */
  let thrown: Array<{ readonly session_id: SessionId; readonly error: unknown }> = []

  const refuse = (source: Source, error: AppendRefused) => {
    try {
      source.refused(error)
    } catch (error) {
      thrown.push({ session_id: source.session_id, error })
    }
  }

  const commit = ({ batch, source }: Taken) => {
    try {
      source.committed(batch)
    } catch (error) {
      thrown.push({ session_id: source.session_id, error })
      // The state of a room that has thrown cannot be trusted. The log has the batch, and the next room is made from the log.
      refuse(source, broken)
    }
  }

  /** What is pending in a room; undefined when that is nothing or cannot be encoded. Encoding it again would not help. */
  const take = (source: Source): Taken | undefined => {
    try {
      const batch = source.take()
      return isEmpty(batch) ? undefined : { source, batch, strikes: 0 }
    } catch (error) {
      thrown.push({ session_id: source.session_id, error })
      refuse(source, broken)
      return undefined
    }
  }

  const givesUp = ({ source }: Taken) => {
    try {
      return source.withdraw()
    } catch (error) {
      thrown.push({ session_id: source.session_id, error })
      refuse(source, broken)
      return true
    }
  }

  /** A log that throws instead of returning an effect cannot encode the batch. That says nothing about storage. */
  const append = (taken: ReadonlyArray<Taken>) =>
    Effect.exit(Effect.suspend(() => {
      try {
        return log.append(merge(taken))
      } catch (error) {
        if (taken.length === 1) thrown.push({ session_id: taken[0]!.source.session_id, error })
        return broken
      }
    }))

  /**
   * Whether the batch collides with itself: it was written, and the answer
   * was lost with the connection. Fails when storage does not say.
   */
  const isThere = ({ batch: { pages: [page] } }: Taken) =>
    page === undefined ? Effect.succeed(false) : Effect.map(
      log.read(page.session_id, page.first_seq - 1, 1),
      ([there]) => there?.first_seq === page.first_seq && there.frames === page.frames
    )

  /** Tells a room why its batch is refused, unless the batch is what it collides with. */
  const settle = (taken: Taken, refusal: AppendRefused) =>
    refusal.reason === "fenced"
      ? Effect.map(isThere(taken), (there) => there ? commit(taken) : refuse(taken.source, refusal))
      : Effect.sync(() => refuse(taken.source, refusal))

  /** Writes one batch. The result is undefined when storage wrote it or said why it will not. */
  const writeOne = Effect.fnUntraced(function*(one: Taken) {
    const exit = yield* append([one])
    if (Exit.isSuccess(exit)) {
      commit(one)
      return undefined
    }
    const refusal = Cause.failureOption(exit.cause)
    if (refusal._tag === "None") return Cause.die(Cause.squash(exit.cause))
    const settled = yield* Effect.exit(settle(one, refusal.value))
    return Exit.isFailure(settled) ? settled.cause : undefined
  })

  /** Storage answers, although it does not write the batch. */
  const isReadable = ({ source }: Taken) =>
    Effect.match(Effect.sandbox(log.heads([source.session_id])), { onFailure: () => false, onSuccess: () => true })

  /** A failure counts against a batch only when storage is there for others: in this pass, or in one before and it still answers. */
  const strike = Effect.fnUntraced(function*(failed: ReadonlyArray<Taken>, others: boolean) {
    const retry: Array<Taken> = []
    let answered = others
    for (const one of failed) {
      answered ||= one.strikes > 0 && (yield* isReadable(one))
      const strikes = answered ? one.strikes + 1 : one.strikes
      if (strikes < maxStrikes) retry.push({ ...one, strikes })
      else refuse(one.source, broken)
    }
    return { answered, retry }
  })

  /** Writes each batch alone; those that have failed before come last. */
  const separately = Effect.fnUntraced(function*(taken: ReadonlyArray<Taken>): Effect.fn.Return<Outcome> {
    const failed: Array<Taken> = []
    const left: Array<Taken> = []
    let others = false
    let failure: Cause.Cause<never> | undefined
    for (const one of taken.toSorted((a, b) => a.strikes - b.strikes)) {
      if (!others && failed.length >= maxInVain) {
        left.push(one)
        continue
      }
      const cause = yield* writeOne(one)
      if (cause === undefined) others = true
      else failed.push(one)
      failure ??= cause
    }
    // Batches that were not tried now come first the next time.
    const { answered, retry } = yield* strike(failed, others)
    return { answered, failure, retry: [...left, ...retry] }
  })

  const together = (taken: ReadonlyArray<Taken>): Effect.Effect<Outcome> =>
    Effect.flatMap(append(taken), (exit) => {
      if (Exit.isSuccess(exit)) {
        for (const one of taken) commit(one)
        return Effect.succeed({ answered: true, retry: [], failure: undefined })
      }
      return Cause.isFailure(exit.cause) ? separately(taken) : Effect.succeed({
        answered: false,
        retry: taken,
        failure: Cause.die(Cause.squash(exit.cause))
      })
    })

  return {
    take,
    /** Never fails. It returns the batches to try again, which their rooms have not given up. */
    write: (taken: ReadonlyArray<Taken>, alone: boolean): Effect.Effect<Outcome> =>
      Effect.map(
        alone || taken.length === 1 || taken.some(({ strikes }) => strikes > 0) ? separately(taken) : together(taken),
        (outcome) => ({ ...outcome, retry: outcome.retry.filter((one) => !givesUp(one)) })
      ),
    /** Settles the batches that were being written when the writer itself failed. Only the log knows whether it has them. */
    giveUp: (taken: ReadonlyArray<Taken>): void => {
      for (const { source } of taken) refuse(source, broken)
    },
    /** Logs the errors that rooms have thrown since the last time. */
    report: Effect.suspend(() => {
      if (thrown.length === 0) return Effect.void
      const those = thrown
      thrown = []
      return Effect.forEach(
        those,
        ({ error, session_id }) =>
          Effect.annotateLogs(Effect.logError("A room broke and is made again from the log", Cause.die(error)), {
            session_id
          }),
        { discard: true }
      )
    })
  }
}
