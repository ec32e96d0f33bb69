/** An execution whose input is sent again when it fails: the runs of it one after the other, which its clients see as one. */
import { Clock, Effect, Option } from "effect"
import { againOf, isToRetry, retryClaim, type Run } from "../../../domain/Run.ts"
import { now } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"

/** What was not sent again for so long, in milliseconds, will not be. */
const longest = 3_600_000

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

export const make = Effect.map(Storage, ({ claims, runs }) => {
  const newest = (run: Run) =>
    !isToRetry(run) ? Effect.succeed(run) : Effect.map(
      Effect.orDie(
        runs.list(
          run.user_id,
          { limit: 1, cursor: undefined },
          { source: run.source, source_id: againOf(run) },
          "newest"
        )
      ),
      ({ items: [last] }) => last ?? run
    )

  return {
    of: Effect.fnUntraced(function*(first: Run) {
      const run = yield* newest(first)
      const settled: Attempt = { run, isPending: false, isCancelled: false }
      if (!isToRetry(run) || run.retries === 0) return settled
      const claim = Option.getOrUndefined(yield* Effect.option(claims.get(run.user_id, retryClaim(run))))
      if (claim?.answer === forbidden) return { ...settled, isCancelled: true }
      // It was sent again between the two looks.
      if (claim !== undefined) return { ...settled, run: yield* newest(first) }
      const millis = yield* Clock.currentTimeMillis
      return { ...settled, isPending: millis - Date.parse(run.ended_at ?? run.updated_at) <= longest }
    }),
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
