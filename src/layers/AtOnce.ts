/** Work that goes on at the same time, with a bound for all of it and one for each owner. */
import { Effect, FiberSet, type Scope } from "effect"
import type { UserId } from "../domain/Ids.ts"

export interface AtOnce {
  /** How much more may begin. */
  readonly free: () => number
  /** Owners of which no more may begin. */
  readonly full: () => ReadonlyArray<UserId>
  /** Begins work of an owner. It ends with the scope at the latest. */
  readonly start: (owner: UserId, work: Effect.Effect<void>) => Effect.Effect<void>
}

/** `ended` is called after each piece of work. */
export const make = (most: number, mostOfOne: number, ended: () => void): Effect.Effect<AtOnce, never, Scope.Scope> =>
  Effect.map(FiberSet.make<void>(), (running) => {
    const counts = new Map<UserId, number>()
    let all = 0
    const count = (owner: UserId, by: number) => {
      all += by
      const after = (counts.get(owner) ?? 0) + by
      if (after > 0) counts.set(owner, after)
      else counts.delete(owner)
    }
    return {
      free: () => most - all,
      full: () => [...counts].flatMap(([owner, mine]) => mine >= mostOfOne ? [owner] : []),
      start: (owner, work) =>
        Effect.suspend(() => {
          count(owner, 1)
          const done = Effect.sync(() => {
            count(owner, -1)
            ended()
          })
          return Effect.asVoid(FiberSet.run(running, Effect.ensuring(work, done)))
        })
    }
  })
