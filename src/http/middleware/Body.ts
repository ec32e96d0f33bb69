/**
 * JSON bodies, read once and within bounds. A body that is too large is
 * answered, not cut off: the rest of it is read and discarded.
 */
import * as Headers from "@effect/platform/Headers"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Effect } from "effect"
import { Invalid, Malformed, TooLarge, UnsupportedContent } from "../../domain/Errors.ts"
import { requestOf, type WireRequest } from "../Wire.ts"
import type { Problem } from "./Problems.ts"

const maxBytes = 1024 * 1024
const maxDepth = 64
/** Keys of objects and items of arrays, all together. */
const maxMembers = 10_000
const maxString = 256 * 1024

const json = /^application\/json\s*(;\s*charset\s*=\s*"?utf-8"?\s*)?$/i

const tooLarge = new TooLarge({ detail: "The body is larger than 1 MiB (1048576 bytes)." })

const malformed = (detail: string, code = "malformed_json") => new Malformed({ code, detail })

const invalid = (code: string, detail: string) => new Invalid({ code, detail })

const hasContent = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  headers["transfer-encoding"] !== undefined || Number(headers["content-length"] ?? 0) > 0

/** The reason to refuse a body by its headers alone, if there is one. */
export const refuse = (request: HttpServerRequest.HttpServerRequest): Problem | undefined => {
  if (!hasContent(request)) return undefined
  const { headers } = request
  if (Number(headers["content-length"] ?? 0) > maxBytes) return tooLarge
  const isJson = json.test(headers["content-type"] ?? "")
  const isPlain = (headers["content-encoding"] ?? "identity") === "identity"
  return isJson && isPlain
    ? undefined
    : new UnsupportedContent({ detail: "The body must be JSON in UTF-8, sent as Content-Type: application/json." })
}

const bytesOf = (source: WireRequest): Effect.Effect<Uint8Array, Problem> =>
  Effect.async((resume) => {
    const chunks: Array<Uint8Array> = []
    let size = 0
    const take = (chunk: Uint8Array) => {
      size += chunk.length
      if (size <= maxBytes) return void chunks.push(chunk)
      source.off("data", take)
      resume(Effect.fail(tooLarge))
    }
    source.on("data", take)
    source.on("end", () => resume(Effect.succeed(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))))
    source.on("error", () => resume(Effect.fail(malformed("The body ended before its end.", "incomplete_body"))))
  })

/** The first bound that a value breaks. */
const excess = (value: unknown): Invalid | undefined => {
  let members = 0
  const visit = (value: unknown, depth: number): Invalid | undefined => {
    if (typeof value === "string") {
      return value.length > maxString
        ? invalid("string_too_long", `A text is longer than ${maxString} characters.`)
        : undefined
    }
    if (typeof value !== "object" || value === null) return undefined
    if (depth === maxDepth) return invalid("too_deep", `The body is nested more than ${maxDepth} levels deep.`)
    if (Array.isArray(value)) {
      members += value.length
    } else {
      for (const key in value) {
        members++
        if (key === "__proto__") return invalid("forbidden_key", "The body has a key named __proto__.")
      }
    }
    if (members > maxMembers) return invalid("too_many_members", `The body has more than ${maxMembers} keys and items.`)
    for (const member of Array.isArray(value) ? value : Object.values(value)) {
      const problem = visit(member, depth + 1)
      if (problem !== undefined) return problem
    }
    return undefined
  }
  return visit(value, 0)
}

const decoder = new TextDecoder("utf-8", { fatal: true })

const parse = (bytes: Uint8Array): Effect.Effect<unknown, Problem> => {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(bytes))
  } catch {
    return Effect.fail(malformed("The body is not JSON in UTF-8."))
  }
  const problem = excess(value)
  return problem === undefined ? Effect.succeed(value) : Effect.fail(problem)
}

/**
 * The request with a `json` that keeps the bounds. It is read when an endpoint
 * asks for it, so after authentication.
 */
export const bounded = (request: HttpServerRequest.HttpServerRequest): HttpServerRequest.HttpServerRequest =>
  Object.create(
    request,
    hasContent(request)
      ? { json: { get: () => Effect.flatMap(bytesOf(requestOf(request)), parse) } }
      // Without a body the content type says nothing; left there, it would choose the parser.
      : { json: { value: Effect.succeed(null) }, headers: { value: Headers.remove(request.headers, "content-type") } }
  )
