/** One at a time for each key, in this process. A key that nobody waits for takes no room. */
import { Effect } from "effect"

export const make = () => {
  const held = new Map<string, { readonly lock: Effect.Semaphore; users: number }>()
  return (key: string) => <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        const own = held.get(key) ?? { lock: Effect.unsafeMakeSemaphore(1), users: 0 }
        own.users++
        held.set(key, own)
        return own
      }),
      ({ lock }) => lock.withPermits(1)(effect),
      (own) =>
        Effect.sync(() => {
          own.users--
          if (own.users === 0) held.delete(key)
        })
    )
}
