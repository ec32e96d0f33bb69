/**
 * What of a request was ignored, told to whoever sent it: as the header
 * `stoa-warnings` of every answer, streams too, and as the member `warnings` of
 * an answer that is a JSON object. Both hold the same JSON array of sentences.
 */
import * as HttpBody from "@effect/platform/HttpBody"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect } from "effect"
import { ResponseHeaders } from "./middleware/ResponseHeaders.ts"

export const header = "stoa-warnings"

/** Most sentences, and characters of a name in one: together they fit into a header. */
export const maxWarnings = 16
const maxName = 96

/** A header has no room for characters beyond ASCII; JSON can say them all the same. */
const ascii = (json: string) =>
  json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** A name as a sentence repeats it. */
export const quoted = (name: string): string => name.length > maxName ? `'${name.slice(0, maxName)}…'` : `'${name}'`

/** The headers of one answer, which its request may still add to. */
type Headers = Record<string, string>

export const add = (headers: Headers, sentences: ReadonlyArray<string>): void => {
  if (sentences.length === 0) return
  const before = headers[header] === undefined ? [] : JSON.parse(headers[header]) as ReadonlyArray<string>
  headers[header] = ascii(JSON.stringify([...before, ...sentences].slice(0, maxWarnings)))
}

/** Adds sentences to the answer of the request that is handled now. */
export const warn = (sentences: ReadonlyArray<string>): Effect.Effect<void> =>
  sentences.length === 0 ? Effect.void : Effect.map(ResponseHeaders, (headers) => add(headers, sentences))

const openingBrace = 0x7b
const closingBrace = 0x7d

/** The answer with the member `warnings`, where it is a JSON object. */
export const told = (
  response: HttpServerResponse.HttpServerResponse,
  headers: Headers
): HttpServerResponse.HttpServerResponse => {
  const warnings = headers[header]
  const { body } = response
  if (warnings === undefined || body._tag !== "Uint8Array" || body.contentType !== "application/json") return response
  const bytes = body.body
  if (bytes[0] !== openingBrace) return response
  const start = Buffer.from(`{"warnings":${warnings}${bytes[1] === closingBrace ? "" : ","}`)
  const whole = Buffer.concat([start, bytes.subarray(1)])
  return HttpServerResponse.setBody(response, HttpBody.uint8Array(whole, body.contentType))
}
