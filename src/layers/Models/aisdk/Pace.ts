/** Work on many things, of which each takes little and all together much: others have their turn in between. */
import { Effect } from "effect"
import { nextTurn } from "../../../services/NextTurn.ts"

/** How long it goes on in one turn of the event loop, in milliseconds. */
const longest = 10

/** Takes all steps, one after the other. */
export const through = (steps: Iterator<unknown>): Effect.Effect<void> =>
  Effect.suspend(() => {
    const until = performance.now() + longest
    for (;;) {
      if (steps.next().done === true) return Effect.void
      if (performance.now() > until) return Effect.zipRight(nextTurn, through(steps))
    }
  })

/** What becomes of each. */
export const map = <A, B>(all: ReadonlyArray<A>, f: (one: A) => B): Effect.Effect<ReadonlyArray<B>> =>
  Effect.suspend(() => {
    const made: Array<B> = []
    function* steps() {
      for (const one of all) yield made.push(f(one))
    }
    return Effect.as(through(steps()), made)
  })
