/** Asks a hook within bounds: whatever it does, an answer, a refusal or a failure that may be shown comes in time. */
import { Cause, Clock, Data, Duration, Effect, Predicate, Schema } from "effect"
import { Invalid, LimitReached, Unavailable } from "../domain/Errors.ts"

/** How long a hook may take for one question. */
export const patience = Duration.seconds(10)

/** A hook that holds the thread for so many milliseconds is told of in the log: everybody else waits then. */
const slow = 100

/** Why a hook refuses: the client reads the sentence and the code. */
export type Refusal = Invalid | LimitReached

export type Problem = Refusal | Unavailable

/** What a hook's function gives back: the answer itself, a promise of it, or an Effect. A promise refuses by rejecting with a refusal. */
export type Answer<A> = A | PromiseLike<A> | Effect.Effect<A, Refusal>

/** Who is asked. */
export interface Asked {
  readonly name: string
  readonly patience?: Duration.DurationInput
}

/** What a hook has thrown, or rejected with, and what is no refusal. */
class Thrown extends Data.TaggedError("Thrown")<{ readonly cause: unknown }> {}

const broken = (code: string, detail: string) => new Unavailable({ code, detail, retry_after: 10 })

export const late: Unavailable = broken(
  "hook_timeout",
  "A hook of this server did not answer in time, so the request was not served."
)

/** The reason is the operator's to read, in the log. */
export const failed: Unavailable = broken("hook_failed", "A hook of this server broke, so the request was not served.")

const isRefusal: (error: unknown) => error is Refusal = Schema.is(Schema.Union(Invalid, LimitReached))

/** Logs what a hook did wrong. */
export const complain = (hook: Asked, what: string, cause?: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.annotateLogs(
    cause === undefined ? Effect.logError(what) : Effect.logError(what, cause),
    { hook: hook.name }
  )

/** Its answer has not the form that it should have. */
export const malformed = (hook: Asked, what: string): Effect.Effect<never, Unavailable> =>
  Effect.zipRight(complain(hook, `A hook has answered with ${what}`), Effect.fail(failed))

/** Its answer is read within this: what breaks here is the answer. */
export const reading = <A>(hook: Asked, read: Effect.Effect<A, Problem>): Effect.Effect<A, Problem> =>
  Effect.catchAllDefect(
    read,
    (defect) =>
      Effect.zipRight(
        complain(hook, "A hook has answered with what cannot be read", Cause.die(defect)),
        Effect.fail(failed)
      )
  )

const thrown = (cause: unknown): Refusal | Thrown => isRefusal(cause) ? cause : new Thrown({ cause })

const isPromise = <A>(answer: Answer<A>): answer is PromiseLike<A> =>
  Predicate.hasProperty(answer, "then") && typeof answer.then === "function"

const effectOf = <A>(answer: Answer<A>): Effect.Effect<A, Refusal | Thrown> => {
  if (Effect.isEffect(answer)) return answer as Effect.Effect<A, Refusal>
  return isPromise(answer)
    ? Effect.tryPromise({ try: () => answer, catch: thrown })
    : Effect.succeed(answer)
}

/** What the hook answers, however long that takes. Whoever does not let himself be interrupted is left alone. */
export const calling = <A>(hook: Asked, ask: (signal: AbortSignal) => Answer<A>): Effect.Effect<A, Problem> =>
  Effect.suspend(() => {
    const controller = new AbortController()
    return Effect.gen(function*() {
      const started = yield* Clock.currentTimeMillis
      // What it does before it waits for anything holds the thread.
      const asked = yield* Effect.try({ try: () => ask(controller.signal), catch: thrown })
      const held = (yield* Clock.currentTimeMillis) - started
      if (held > slow) yield* complain(hook, `A hook has held up all of the server for ${held} ms`)
      return yield* effectOf(asked)
    }).pipe(Effect.onInterrupt(() => Effect.sync(() => controller.abort())))
  }).pipe(
    Effect.disconnect,
    // Who asks and is interrupted does not come here: a hook that has interrupted itself has broken.
    Effect.catchAllCause((cause): Effect.Effect<never, Problem> => {
      const failure = Cause.failureOption(cause)
      if (failure._tag === "None") return Effect.zipRight(complain(hook, "A hook broke", cause), Effect.fail(failed))
      if (isRefusal(failure.value)) return Effect.fail(failure.value)
      return failure.value instanceof Thrown
        ? Effect.zipRight(complain(hook, "A hook has thrown", Cause.die(failure.value.cause)), Effect.fail(failed))
        : malformed(hook, "an error that is none of its own")
    }),
    // A request whose beginning cannot be interrupted can be while it waits here: nothing of it is stored yet.
    Effect.interruptible
  )

/** Waits for a hook no longer than `wait`, or than its own patience if that is shorter. */
export const inTime = <A, E>(
  hook: Asked,
  wait: Duration.Duration,
  answer: Effect.Effect<A, E>
): Effect.Effect<A, E | Unavailable> =>
  Effect.flatMap(
    Effect.timeoutOption(answer, Duration.min(hook.patience ?? wait, wait)),
    (answered) =>
      answered._tag === "Some"
        ? Effect.succeed(answered.value)
        : Effect.zipRight(complain(hook, "A hook did not answer in time"), Effect.fail(late))
  )

/** What the hook answers, or a failure that may be shown: after `wait` it is left alone, and whatever it breaks with is one. */
export const asking = <A>(
  hook: Asked,
  wait: Duration.Duration,
  ask: (signal: AbortSignal) => Answer<A>
): Effect.Effect<A, Problem> => Effect.interruptible(inTime(hook, wait, calling(hook, ask)))
