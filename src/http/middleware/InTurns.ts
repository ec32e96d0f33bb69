/**
 * Spreads requests that arrive together over turns of the event loop: Node hands over all that has come before
 * anything else gets its turn, and hundreds may come at once.
 */
import { Effect } from "effect"

/** How long requests may be begun in one turn, in milliseconds. */
const longest = 10

/** When the first request of this turn was begun. */
let began: number | undefined

/** Requests that wait for a turn. */
let waiting = 0

const end = () => {
  began = undefined
}

const isOver = () => {
  if (began !== undefined) return performance.now() - began > longest
  began = performance.now()
  setImmediate(end)
  return false
}

const laterTurn: Effect.Effect<void> = Effect.async((resume) => {
  waiting++
  const look = () => {
    if (isOver()) {
      immediate = setImmediate(look)
      return
    }
    waiting--
    resume(Effect.void)
  }
  let immediate = setImmediate(look)
  return Effect.sync(() => {
    waiting--
    clearImmediate(immediate)
  })
})

/**
 * The wait for a turn; undefined when the request may begin at once. What waits comes first: a new request
 * never begins before it, so each turn begins at least one of them, in the order in which they came.
 */
export const turn = (): Effect.Effect<void> | undefined => waiting > 0 || isOver() ? laterTurn : undefined
