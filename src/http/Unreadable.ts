/**
 * Answers to connections that never reach the router: bytes that are no HTTP
 * request, for the server's `clientError` event, connections beyond the bound,
 * and requests while there is no router. Node's own answers have no body.
 */
import { Predicate } from "effect"
import { randomBytes } from "node:crypto"
import type { IncomingMessage } from "node:http"
import * as Cors from "./middleware/Cors.ts"

interface Socket {
  readonly writable: boolean
  readonly end: (text: string) => unknown
  readonly destroy: () => unknown
}

interface Problem {
  readonly status: number
  readonly title: string
  readonly code: string
  readonly detail: string
  readonly retry_after?: number
}

const unreadable: Problem = {
  status: 400,
  title: "Bad Request",
  code: "malformed",
  detail: "This is not an HTTP/1.1 request."
}

const known: Readonly<Record<string, Problem>> = {
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

const busy: Problem = {
  status: 503,
  title: "Service Unavailable",
  code: "too_many_connections",
  detail: "The server has as many connections as it can hold. Try again.",
  retry_after: 1
}

const unserved: Problem = {
  status: 503,
  title: "Service Unavailable",
  code: "not_serving",
  detail: "The server is just starting or ending. Try again.",
  retry_after: 1
}

/** Whether the pages of an origin may read what the server says. */
export type AdmitsOrigin = (origin: string) => boolean

/** Most bytes of a request in which its origin is looked for. */
const maxLooked = 64 * 1024

/** The origin in the bytes of a request that nobody has parsed, if its pages may read the answer. */
const originIn = (bytes: unknown, admits: AdmitsOrigin): string | undefined => {
  if (!(bytes instanceof Uint8Array)) return undefined
  const head = Buffer.from(bytes.buffer, bytes.byteOffset, Math.min(bytes.byteLength, maxLooked)).toString("latin1")
  const [, origin] = /\r\norigin:[ \t]*([!-~]{1,256})[ \t]*\r\n/i.exec(head) ?? []
  return origin !== undefined && admits(origin) ? origin : undefined
}

const answer = (socket: Socket, problem: Problem, origin: string | undefined) => {
  const request_id = randomBytes(5).toString("hex")
  const body = JSON.stringify({ type: "about:blank", ...problem, request_id })
  socket.end([
    `HTTP/1.1 ${problem.status} ${problem.title}`,
    "Content-Type: application/problem+json",
    `Content-Length: ${body.length}`,
    "X-Content-Type-Options: nosniff",
    `X-Request-Id: ${request_id}`,
    "Vary: Origin",
    ...Object.entries(origin === undefined ? {} : Cors.headersFor(origin)).map(([name, value]) => `${name}: ${value}`),
    ...(problem.retry_after === undefined ? [] : [`Retry-After: ${problem.retry_after}`]),
    "Connection: close",
    "",
    body
  ].join("\r\n"))
}

/** Whether an answer has begun on the socket: another status line would come in its middle. */
const isAnswering = (socket: Socket) =>
  Predicate.hasProperty(socket, "_httpMessage") && Predicate.hasProperty(socket._httpMessage, "headersSent") &&
  socket._httpMessage.headersSent === true

export const answerUnreadable = (admits: AdmitsOrigin) => (error: Error, socket: Socket): void => {
  const code = Predicate.hasProperty(error, "code") ? String(error.code) : ""
  if (!socket.writable || code === "ECONNRESET" || isAnswering(socket)) return void socket.destroy()
  const bytes = Predicate.hasProperty(error, "rawPacket") ? error.rawPacket : undefined
  answer(socket, known[code] ?? unreadable, originIn(bytes, admits))
}

/** Ends a connection for which there is no room; `bytes` are what has come of its request. */
export const answerBusy = (socket: Socket, admits: AdmitsOrigin, bytes?: unknown): void =>
  answer(socket, busy, originIn(bytes, admits))

/** Ends the connection of a request that nobody serves. */
export const answerUnserved = ({ headers: { origin }, socket }: IncomingMessage, admits: AdmitsOrigin): void =>
  answer(socket, unserved, origin !== undefined && admits(origin) ? origin : undefined)
