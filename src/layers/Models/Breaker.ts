/**
 * A circuit breaker: when one credential's provider has failed several times in
 * a row, it is not called for a while, and then called once before all calls may go through.
 */
import { Duration, Effect } from "effect"
import { type ModelErrorType, ModelFailed } from "../../services/Models.ts"
import { monotonicMillis } from "../../services/Now.ts"
import { type Gate, Refused } from "./Gate.ts"

export interface Options {
  /** Failures in a row that open it, and how close together they must be. */
  readonly failures: number
  readonly window: Duration.Duration
  /** How long it stays open, and how long the call that tries afterwards keeps others waiting at most. */
  readonly cooldown: Duration.Duration
}

export const options: Options = {
  failures: 5,
  window: Duration.minutes(2),
  cooldown: Duration.seconds(30)
}

/** Failures that mean that the provider, or the key, does not work at all. A rate limit or a refused request does not mean that. */
const counts: ReadonlySet<ModelErrorType> = new Set<ModelErrorType>(["authentication", "connection", "upstream"])

const open = (last: ModelFailed, seconds: number) =>
  new ModelFailed({
    type: last.type,
    message:
      `The provider is left alone for ${seconds} seconds after it failed several times in a row. ${last.message}`,
    retryable: true,
    retry_after: seconds
  })

export const make = ({ cooldown, failures, window }: Options): Gate => {
  /** Times of the failures in a row, at most as many as open it. */
  let failed: Array<number> = []
  let last: ModelFailed | undefined
  /** The time until which calls are refused, on a clock that only goes forward; 0 while the breaker is closed. */
  let openUntil = 0

  const succeed = () => {
    failed = []
    last = undefined
    openUntil = 0
  }

  const fail = (failure: ModelFailed, now: number) => {
    last = failure
    failed = [...failed.filter((at) => now - at < Duration.toMillis(window)), now].slice(-failures)
    if (openUntil > 0 || failed.length >= failures) openUntil = now + Duration.toMillis(cooldown)
  }

  return (attempt, hasBegun) =>
    Effect.flatMap(monotonicMillis, (began) => {
      if (began < openUntil) {
        return Effect.fail(new Refused({ failed: open(last!, Math.ceil((openUntil - began) / 1000)) }))
      }
      const noted = Effect.tapBoth(attempt, {
        onSuccess: () => Effect.sync(succeed),
        onFailure: (failure) =>
          Effect.map(monotonicMillis, (now) => {
            // An answer, even a refusal, says that the provider is there.
            const isDown = failure instanceof ModelFailed && counts.has(failure.type) && !hasBegun()
            if (isDown) fail(failure, now)
            else if (failure instanceof ModelFailed) succeed()
          })
      })
      if (openUntil === 0) return noted
      openUntil = began + Duration.toMillis(cooldown)
      // A probe that was interrupted before an answer says nothing: the next one may try at once.
      return Effect.onInterrupt(noted, () => Effect.sync(() => hasBegun() ? succeed() : openUntil = began))
    })
}
