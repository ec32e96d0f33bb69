/**
 * Requests to a channel that the native API answers. Their address is changed
 * before anything looks at it, so that all that holds at the root holds for them.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Effect } from "effect"
import type { Mounted } from "./Channel.ts"

export const forwarded = (channels: ReadonlyArray<Mounted>) =>
<A, E, R>(
  app: Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest>
): Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest> => {
  const forwarding = channels.flatMap(({ forward, mount }) =>
    forward === undefined ? [] : [{ forward, below: `${mount}/` }]
  )
  if (forwarding.length === 0) return app
  // Every request comes through here: those that are answered where they are asked get no context of their own.
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { method, url } = request
    const native = forwarding.find(({ below }) => url.startsWith(below))?.forward(method, url)
    return native === undefined
      ? app
      : Effect.provideService(app, HttpServerRequest.HttpServerRequest, request.modify({ url: native }))
  })
}
