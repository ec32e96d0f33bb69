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

/** Most sentences, and characters of a name in one. */
export const maxWarnings = 16
const maxName = 96

/** Most bytes of the header. Many proxies take 4 KiB for all headers of an answer, and answer 502 in its place beyond. */
const maxBytes = 3_072

/** A header has no room for characters beyond ASCII; JSON can say them all the same. */
const ascii = (json: string) =>
  json.replaceAll(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)

/** A name as a sentence repeats it. Half of a character, sent so or left by the cut, is shown as one that is unknown. */
export const quoted = (name: string): string =>
  `'${name.slice(0, maxName).toWellFormed()}${name.length > maxName ? "…" : ""}'`

/** The first of the sentences, as many as there is room for. */
const fitting = (sentences: ReadonlyArray<string>): string => {
  let room = maxBytes - "[]".length
  const kept: Array<string> = []
  for (const sentence of sentences.slice(0, maxWarnings)) {
    const json = ascii(JSON.stringify(sentence))
    room -= json.length + ",".length
    if (room < 0) break
    kept.push(json)
  }
  return `[${kept.join(",")}]`
}

/** The headers of one answer, which its request may still add to. */
type Headers = Record<string, string>

export const add = (headers: Headers, sentences: ReadonlyArray<string>): void => {
  if (sentences.length === 0) return
  const before = headers[header] === undefined ? [] : JSON.parse(headers[header]) as ReadonlyArray<string>
  headers[header] = fitting([...before, ...sentences])
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
