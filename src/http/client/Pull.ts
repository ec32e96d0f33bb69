/** Effects as promises and async iterables, which an `AbortSignal` ends. */
import { Cause, Effect, Exit, Mailbox, Stream } from "effect"
import { aborted, asStoaError, type StoaError } from "./StoaError.ts"

export interface Calling {
  /** Ends the call; what the server has accepted goes on. */
  readonly signal?: AbortSignal | undefined
}

/** Events that wait for their reader; beyond it the connection is not read. */
const capacity = 64

const abortOf = (signal: AbortSignal): Effect.Effect<never, StoaError> =>
  Effect.async((resume) => {
    const end = () => resume(Effect.fail(aborted(signal.reason)))
    if (signal.aborted) return end()
    signal.addEventListener("abort", end, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", end))
  })

/** Rejects with a `StoaError`. */
export const promised = async <A, E>(effect: Effect.Effect<A, E>, { signal }: Calling = {}): Promise<A> => {
  const exit = await Effect.runPromiseExit<A, E | StoaError>(
    signal === undefined ? effect : Effect.raceFirst<never, StoaError, never, A, E, never>(abortOf(signal), effect)
  )
  if (Exit.isSuccess(exit)) return exit.value
  throw asStoaError(Cause.squash(exit.cause))
}

/**
 * What `produce` emits, one after the other. It begins with the first `next`, never runs far ahead of its
 * reader, and ends when the reader leaves the loop.
 */
export const pulled = <A, E>(
  produce: (emit: (value: A) => Effect.Effect<void>) => Effect.Effect<void, E>,
  { signal }: Calling = {}
): AsyncIterable<A> => ({
  async *[Symbol.asyncIterator]() {
    const all = Stream.unwrapScoped(Effect.gen(function*() {
      const mailbox = yield* Mailbox.make<A, E>({ capacity })
      yield* produce((value) => Effect.asVoid(mailbox.offer(value))).pipe(
        Mailbox.into(mailbox),
        Effect.interruptible,
        Effect.forkScoped
      )
      return Mailbox.toStream(mailbox)
    }))
    const values: Stream.Stream<A, E | StoaError> = signal === undefined
      ? all
      : Stream.interruptWhen(all, abortOf(signal))
    try {
      yield* Stream.toAsyncIterable(values)
    } catch (error) {
      throw asStoaError(error)
    }
  }
})
