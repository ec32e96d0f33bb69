/** Code of the server's own program that is told to stop, and may not hear it. */
import { Duration, Effect, Fiber } from "effect"

/** How long code may take to come to its end after it was told to stop, in which it can put its state in order. */
export const grace: Duration.Duration = Duration.seconds(1)

/**
 * The effect, which an interruption tells to stop and waits for, but not for ever: one that does not let itself be
 * interrupted is left alone. `stop` comes first.
 */
export const leaving = <A, E>(effect: Effect.Effect<A, E>, stop: Effect.Effect<void>): Effect.Effect<A, E> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDaemon(Effect.interruptible(effect)), (fiber) =>
      Effect.onInterrupt(
        restore(Fiber.join(fiber)),
        () => Effect.zipRight(stop, Effect.timeoutOption(Effect.interruptible(Fiber.interrupt(fiber)), grace))
      ))
  )
