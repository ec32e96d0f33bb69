/**
 * The answer to bytes that are no HTTP request: Node's own has no body. For the
 * server's `clientError` event; no request reaches the router then.
 */
import { Predicate } from "effect"

interface Socket {
  readonly writable: boolean
  readonly end: (text: string) => unknown
  readonly destroy: () => unknown
}

const unreadable = { status: 400, title: "Bad Request", code: "malformed", detail: "This is not an HTTP/1.1 request." }

const known: Readonly<Record<string, typeof unreadable>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    title: "Request Header Fields Too Large",
    code: "headers_too_large",
    detail: "The request's headers are larger than 16 KiB together."
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    title: "Request Timeout",
    code: "request_timeout",
    detail: "The request did not arrive in time."
  }
}

export const answerUnreadable = (error: Error, socket: Socket): void => {
  const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
  if (!socket.writable || code === "ECONNRESET") return void socket.destroy()
  const problem = known[code] ?? unreadable
  const body = JSON.stringify({ type: "about:blank", ...problem })
  socket.end([
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${body.length}`,
    "X-Content-Type-Options: nosniff",
    "Connection: close",
    "",
    body
  ].join("\r\n"))
}
