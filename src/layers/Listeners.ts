/** Calls that are made when something has happened in this process. They must be quick, and must not throw. */
import { Effect, type Scope } from "effect"

export interface Listeners {
  readonly call: () => void
  /** Until the scope closes. */
  readonly listen: (call: () => void) => Effect.Effect<void, never, Scope.Scope>
}

export const make = (): Listeners => {
  const calls = new Set<() => void>()
  return {
    call: () => {
      for (const call of calls) call()
    },
    listen: (call) =>
      Effect.asVoid(Effect.acquireRelease(
        Effect.sync(() => calls.add(call)),
        () => Effect.sync(() => calls.delete(call))
      ))
  }
}
