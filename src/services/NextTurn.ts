import { Effect } from "effect"

/**
 * Lets others be served between two long steps. Twice: what is asked for while
 * the event loop reads from sockets still happens before it reads again.
 */
export const nextTurn: Effect.Effect<void> = Effect.async((resume) => {
  let immediate = setImmediate(() => {
    immediate = setImmediate(() => resume(Effect.void))
  })
  return Effect.sync(() => clearImmediate(immediate))
})
