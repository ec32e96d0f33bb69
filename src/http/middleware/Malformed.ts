/** Requests that Node's parser lets through and that two parties could read differently. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Malformed } from "../../domain/Errors.ts"
import { requestOf } from "../Wire.ts"

const maxHeaders = 100

/** Headers that say who asks, where, or how much: two of them may be believed by two different readers. */
const single = new Set([
  "host",
  "authorization",
  "content-length",
  "content-type",
  "transfer-encoding",
  "x-user-id",
  "idempotency-key",
  "origin"
])

const lengths = new Set(Array.from(single, (name) => name.length))

const doubled = (rawHeaders: ReadonlyArray<string>): string | undefined => {
  let seen: Array<string> | undefined
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!lengths.has(rawHeaders[i]!.length)) continue
    const name = rawHeaders[i]!.toLowerCase()
    if (!single.has(name)) continue
    if (seen?.includes(name)) return name
    if (seen === undefined) seen = [name]
    else seen.push(name)
  }
  return undefined
}

const isEncoded = (url: string) => {
  if (!url.includes("%")) return true
  try {
    decodeURIComponent(url.split("?", 1)[0]!)
    return true
  } catch {
    return false
  }
}

const malformed = (code: string, detail: string) => new Malformed({ code, detail })

export const malformation = (request: HttpServerRequest.HttpServerRequest): Malformed | undefined => {
  const { rawHeaders } = requestOf(request)
  if (rawHeaders.length > maxHeaders * 2) {
    return malformed("too_many_headers", `The request has more than ${maxHeaders} headers.`)
  }
  if (request.headers["host"] === undefined) return malformed("host_missing", "The request has no Host header.")
  const name = doubled(rawHeaders)
  if (name !== undefined) return malformed("doubled_header", `The header ${name} must come once.`)
  if (!request.url.startsWith("/")) {
    return malformed("malformed_target", "The request's target must be a path: /agent, not http://host/agent.")
  }
  if (!isEncoded(request.url)) return malformed("malformed_path", "The path is not percent-encoded UTF-8.")
  return undefined
}
