/** The last look at each request before it leaves: its body is JSON that every provider's parser takes. */
import * as Turn from "../incoming/Turn.ts"
import { verbatim, withVerbatim } from "./Verbatim.ts"
import { wellFormed } from "./WellFormed.ts"

/** Bodies from this length on are put right and sent in several turns of the event loop, in characters. */
const large = 256 * 1024

/** The body as it leaves; to do it twice changes nothing. */
export const bodyOf = (body: string): string => wellFormed(withVerbatim(body))

/** The same in turns: what the package has made of the prompt has taken one already, and sending it takes another. */
const bodyInTurns = async (body: string): Promise<string> => {
  await Turn.next()
  const steps = verbatim(body)
  let step = steps.next()
  for (; step.done !== true; step = steps.next()) {
    // oxlint-disable-next-line no-await-in-loop -- the steps follow each other
    if (Turn.isLong()) await Turn.next()
  }
  await Turn.next()
  const right = wellFormed(step.value)
  await Turn.next()
  return right
}

/** Sends what it is given with its body put right. */
export const through = (fetch: typeof globalThis.fetch): typeof globalThis.fetch => async (input, init) =>
  typeof init?.body !== "string"
    ? fetch(input, init)
    : fetch(input, { ...init, body: init.body.length < large ? bodyOf(init.body) : await bodyInTurns(init.body) })
