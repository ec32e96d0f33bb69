/**
 * Why a call through the AI SDK failed, in words of ours. Its errors hold the
 * request, the address, the provider's body and sometimes the key: nothing of
 * them is passed on.
 */
import { type ModelErrorType, ModelFailed } from "../../../services/Models.ts"
import { categoryIn } from "./Finish.ts"
import { said } from "./ProviderWords.ts"

/** Longest time that a provider's `Retry-After` is believed, in seconds: a day. */
const longestRetryAfter = 86_400

const failed = (type: ModelErrorType, retryable: boolean, message: string) =>
  new ModelFailed({ type, retryable, message })

/** The model itself is what cannot do it. */
const notByThisModel = (message: string) =>
  new ModelFailed({ type: "invalid_request", retryable: false, is_models: true, message })

/** The answer began and did not end. */
export const cut = (): ModelFailed => failed("upstream", true, "The provider's answer broke off before its end (cut).")

/** Nothing came for too long. */
export const silent = (seconds: number, begun: boolean): ModelFailed =>
  begun
    ? failed("upstream", true, `The provider's answer stalled: nothing more came for ${seconds} seconds.`)
    : failed("connection", true, `The provider did not begin to answer within ${seconds} seconds.`)

/** The answer does not end within its bounds. */
export const endless = (seconds: number): ModelFailed =>
  failed("upstream", false, `The provider's answer was not complete after ${seconds} seconds.`)

export const garbage = (): ModelFailed =>
  failed(
    "upstream",
    true,
    "The provider's answer could not be understood. Check that the credential's base_url is that of the right API."
  )

/** The address is that of a page for people. */
export const webPage = (): ModelFailed =>
  failed("upstream", false, "This address answers with a web page: check the credential's base_url.")

export const tooLarge = (): ModelFailed => failed("upstream", false, "The provider's answer is too large.")

const contextLength = () =>
  failed(
    "context_length",
    false,
    "The conversation is too long for the model. Start a new session, or choose a model with a larger context."
  )

/** Azure names what its filter found in the error: https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-filter */
const contentPolicy = (body: string) => {
  const category = categoryIn(parsed(body))
  return new ModelFailed({
    type: "content_policy",
    retryable: false,
    message: "The provider's content policy refused the conversation. Say it in another way.",
    ...(category !== undefined && { category })
  })
}

const parsed = (body: string): unknown => {
  try {
    return JSON.parse(body) as unknown
  } catch {
    return undefined
  }
}

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

export const isAiSdkError = (error: unknown): boolean => String(read(error, "name")).startsWith("AI_")

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
  response_too_large: tooLarge
}

const connectionFailed = (code: string | undefined): ModelFailed => {
  if (code !== undefined && Object.hasOwn(notSent, code)) return notSent[code]!()
  if (code !== undefined && /CERT|SIGNED|TLS|SSL/.test(code)) {
    return failed("connection", false, "The provider could not be reached: its TLS certificate was not accepted.")
  }
  const why = code !== undefined && Object.hasOwn(noConnection, code) ? `: ${noConnection[code]}` : ""
  return failed("connection", true, `The provider could not be reached${why}. Check the credential's base_url.`)
}

const brokeOff: Readonly<Record<string, string>> = {
  ECONNRESET: "was reset",
  EPIPE: "was closed",
  UND_ERR_SOCKET: "was closed",
  ETIMEDOUT: "timed out",
  UND_ERR_BODY_TIMEOUT: "timed out"
}

const isAbort = (error: unknown): boolean => read(error, "name") === "AbortError"

/** Why an answer could not be read on. What our own end of the call has done is passed on as it is. */
export const brokenOff = (error: unknown): unknown => {
  const own = ours(error)
  if (own !== undefined || isAbort(error)) return own ?? error
  const code = codeOf(error)
  if (code === "UND_ERR_RES_EXCEEDED_MAX_SIZE") return tooLarge()
  if (code !== undefined && Object.hasOwn(notSent, code)) return notSent[code]!()
  return code !== undefined && Object.hasOwn(brokeOff, code)
    ? failed("connection", true, `The connection to the provider ${brokeOff[code]} before its answer was complete.`)
    : cut()
}

/** Seconds until a provider wants to be asked again: Google says so in the body. */
const secondsOf = (body: string, headers: unknown, now: number): number => {
  const millis = Number(read(headers, "retry-after-ms") ?? Number.NaN)
  if (Number.isFinite(millis)) return millis / 1000
  const header = read(headers, "retry-after")
  if (typeof header !== "string" || header.trim() === "") {
    return Number(/"retryDelay"\s*:\s*"(\d{1,9}(?:\.\d{1,9})?)s"/.exec(body)?.[1] ?? Number.NaN)
  }
  return Number.isFinite(Number(header)) ? Number(header) : (Date.parse(header) - now) / 1000
}

const retryAfter = (body: string, headers: unknown, now: number): { readonly retry_after?: number } => {
  const seconds = secondsOf(body, headers, now)
  return Number.isFinite(seconds) ? { retry_after: Math.min(longestRetryAfter, Math.max(0, Math.ceil(seconds))) } : {}
}

const of = (status: number | undefined) => status === undefined ? "" : ` (${status})`

/** Google says the same of all quotas, and names them: https://ai.google.dev/gemini-api/docs/rate-limits */
const isUsedUp = (body: string): boolean =>
  body.includes("RESOURCE_EXHAUSTED") ? /"quotaId"\s*:\s*"\w*PerDay/.test(body) : said.quota.test(body)

const tooMany = (status: number | undefined, body: string, headers: unknown, now: number): ModelFailed =>
  isUsedUp(body)
    ? failed("rate_limit", false, `The account's quota at the provider is used up${of(status)}.`)
    : new ModelFailed({
      type: "rate_limit",
      message: `The provider asks for fewer requests${of(status)}.`,
      retryable: true,
      ...retryAfter(body, headers, now)
    })

const badKey = (status: number | undefined) =>
  failed("authentication", false, `The provider does not accept the credential${of(status)}: check its api_key.`)

const forbidden = (status: number | undefined) =>
  failed("permission", false, `The provider does not let this credential use the model${of(status)}.`)

const badRequest = (status: number | undefined) =>
  failed(
    "invalid_request",
    false,
    `The provider refused the request${of(status)}: check the model and its parameters.`
  )

/** An answer of this status with this body. */
const refused = (status: number, body: string, headers: unknown, now: number): ModelFailed => {
  switch (status) {
    case 401:
      return badKey(status)
    case 402:
      return failed("permission", false, "The provider asks for payment (402): the account's balance is used up.")
    case 403:
      return said.key.test(body) ? badKey(status) : forbidden(status)
    case 404:
      return notByThisModel(
        "The provider does not know the model or the address (404): check the model's name and the base_url."
      )
    case 408:
      return failed("connection", true, "The provider gave up waiting for the request (408).")
    case 413:
      return said.rate.test(body) ? tooMany(status, body, headers, now) : contextLength()
    case 429:
      return tooMany(status, body, headers, now)
  }
  if (status >= 500) return failed("upstream", true, `The provider failed (${status}).`)
  if (said.written.test(body)) return badlyWritten()
  if (said.tooLong.test(body)) return contextLength()
  if (said.policy.test(body)) return contentPolicy(body)
  if (said.key.test(body)) return badKey(status)
  if (said.quota.test(body)) return tooMany(status, body, headers, now)
  if (said.model.test(body)) return wrongModel(status)
  if (status >= 400) return badRequest(status)
  return failed("upstream", false, `The provider answered with a status that was not expected (${status}).`)
}

const wrongModel = (status: number | undefined) =>
  notByThisModel(
    `The provider does not know the model, or the model does not take what was sent${
      of(status)
    }: check the model's name, the files and the tools.`
  )

const badlyWritten = () =>
  failed("upstream", true, "The provider could not read what the model wrote as a tool's call or as JSON.")

const midway = () => failed("upstream", true, "The provider reported an error in the middle of its answer.")

/** Characters of an error within a stream that are read. */
const maxReported = 64 * 1024

/** The failure that the stream itself reports. */
const reportedFailure = (error: unknown, now: number): ModelFailed => {
  const body = (JSON.stringify(error) ?? "").slice(0, maxReported)
  const inner = read(error, "error") ?? error
  const status = Number(read(inner, "code") ?? Number.NaN)
  if (said.written.test(body)) return badlyWritten()
  if (said.tooLong.test(body)) return contextLength()
  if (said.policy.test(body)) return contentPolicy(body)
  if (status >= 400 && status < 600) return refused(status, body, undefined, now)
  if (said.quota.test(body) || said.rate.test(body)) return tooMany(undefined, body, undefined, now)
  if (said.key.test(body)) return badKey(undefined)
  if (said.permission.test(body)) return forbidden(undefined)
  if (said.model.test(body)) return wrongModel(undefined)
  return said.request.test(body) ? badRequest(undefined) : midway()
}

/** Whether the value reports an error, although not in the shape that the package knows. */
const isErrorBody = (value: unknown): boolean =>
  read(value, "error") !== undefined || read(value, "object") === "error" || read(value, "type") === "error"

/**
 * A refusal. A package may have made it of an error at the beginning of the
 * stream, and of a status of its own: then the error itself says more.
 */
const ofCall = (error: unknown, now: number): ModelFailed => {
  const status = Number(read(error, "statusCode") ?? Number.NaN)
  if (Number.isNaN(status)) return connectionFailed(codeOf(error))
  const body = String(read(error, "responseBody") ?? "")
  const headers = read(error, "responseHeaders")
  const streamed = String(read(headers, "content-type") ?? "").startsWith("text/event-stream")
  if (!streamed) {
    return status < 300
      ? cut()
      : refused(status, `${String(read(headers, "x-amzn-errortype") ?? "")} ${body}`, headers, now)
  }
  const failure = reportedFailure(body === "" ? String(read(error, "message") ?? "") : body, now)
  return failure.retryable && failure.type === "upstream" && status >= 500
    ? failed("upstream", true, `The provider failed (${status}).`)
    : failure
}

/** Whether a package could not read an event, and the event reports no error. */
export const isUnread = (error: unknown): boolean => {
  const name = read(error, "name")
  return name === "AI_JSONParseError" || (name === "AI_TypeValidationError" && !isErrorBody(read(error, "value")))
}

/** A failure of ours inside of an error of theirs. */
const ours = (error: unknown): ModelFailed | undefined => {
  for (let at = error, depth = 0; at !== undefined && depth < maxDepth; at = read(at, "cause"), depth++) {
    if (at instanceof ModelFailed) return at
  }
  return undefined
}

/** `begun` says whether the answer had begun, `now` is in milliseconds. */
export const failureOf = (error: unknown, begun: boolean, now: number): ModelFailed => {
  const own = ours(error)
  if (own !== undefined) return own
  switch (read(error, "name")) {
    case "AI_APICallError":
      return ofCall(error, now)
    case "AI_UnsupportedFunctionalityError":
    case "AI_InvalidPromptError":
      return notByThisModel("The model cannot take what the conversation holds.")
    case "AI_NoSuchModelError":
      return notByThisModel("The provider does not know the model: check its name.")
    case "AI_InvalidArgumentError":
    case "AI_TooManyEmbeddingValuesForCallError":
      return failed("invalid_request", false, "The provider cannot be asked this: check the model and its parameters.")
    case "AI_LoadAPIKeyError":
    case "AI_LoadSettingError":
      return failed("setup", false, "The credential lacks a field that the provider needs.")
    case "AI_TypeValidationError": {
      const value = read(error, "value")
      return isErrorBody(value) ? reportedFailure(value, now) : garbage()
    }
    case "AI_JSONParseError":
    case "AI_EmptyResponseBodyError":
      return garbage()
    case "AI_InvalidResponseDataError":
      return cut()
    case undefined:
      return reportedFailure(error, now)
    default:
      return error instanceof Error ? begun ? cut() : connectionFailed(codeOf(error)) : reportedFailure(error, now)
  }
}
