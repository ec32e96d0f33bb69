/**
 * The address by which this server is reached: in cards, in files' addresses, and where people come back to. What a request
 * says of that is believed no further than its `Host`, which the server answers to.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Context, Effect } from "effect"
import { aroundOf } from "./Around.ts"

/** The one that the operator has named. */
export class PublicUrl extends Context.Reference<PublicUrl>()("stoa/http/PublicUrl", {
  defaultValue: (): { readonly url: string | undefined } => ({ url: undefined })
}) {}

/** Without a slash at its end. */
export const publicUrl: Effect.Effect<string, never, HttpServerRequest.HttpServerRequest> = Effect.zipWith(
  HttpServerRequest.HttpServerRequest,
  PublicUrl,
  (request, { url }) => url ?? `http://${request.headers["host"] ?? "localhost"}${aroundOf(request).base}`
)
