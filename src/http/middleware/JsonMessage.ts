/** JSON that comes in one message and not as the body of a request, with the bounds that bodies have. */
import { Effect } from "effect"
import * as JsonScan from "../../domain/JsonScan.ts"
import * as Body from "./Body.ts"
import * as BodyLimits from "./BodyLimits.ts"
import type { Problem } from "./Problems.ts"

const decoder = new TextDecoder("utf-8", { fatal: true })

/** Files may stand in these places, as large as the message may be. */
export const reader = (filePlaces: ReadonlyArray<RegExp>) => {
  const { longText } = BodyLimits.withFiles(1, filePlaces)
  return (bytes: Uint8Array): Effect.Effect<unknown, Problem> =>
    Effect.suspend((): Effect.Effect<unknown, Problem> => {
      const excess = JsonScan.make(BodyLimits.maxDepth).take(bytes)
      if (excess !== undefined) return Effect.fail(excess === "depth" ? BodyLimits.tooDeep : Body.tooDense)
      let value: unknown
      try {
        value = JSON.parse(decoder.decode(bytes))
      } catch {
        return Effect.fail(Body.notJson)
      }
      const problem = BodyLimits.excess(value, longText)
      return problem === undefined ? Effect.succeed(value) : Effect.fail(problem)
    })
}
