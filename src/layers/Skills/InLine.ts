/** Work of one owner is done one after the other; owners do not wait for each other. */
import { Effect } from "effect"
import type { UserId } from "../../domain/Ids.ts"

export const make = () => {
  const lines = new Map<UserId, { readonly turn: Effect.Semaphore; users: number }>()
  const enter = (owner: UserId) =>
    Effect.sync(() => {
      const line = lines.get(owner) ?? { turn: Effect.unsafeMakeSemaphore(1), users: 0 }
      line.users++
      lines.set(owner, line)
      return line
    })
  return (owner: UserId) => <A, E, R>(work: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.acquireUseRelease(enter(owner), ({ turn }) => turn.withPermits(1)(work), (line) =>
      Effect.sync(() => {
        if (--line.users === 0) lines.delete(owner)
      }))
}
