/**
 * Ids of cards have slashes, and clients write them as they are. For the router they are one part of the path, and so for
 * the boundary: a request that was changed inside of it would have lost the bounds of its body.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Context, Effect } from "effect"

const path = /^(\/hub\/(?:mcp|skill)\/[^/?]{1,256}\/cards\/)([^?]{1,512}?)(\/install)?(\/?(?:\?.*)?)$/

/** The URL with the card's id as one part. */
export const encoded = (url: string): string => {
  if (!url.startsWith("/hub/")) return url
  const [, before, id, install = "", after] = path.exec(url) ?? []
  return before === undefined ? url : `${before}${id!.replaceAll("/", "%2F")}${install}${after}`
}

export const wholeCardIds = <A, E, R>(
  app: Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest>
): Effect.Effect<A, E, R | HttpServerRequest.HttpServerRequest> =>
  Effect.mapInputContext(app, (context: Context.Context<R | HttpServerRequest.HttpServerRequest>) => {
    const request = Context.get(context, HttpServerRequest.HttpServerRequest)
    const url = encoded(request.url)
    return url === request.url
      ? context
      : Context.add(context, HttpServerRequest.HttpServerRequest, request.modify({ url }))
  })
