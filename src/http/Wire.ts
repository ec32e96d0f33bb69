/**
 * Node's own request and response behind an `HttpServerRequest`, as far as this
 * server uses them: raw headers, the body as it arrives, and streams that are
 * written without anything in between.
 */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Predicate } from "effect"

/** The socket under a request, also while an earlier request of its connection is answered. */
export interface WireConnection {
  readonly destroy: () => unknown
}

export interface WireRequest {
  readonly socket: WireConnection
  readonly destroyed: boolean
  /** Name, value, name, value … as they came, doubled ones too. */
  readonly rawHeaders: ReadonlyArray<string>
  readonly on: {
    (event: "data", listener: (chunk: Uint8Array) => void): unknown
    (event: "end" | "error", listener: () => void): unknown
  }
  readonly once: (event: "close", listener: () => void) => unknown
  readonly off: {
    (event: "data", listener: (chunk: Uint8Array) => void): unknown
    (event: "close", listener: () => void): unknown
  }
}

interface WireSocket {
  readonly writable: boolean
  readonly write: (bytes: Uint8Array) => boolean
  readonly once: (event: "drain", listener: () => void) => unknown
  readonly off: (event: "drain", listener: () => void) => unknown
  readonly destroySoon: () => void
}

export interface WireResponse {
  /** Null until the responses before it on the connection have gone out. */
  readonly socket: WireSocket | null
  /** Bytes written and not yet taken by the operating system. */
  readonly writableLength: number
  readonly writableFinished: boolean
  readonly destroyed: boolean
  /** Known once the head has been written; false for a client of HTTP/1.0. */
  readonly chunkedEncoding: boolean
  readonly writeHead: (status: number, headers: Readonly<Record<string, string>>) => unknown
  readonly write: (bytes: Uint8Array | string) => boolean
  readonly end: (finished?: (() => void) | undefined) => unknown
  readonly destroy: () => unknown
  readonly once: (event: "drain" | "socket", listener: () => void) => unknown
  readonly off: (event: "drain" | "socket", listener: () => void) => unknown
}

const encoder = new TextEncoder()
const lineBreak = encoder.encode("\r\n")

/** The bytes as one chunk of a response in chunked transfer coding (RFC 9112, section 7.1). */
const chunkOf = (bytes: Uint8Array): Uint8Array => {
  const size = encoder.encode(`${bytes.length.toString(16)}\r\n`)
  const chunk = new Uint8Array(size.length + bytes.length + lineBreak.length)
  chunk.set(size)
  chunk.set(bytes, size.length)
  chunk.set(lineBreak, size.length + bytes.length)
  return chunk
}

let last: { readonly bytes: Uint8Array; readonly chunk: Uint8Array } | undefined

/**
 * Writes to a response whose head has been written. Straight to its socket where
 * that is possible: Node writes the size, the bytes and the line break of a chunk
 * apart, which costs twice as much. Many responses get the same bytes one after
 * the other, so those are made into a chunk once.
 */
export const writeChunk = (response: WireResponse, bytes: Uint8Array): void => {
  const { chunkedEncoding, socket } = response
  if (socket === null || !chunkedEncoding || bytes.length === 0) return void response.write(bytes)
  if (!socket.writable) return
  if (last?.bytes !== bytes) last = { bytes, chunk: chunkOf(bytes) }
  socket.write(last.chunk)
}

const isWireRequest = (source: unknown): source is WireRequest =>
  Predicate.hasProperty(source, "rawHeaders") && Array.isArray(source.rawHeaders) &&
  Predicate.hasProperty(source, "on")

const isWireResponse = (response: unknown): response is WireResponse =>
  Predicate.hasProperty(response, "writeHead") && Predicate.hasProperty(response, "writableLength")

export const requestOf = (request: HttpServerRequest.HttpServerRequest): WireRequest => {
  if (isWireRequest(request.source)) return request.source
  throw new TypeError("The request does not come from Node's HTTP server.")
}

export const responseOf = (request: HttpServerRequest.HttpServerRequest): WireResponse => {
  const held = Predicate.hasProperty(request, "response") ? request.response : undefined
  const response: unknown = Predicate.isFunction(held) ? held() : held
  if (isWireResponse(response)) return response
  throw new TypeError("The response does not belong to Node's HTTP server.")
}
