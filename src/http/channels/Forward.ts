/**
 * Requests to a channel that the native API answers. Their address is changed
 * before anything looks at it, so that all that holds at the root holds for them.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Context, Effect } from "effect"
import type { Mounted } from "./Channel.ts"

export const forwarded = (channels: ReadonlyArray<Mounted>) =>
<A, E, R>(
  app: Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest>
): Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest> => {
  const forwarding = channels.flatMap(({ forward, mount }) => forward === undefined ? [] : [{ forward, mount }])
  if (forwarding.length === 0) return app
  return Effect.mapInputContext(app, (context: Context.Context<R | HttpServerRequest.HttpServerRequest>) => {
    const request = Context.get(context, HttpServerRequest.HttpServerRequest)
    const { method, url } = request
    const native = forwarding.find(({ mount }) => url.startsWith(`${mount}/`))?.forward(method, url)
    return native === undefined
      ? context
      : Context.add(context, HttpServerRequest.HttpServerRequest, request.modify({ url: native }))
  })
}
