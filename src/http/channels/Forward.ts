/**
 * Requests to a channel that are answered at another place, mostly by the native API. Their address is changed
 * before anything looks at it, so that all that holds there holds for them.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Effect } from "effect"
import type { Mounted } from "./Channel.ts"

export const forwarded = (channels: ReadonlyArray<Mounted>) =>
<A, E, R>(
  app: Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest>
): Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest> => {
  const forwarding = channels.flatMap(({ forward, mount }) =>
    forward === undefined ? [] : [{ forward, mount, below: `${mount}/` }]
  )
  if (forwarding.length === 0) return app
  // Every request comes through here: those that are answered where they are asked get no context of their own.
  return Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const { method, url } = request
    const found = forwarding.find(({ below, mount }) => url === mount || url.startsWith(below))
    const other = found?.forward(method, url, request.headers["accept"])
    return other === undefined
      ? app
      : Effect.provideService(app, HttpServerRequest.HttpServerRequest, request.modify({ url: other }))
  })
}
