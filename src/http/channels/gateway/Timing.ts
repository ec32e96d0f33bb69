/** The headers that this protocol has on its answers: how long a request took, and which execution it is about. */
import * as HttpApiMiddleware from "@effect/platform/HttpApiMiddleware"
import { type Clock, Effect, Layer } from "effect"
import { monotonic } from "../../../services/Now.ts"
import { ResponseHeaders } from "../../middleware/ResponseHeaders.ts"

const duration = "x-request-duration-ms"
const execution = "x-execution-id"

export class Timing extends HttpApiMiddleware.Tag<Timing>()("stoa/http/channels/gateway/Timing") {}

/** The header's value is read when the answer is written. A stream's is how long it took to begin. */
export const layer: Layer.Layer<Timing> = Layer.effect(
  Timing,
  Effect.map(Effect.clock, (clock: Clock.Clock) =>
    Effect.map(ResponseHeaders, (headers) => {
      const began = monotonic(clock)
      Object.defineProperty(headers, duration, {
        configurable: true,
        enumerable: true,
        get: () => String(Math.round(monotonic(clock) - began))
      })
    }))
)

/** Names the execution in the headers of the answer, whatever that will be. */
export const about = (execution_id: string): Effect.Effect<void> =>
  Effect.map(ResponseHeaders, (headers) => {
    headers[execution] = execution_id
  })
