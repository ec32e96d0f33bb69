/**
 * A list that is read for all who ask, in a fiber of its own, and remembered. Who asks waits for it, but not long: a hub that
 * hangs would otherwise hold back what others offer, for as long as it is being asked.
 */
import { Clock, Deferred, Duration, Effect, Exit, FiberId, type Scope } from "effect"

/** How long what was read is remembered; and how long it may be read before nobody waits for it. */
const remembered = Duration.toMillis(Duration.seconds(30))
const patience = Duration.toMillis(Duration.seconds(3))

interface Reading<A, E> {
  readonly since: number
  readonly done: Deferred.Deferred<A, E>
}

/** While it is read again for too long, what was read before is good; without that it is `slow`. */
export const make = <A, E>(
  read: Effect.Effect<A, E>,
  slow: E
): Effect.Effect<Effect.Effect<A, E>, never, Scope.Scope> =>
  Effect.map(Effect.scope, (scope) => {
    let last: { readonly until: number; readonly exit: Exit.Exit<A, E> } | undefined
    let reading: Reading<A, E> | undefined

    const begin = (since: number) => {
      const begun: Reading<A, E> = { since, done: Deferred.unsafeMake(FiberId.none) }
      reading = begun
      return Effect.interruptible(read).pipe(
        Effect.exit,
        Effect.flatMap((exit) =>
          Effect.map(Clock.currentTimeMillis, (now) => {
            last = { until: now + remembered, exit }
            reading = undefined
            Deferred.unsafeDone(begun.done, exit)
          })
        ),
        Effect.forkIn(scope),
        Effect.as(begun)
      )
    }

    const before = () => last !== undefined && Exit.isSuccess(last.exit) ? last.exit : Exit.fail(slow)

    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      if (last !== undefined && now < last.until) return last.exit
      return Effect.flatMap(
        // Who leaves just now must not leave behind a reading that nobody does.
        reading === undefined ? Effect.uninterruptible(begin(now)) : Effect.succeed(reading),
        ({ done, since }) =>
          Effect.flatten(
            Effect.timeoutTo(Deferred.await(done), {
              duration: Math.max(0, since + patience - now),
              onSuccess: (value): Exit.Exit<A, E> => Exit.succeed(value),
              onTimeout: before
            })
          )
      )
    })
  })
