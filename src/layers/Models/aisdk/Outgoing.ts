/** The last look at each request before it leaves: its body is JSON that every provider's parser takes. */
import { withVerbatim } from "./Verbatim.ts"
import { wellFormed } from "./WellFormed.ts"

/** The body as it leaves; to do it twice changes nothing. */
export const bodyOf = (body: string): string => wellFormed(withVerbatim(body))

/** Sends what it is given with its body put right. */
export const through = (fetch: typeof globalThis.fetch): typeof globalThis.fetch => (input, init) =>
  typeof init?.body === "string" ? fetch(input, { ...init, body: bodyOf(init.body) }) : fetch(input, init)
