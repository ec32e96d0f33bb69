/**
 * Turns of the event loop. What streams hand to each other goes on in one turn for
 * as long as there are bytes, and a network brings them faster than they are read.
 */

/** How long the answers of all calls together may be read in one turn, in milliseconds. */
const longest = 10

/** When the first answer was read in this turn. */
let began: number | undefined

const end = () => {
  began = undefined
}

/** Whether others must have their turn before more is read. */
export const isLong = (): boolean => {
  if (began !== undefined) return performance.now() - began > longest
  began = performance.now()
  setImmediate(end)
  return false
}

/** The next turn. Twice: what sockets ask for while the event loop reads from them happens before it reads again. */
export const next = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve))
  })
