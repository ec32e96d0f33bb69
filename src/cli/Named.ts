/** Things of a library, which a person names by their names, or by their ids. */
import { Effect } from "effect"
import { type Failed, misused, notFound } from "./Failed.ts"

/** Longest name that a message repeats. */
const maxShown = 80

interface Thing {
  readonly id: string
  readonly name: string
}

/** The one that is meant. An id is never a second meaning of a name. */
export const named = <A extends Thing>(
  noun: string,
  things: ReadonlyArray<A>,
  text: string
): Effect.Effect<A, Failed> => {
  const called = things.filter(({ name }) => name === text)
  const one = things.find(({ id }) => id === text) ?? called[0]
  const shown = text.slice(0, maxShown)
  if (one === undefined) return notFound(`There is no ${noun} '${shown}' there.`)
  return one.id !== text && called.length > 1
    ? misused(
      `There is more than one ${noun} '${shown}': name it by its id, ${called.map(({ id }) => id).join(" or ")}.`
    )
    : Effect.succeed(one)
}
