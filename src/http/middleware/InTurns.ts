/**
 * Spreads requests that arrive together, and the ends of connections that are lost together, over turns of the event
 * loop: Node hands over all that has come before anything else gets its turn, and hundreds may come at once.
 */
import { Effect } from "effect"

/** How long work may be begun in one turn, in milliseconds. */
const longest = 10

/** When the first work of this turn was begun. */
let began: number | undefined

/** How much work waits for a turn. */
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

/** Calls back when there is a turn; what it answers gives the place up. */
const wait = (call: () => void): () => void => {
  waiting++
  const look = () => {
    if (isOver()) {
      immediate = setImmediate(look)
      return
    }
    waiting--
    call()
  }
  let immediate = setImmediate(look)
  return () => {
    waiting--
    clearImmediate(immediate)
  }
}

const mustWait = () => waiting > 0 || isOver()

const laterTurn: Effect.Effect<void> = Effect.async((resume) => Effect.sync(wait(() => resume(Effect.void))))

/**
 * The wait for a turn; undefined when the request may begin at once. What waits comes first: a new request
 * never begins before it, so each turn begins at least one of them, in the order in which they came.
 */
export const turn = (): Effect.Effect<void> | undefined => mustWait() ? laterTurn : undefined

/** Calls back at once where this turn has room for it, and in one of the next turns otherwise. */
export const inTurn = (call: () => void): void => {
  if (mustWait()) wait(call)
  else call()
}
