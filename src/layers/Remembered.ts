/** Values that are read often and change rarely, remembered for a moment. What another process has changed is seen when it is over. */
import { Effect } from "effect"
import { monotonicMillis } from "../services/Now.ts"

/** How long something is remembered, in milliseconds. */
const rememberedFor = 2_000

/** At most so many values. What was read before a change began is not kept behind it. */
export const make = <A>(most: number) => {
  const kept = new Map<string, { readonly value: A; readonly until: number }>()
  let changes = 0
  return {
    get: <E>(key: string, read: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.flatMap(monotonicMillis, (now) => {
        const known = kept.get(key)
        if (known !== undefined && now < known.until) return Effect.succeed(known.value)
        const since = changes
        return Effect.tap(read, (value) => {
          if (since !== changes) return
          kept.delete(key)
          kept.set(key, { value, until: now + rememberedFor })
          if (kept.size > most) kept.delete(kept.keys().next().value!)
        })
      }),
    forget: () => {
      changes++
      kept.clear()
    }
  }
}
