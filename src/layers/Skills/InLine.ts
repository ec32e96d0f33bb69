/** Work of one key is done one after the other; keys do not wait for each other. */
import { Effect } from "effect"

export const make = () => {
  const lines = new Map<string, { readonly turn: Effect.Semaphore; users: number }>()
  const enter = (key: string) =>
    Effect.sync(() => {
      const line = lines.get(key) ?? { turn: Effect.unsafeMakeSemaphore(1), users: 0 }
      line.users++
      lines.set(key, line)
      return line
    })
  return (key: string) => <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(enter(key), ({ turn }) => turn.withPermits(1)(work), (line) =>
      Effect.sync(() => {
        if (--line.users === 0) lines.delete(key)
      }))
}
