/** The range of time that a request for sums names. */
import { Clock, Effect, Either } from "effect"
import { Invalid } from "../../domain/Errors.ts"
import { rangeOf, type UsageRequest } from "../../domain/UsageReport.ts"
import { timestampOf } from "../../services/Now.ts"

export const rangeIn = Effect.fnUntraced(function*(named: Pick<UsageRequest, "from" | "to">) {
  const { from, to } = yield* Either.mapLeft(
    rangeOf(named, yield* Clock.currentTimeMillis),
    (message) => new Invalid({ detail: "The range is not valid.", errors: [{ path: "from", message }] })
  )
  return { from: timestampOf(from), to: timestampOf(to) }
})
