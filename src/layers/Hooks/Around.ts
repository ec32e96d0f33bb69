/**
 * A hook that stands around a call. The call is made in the fiber of who asked for it, so that it ends with that one, and
 * its time is its own: the hook has its patience before the call, and again behind it.
 */
import { Cause, Deferred, Effect, Either, Exit, Fiber, Option, Runtime } from "effect"
import { type Answer, calling, failed, inTime, patience, type Problem } from "../../services/HookCall.ts"
import type { Hook, Next } from "../../services/Hooks.ts"

/** `made` is how the call ended; undefined when the hook has not let it be made. */
export interface Stood<A, E, X> {
  readonly made: Exit.Exit<A, E> | undefined
  readonly answered: Either.Either<X, Problem>
}

/** `saidOf` is asked when the call has ended. */
export const stand = <A, E, S, X>(
  hook: Hook,
  ask: (next: Next<S>, signal: AbortSignal) => Answer<X>,
  make: Effect.Effect<A, E>,
  saidOf: () => S
): Effect.Effect<Stood<A, E, X>> =>
  Effect.gen(function*() {
    const begun = yield* Deferred.make<void>()
    const said = yield* Deferred.make<S>()
    const runtime = yield* Effect.runtime()
    const effect = Effect.zipRight(Deferred.succeed(begun, undefined), Deferred.await(said))
    const next: Next<S> = Object.assign(() => Runtime.runPromise(runtime)(effect), { effect })
    const fiber = yield* Effect.fork(calling(hook, (signal) => ask(next, signal)))
    const ended = Effect.flatMap(Fiber.await(fiber), (exit): Effect.Effect<{ readonly answer: X }, Problem> => {
      if (Exit.isSuccess(exit)) return Effect.succeed({ answer: exit.value })
      // What has interrupted itself has broken.
      return Option.match(Cause.failureOption(exit.cause), { onNone: () => Effect.fail(failed), onSome: Effect.fail })
    })
    const wait = <B>(waiting: Effect.Effect<B, Problem>) =>
      Effect.either(Effect.tapError(inTime(hook, patience, waiting), () => Fiber.interruptFork(fiber)))

    const first = yield* wait(Effect.raceFirst(Effect.as(Deferred.await(begun), undefined), ended))
    if (Either.isLeft(first)) return { made: undefined, answered: Either.left(first.left) }
    if (first.right !== undefined && !(yield* Deferred.isDone(begun))) {
      return { made: undefined, answered: Either.right(first.right.answer) }
    }
    const made = yield* Effect.exit(Effect.ensuring(make, Effect.suspend(() => Deferred.succeed(said, saidOf()))))
    const answered = Either.map(yield* wait(ended), ({ answer }) => answer)
    return { made, answered }
  })
