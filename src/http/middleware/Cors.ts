/** Lets the pages of admitted origins talk to the server. Others get no such headers, and their browsers keep them out. */
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Warnings from "../Warnings.ts"

type Headers = Readonly<Record<string, string>>

const allowed = [
  "a2a-extensions",
  "a2a-version",
  "accept",
  "authorization",
  "content-type",
  "idempotency-key",
  "last-event-id",
  "mcp-method",
  "mcp-name",
  "mcp-protocol-version",
  "mcp-session-id",
  "prefer",
  "x-api-key",
  "x-request-id",
  "x-session-id",
  "x-user-id"
]

/** What OpenAI's client tells of itself in a browser, in headers whose number grows with its versions. */
const ofClients = /^(?:x-stainless-[a-z-]{1,64}|openai-[a-z-]{1,64}|user-agent)$/

/** Most of them that an answer names. */
const maxOfClients = 32

const toldBy = (asked: string | undefined): ReadonlyArray<string> =>
  (asked ?? "").slice(0, 4096).toLowerCase().split(",").map((name) => name.trim()).filter((name) =>
    ofClients.test(name)
  )
    .slice(0, maxOfClients)
const exposed = ["location", "mcp-session-id", "retry-after", Warnings.header, "x-request-id"]

const preflightSeconds = 600

/** The headers of every answer to an admitted page. */
export const headersFor = (origin: string): Headers => ({
  "access-control-allow-origin": origin,
  "access-control-expose-headers": exposed.join(", ")
})

/**
 * A browser sends its request only where the answer to OPTIONS allows the method.
 * All are allowed on every path, so that a page gets to read a 404 or a 405, and
 * does not take it for a broken network.
 */
const everyMethod = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"

/** Answers OPTIONS with the methods of the path, of which there may be none, and tells an admitted page what it may send. */
export const options = (
  methods: ReadonlyArray<string>,
  admitted: boolean,
  asked?: string
): HttpServerResponse.HttpServerResponse => {
  const allow = [...methods, "OPTIONS"].join(", ")
  return HttpServerResponse.empty({
    headers: {
      allow,
      ...(admitted && {
        "access-control-allow-methods": everyMethod,
        "access-control-allow-headers": [...allowed, ...toldBy(asked)].join(", "),
        "access-control-max-age": String(preflightSeconds)
      })
    }
  })
}
