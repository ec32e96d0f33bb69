import { Effect } from "effect"

/** Lets others be served between two long steps: goes on in the next turn of the event loop. */
export const nextTurn: Effect.Effect<void> = Effect.async((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})
