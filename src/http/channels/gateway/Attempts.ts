/** An execution whose input is sent again when it fails: the runs of it one after the other, which its clients see as one. */
import { Effect, Option } from "effect"
import { againOf, isToRetry, retryClaim, retryJob, type Run } from "../../../domain/Run.ts"
import { now } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"

/** More than there are of any: an input is sent again three times. */
const maxAttempts = 10

/** What stands in the claim of who has said that it is not to be sent again; else it is what the next run was accepted with. */
const forbidden = "null"

export interface Attempt {
  /** The newest of them. */
  readonly run: Run
  /** It has failed, and is about to be sent again. */
  readonly isPending: boolean
  /** Somebody has said that it is not to be. */
  readonly isCancelled: boolean
}

export const make = Effect.map(Storage, ({ claims, jobs, runs }) => {
  const later = (run: Run, limit: number) =>
    Effect.map(
      Effect.orDie(
        runs.list(
          run.user_id,
          { limit, cursor: undefined },
          { source: run.source, source_id: againOf(run) },
          "newest"
        )
      ),
      ({ items }) => items
    )

  const newest = (run: Run) =>
    !isToRetry(run) ? Effect.succeed(run) : Effect.map(later(run, 1), ([last]) => last ?? run)

  return {
    of: Effect.fnUntraced(function*(first: Run) {
      const run = yield* newest(first)
      const settled: Attempt = { run, isPending: false, isCancelled: false }
      if (!isToRetry(run) || run.retries === 0) return settled
      const claim = Option.getOrUndefined(yield* Effect.option(claims.get(run.user_id, retryClaim(run))))
      if (claim?.answer === forbidden) return { ...settled, isCancelled: true }
      // It was sent again between the two looks.
      if (claim !== undefined) return { ...settled, run: yield* newest(first) }
      // It is written with the end of the run, and is dead when the input was given up.
      const job = yield* Effect.option(jobs.get(run.user_id, retryJob(run)))
      return { ...settled, isPending: job._tag === "Some" && job.value.status === "pending" }
    }),
    /** The first of the attempts that one is of. */
    firstOf: (run: Run) => {
      const id = run.retried_from === undefined ? undefined : run.source_id?.split(":").at(-1)
      return id === undefined ? Effect.succeed(run) : Effect.orElseSucceed(runs.get(run.user_id, id), () => run)
    },
    /** All of them, the first one first; a later one alone is only itself. */
    all: (first: Run) =>
      !isToRetry(first) || first.retried_from !== undefined
        ? Effect.succeed([first])
        : Effect.map(later(first, maxAttempts), (others) => [first, ...others.toReversed()]),
    /** Answers whether it was in time: else the input was sent again already. */
    forbid: Effect.fnUntraced(function*(run: Run) {
      const at = yield* now
      const claim = {
        id: retryClaim(run),
        user_id: run.user_id,
        created_at: at,
        updated_at: at,
        digest: "",
        answer: forbidden,
        is_sealed: false
      }
      return yield* Effect.match(claims.insert(claim), { onSuccess: () => true, onFailure: () => false })
    })
  }
})
