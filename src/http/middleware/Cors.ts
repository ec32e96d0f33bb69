/** Lets the pages of admitted origins talk to the server. Others get no such headers, and their browsers keep them out. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Warnings from "../Warnings.ts"

type Headers = Readonly<Record<string, string>>

const allowed = [
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "prefer",
  "x-request-id",
  "x-user-id"
]
const exposed = ["location", "retry-after", Warnings.header, "x-request-id"]

const preflightSeconds = 600

/** The headers of every answer to an admitted page. */
export const headersFor = (origin: string): Headers => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": exposed.join(", ")
})

/** The methods of all paths together. */
const everyMethod = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

/**
 * The answer for an admitted page to a path where nothing is. A browser sends its
 * request only after a good answer; so its page gets to read the 404, and
 * does not take it for a broken network.
 */
export const optionsOfNothing = (): HttpServerResponse.HttpServerResponse => options(everyMethod, true)

/** Answers OPTIONS with the methods of the path, and tells an admitted page that it may use them. */
export const options = (methods: ReadonlyArray<string>, admitted: boolean): HttpServerResponse.HttpServerResponse => {
  const allow = [...methods, "OPTIONS"].join(", ")
  return HttpServerResponse.empty({
    headers: {
      allow,
      ...(admitted && {
        "access-control-allow-methods": allow,
        "access-control-allow-headers": allowed.join(", "),
        "access-control-max-age": String(preflightSeconds)
      })
    }
  })
}
