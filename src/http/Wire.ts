/**
 * Node's own request and response behind an `HttpServerRequest`, as far as this
 * door touches them: raw headers, the body as it arrives, and streams that are
 * written without anything in between.
 */
import type { HttpServerRequest } from "@effect/platform"
import { Predicate } from "effect"

export interface WireRequest {
  /** Name, value, name, value … as they came, doubled ones too. */
  readonly rawHeaders: ReadonlyArray<string>
  readonly on: {
    (event: "data", listener: (chunk: Uint8Array) => void): unknown
    (event: "end" | "error", listener: () => void): unknown
  }
  readonly off: (event: "data", listener: (chunk: Uint8Array) => void) => unknown
}

interface WireSocket {
  readonly destroySoon: () => void
}

export interface WireResponse {
  readonly socket: WireSocket | null
  /** Bytes written and not yet taken by the operating system. */
  readonly writableLength: number
  readonly writableFinished: boolean
  readonly writeHead: (status: number, headers: Readonly<Record<string, string>>) => unknown
  readonly write: (bytes: Uint8Array | string) => boolean
  readonly end: (finished?: () => void) => unknown
  readonly destroy: () => unknown
  readonly once: (event: "drain", listener: () => void) => unknown
  readonly off: (event: "drain", listener: () => void) => unknown
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
