/**
 * Why a call through the AI SDK failed, in words of ours. Its errors hold the
 * request, the address, the provider's body and sometimes the key: nothing of
 * them is passed on.
 */
import { type ModelErrorType, ModelFailed } from "../../services/Models.ts"

/** Longest time that a provider's `Retry-After` is believed, in seconds: a day. */
const longestRetryAfter = 86_400

const failed = (type: ModelErrorType, retryable: boolean, message: string) =>
  new ModelFailed({ type, retryable, message })

/** The answer began and did not end. */
export const cut = (): ModelFailed => failed("upstream", true, "The provider's answer broke off before its end (cut).")

/** Nothing came for too long. */
export const silent = (seconds: number, begun: boolean): ModelFailed =>
  begun
    ? failed("upstream", true, `The provider's answer stalled: nothing more came for ${seconds} seconds.`)
    : failed("connection", true, `The provider did not begin to answer within ${seconds} seconds.`)

/** It goes on and on. */
export const endless = (seconds: number): ModelFailed =>
  failed("upstream", false, `The provider's answer was not complete after ${seconds} seconds.`)

export const garbage = (): ModelFailed =>
  failed(
    "upstream",
    true,
    "The provider's answer could not be understood. Check that the credential's base_url is that of the right API."
  )

const contextLength = () =>
  failed(
    "context_length",
    false,
    "The conversation is too long for the model. Start a new session, or choose a model with a larger context."
  )

const tooLong = /context[ _](length|window|size)|maximum (context|prompt)|prompt is too long|too many (input )?tokens/i

const noConnection: Readonly<Record<string, string>> = {
  ECONNREFUSED: "the connection was refused",
  ECONNRESET: "the connection was reset",
  EPIPE: "the connection was closed",
  UND_ERR_SOCKET: "the connection was closed",
  ETIMEDOUT: "the connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "the connection timed out",
  UND_ERR_HEADERS_TIMEOUT: "the answer timed out",
  UND_ERR_BODY_TIMEOUT: "the answer timed out",
  ENOTFOUND: "its name is not known",
  EAI_AGAIN: "its name could not be looked up",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to it"
}

/** What may be read of a foreign error. */
const read = (error: unknown, field: string): unknown =>
  typeof error === "object" && error !== null && field in error ? (error as Record<string, unknown>)[field] : undefined

/** Errors in each other looked at to find a system code. */
const maxDepth = 8

const codeOf = (error: unknown): string | undefined => {
  for (let at = error, depth = 0; at !== undefined && depth < maxDepth; at = read(at, "cause"), depth++) {
    const code = read(at, "code")
    if (typeof code === "string") return code
  }
  return undefined
}

export const addressNotAllowed =
  "The address is not allowed by this server. Public ones are, by https; an operator can allow others with STOA_OUTBOUND_HOSTS."

/** What `Outbound` refuses, by its codes. */
const notSent: Readonly<Record<string, () => ModelFailed>> = {
  address_not_allowed: () => failed("setup", false, addressNotAllowed),
  redirect_not_followed: () =>
    failed(
      "setup",
      false,
      "The provider answered with a redirect, which is not followed: give the address that it leads to as base_url."
    ),
  response_too_large: () => failed("upstream", false, "The provider's answer is too large.")
}

const connectionFailed = (code: string | undefined): ModelFailed => {
  if (code !== undefined && Object.hasOwn(notSent, code)) return notSent[code]!()
  if (code !== undefined && /CERT|SIGNED|TLS|SSL/.test(code)) {
    return failed("connection", false, "The provider could not be reached: its TLS certificate was not accepted.")
  }
  const why = code !== undefined && Object.hasOwn(noConnection, code) ? `: ${noConnection[code]}` : ""
  return failed("connection", true, `The provider could not be reached${why}. Check the credential's base_url.`)
}

const retryAfter = (headers: unknown, now: number): number | undefined => {
  const millis = Number(read(headers, "retry-after-ms") ?? Number.NaN)
  const header = read(headers, "retry-after")
  const seconds = Number.isFinite(millis)
    ? millis / 1000
    : typeof header !== "string" || header.trim() === ""
    ? Number.NaN
    : Number.isFinite(Number(header))
    ? Number(header)
    : (Date.parse(header) - now) / 1000
  return Number.isFinite(seconds) ? Math.min(longestRetryAfter, Math.max(0, Math.ceil(seconds))) : undefined
}

/** An answer of this status with this body. */
export const refused = (status: number, body: string, headers: unknown, now: number): ModelFailed => {
  switch (status) {
    case 401:
      return failed("authentication", false, "The provider does not accept the credential (401): check its api_key.")
    case 402:
      return failed("permission", false, "The provider asks for payment (402): the account's balance is used up.")
    case 403:
      return failed("permission", false, "The provider does not let this credential use the model (403).")
    case 404:
      return failed(
        "invalid_request",
        false,
        "The provider does not know the model or the address (404): check the model's name and the base_url."
      )
    case 408:
      return failed("connection", true, "The provider gave up waiting for the request (408).")
    case 429: {
      if (/insufficient_quota/i.test(body)) {
        return failed("rate_limit", false, "The account's quota at the provider is used up (429).")
      }
      const seconds = retryAfter(headers, now)
      const type = "rate_limit"
      const message = "The provider asks for fewer requests (429)."
      return new ModelFailed({ type, message, retryable: true, ...(seconds !== undefined && { retry_after: seconds }) })
    }
  }
  if (status >= 500) return failed("upstream", true, `The provider failed (${status}).`)
  if (tooLong.test(body)) return contextLength()
  if (status >= 400) {
    return failed(
      "invalid_request",
      false,
      `The provider refused the request (${status}): check the model and its parameters.`
    )
  }
  return failed("upstream", false, `The provider answered with a status that was not expected (${status}).`)
}

/** Of an error that the stream itself tells of. */
const told = (error: unknown, now: number): ModelFailed => {
  const body = JSON.stringify(error) ?? ""
  const inner = read(error, "error") ?? error
  const status = Number(read(inner, "code") ?? Number.NaN)
  if (tooLong.test(body)) return contextLength()
  if (status >= 400 && status < 600) return refused(status, body, undefined, now)
  if (/rate[_ ]limit/i.test(body)) return refused(429, body, undefined, now)
  return failed("upstream", true, "The provider reported an error in the middle of its answer.")
}

/** `begun` says whether the answer had begun, `now` is in milliseconds. */
export const failureOf = (error: unknown, begun: boolean, now: number): ModelFailed => {
  if (error instanceof ModelFailed) return error
  switch (read(error, "name")) {
    case "AI_APICallError": {
      const status = Number(read(error, "statusCode") ?? Number.NaN)
      if (Number.isNaN(status)) return connectionFailed(codeOf(error))
      if (status < 300) return cut()
      return refused(status, String(read(error, "responseBody") ?? ""), read(error, "responseHeaders"), now)
    }
    case "AI_UnsupportedFunctionalityError":
      return failed("invalid_request", false, "The model cannot take what the conversation holds.")
    case "AI_TypeValidationError":
    case "AI_JSONParseError":
    case "AI_EmptyResponseBodyError":
      return garbage()
    case "AI_InvalidResponseDataError":
      return cut()
    case undefined:
      return told(error, now)
    default:
      return error instanceof Error ? begun ? cut() : connectionFailed(codeOf(error)) : told(error, now)
  }
}
