/** Answers that are made once for all who ask. */
import { Deferred, Duration, Effect, Exit, FiberId, type Scope } from "effect"

/**
 * What `make` makes, for everybody who asks within the time that it is remembered. Who leaves only stops waiting for it:
 * the making belongs to the scope, so that the first who asks cannot spoil it for all others. What has failed is made
 * again for the next.
 */
export const shared = <A, E, R>(
  make: Effect.Effect<A, E, R>,
  remembered: Duration.DurationInput = Duration.infinity
): Effect.Effect<Effect.Effect<A, E, R>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let made: { readonly result: Deferred.Deferred<A, E>; readonly until: number } | undefined
    return Effect.flatMap(Effect.clock, (clock) =>
      // Who leaves between these steps would leave a result behind that nobody makes.
      Effect.uninterruptibleMask((restore) => {
        const time = clock.unsafeCurrentTimeMillis()
        if (made !== undefined && time < made.until) return restore(Deferred.await(made.result))
        const result = Deferred.unsafeMake<A, E>(FiberId.none)
        const mine = made = { result, until: time + Duration.toMillis(remembered) }
        return Effect.interruptible(make).pipe(
          Effect.onExit((exit) => {
            if (Exit.isFailure(exit) && made === mine) made = undefined
            return Deferred.done(result, exit)
          }),
          Effect.forkIn(scope),
          Effect.zipRight(restore(Deferred.await(result)))
        )
      }))
  })
