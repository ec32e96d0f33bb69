/** A client of one server: its whole API with types, and plain requests for what is a stream. */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Duration, Effect, Option, Predicate, Schema } from "effect"
import { Api } from "../Api.ts"
import { Refused, Unreachable } from "./Failures.ts"

/** Longest wait for the head of an answer, when nobody says otherwise. */
const usualTimeout = Duration.seconds(30)

/** The system's code of a failed request: `ECONNREFUSED` … Browsers tell none. */
const codeOf = (cause: unknown): string | undefined => {
  if (Predicate.hasProperty(cause, "code") && typeof cause.code === "string") return cause.code
  if (Predicate.hasProperty(cause, "errors") && Array.isArray(cause.errors)) return codeOf(cause.errors[0])
  return Predicate.hasProperty(cause, "cause") ? codeOf(cause.cause) : undefined
}

const sentenceOf = (url: string, code: string | undefined): string => {
  switch (code) {
    case "ECONNREFUSED":
      return `no server at ${url}.`
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return `no host of the name in ${url} is known.`
    case "ETIMEDOUT":
    case "UND_ERR_CONNECT_TIMEOUT":
    case "UND_ERR_HEADERS_TIMEOUT":
      return `${url} does not answer.`
    default:
      return `the connection to ${url} failed${code === undefined ? "" : ` (${code})`}.`
  }
}

const Problem = Schema.Struct({
  code: Schema.optional(Schema.String),
  detail: Schema.String,
  errors: Schema.optional(Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })))
})

/** As the Agent Gateway's paths say it. */
const Envelope = Schema.Struct({
  error: Schema.Struct({ code: Schema.optional(Schema.String), message: Schema.String })
})

const Told = Schema.Union(
  Problem,
  Schema.transform(Envelope, Schema.typeSchema(Problem), {
    decode: ({ error }) => ({ ...error.code !== undefined && { code: error.code }, detail: error.message }),
    encode: ({ code, detail }) => ({ error: { ...code !== undefined && { code }, message: detail } })
  })
)

/** Turns a 4xx or 5xx answer into an error. */
const refusal = (url: string) => (response: HttpClientResponse.HttpClientResponse) =>
  Effect.flatMap(Effect.option(Effect.flatMap(response.json, Schema.decodeUnknown(Told))), (problem) => {
    const retryAfter = Number(response.headers["retry-after"])
    return new Refused({
      status: response.status,
      code: Option.getOrUndefined(problem)?.code ?? `http_${response.status}`,
      retryAfter: Number.isFinite(retryAfter) ? retryAfter : undefined,
      message: Option.match(problem, {
        onNone: () => `${url} answered with HTTP ${response.status}, and not as a Stoa server does.`,
        onSome: ({ detail, errors = [] }) => {
          // A server says most of them in its sentence.
          const more = errors.filter(({ message }) => !detail.includes(message))
          return more.length === 0
            ? detail
            : `${detail} ${more.map(({ message, path }) => `${path}: ${message}`).join("; ")}`
        }
      })
    })
  })

export interface ConnectOptions {
  /** Where the server is, with the path that it is mounted at, without a slash at the end. */
  readonly url: string
  /** Sent with every request: who asks, for example. */
  readonly headers: Readonly<Record<string, string>>
  /** What may help a person when there is no answer; `code` is the system's, such as `ECONNREFUSED`. */
  readonly sentence?: (url: string, code: string | undefined) => string
  /** Longest wait for the head of an answer; 30 seconds without it. */
  readonly timeout?: Duration.Duration
}

/** `api` for one answer each; `http` for streams, which fails with `Refused` and `Unreachable` as well; `raw` takes every status. */
export const connect = Effect.fnUntraced(function*({ headers, sentence = sentenceOf, timeout, url }: ConnectOptions) {
  const unreachable = (code: string | undefined) =>
    new Unreachable({ isRefused: code === "ECONNREFUSED", code, message: sentence(url, code) })
  const raw = (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(url), HttpClientRequest.setHeaders(headers))
    ),
    HttpClient.transformResponse((answer) =>
      answer.pipe(
        Effect.catchTag("RequestError", ({ cause }) => Effect.fail(unreachable(codeOf(cause)))),
        Effect.timeoutFail({ duration: timeout ?? usualTimeout, onTimeout: () => unreachable("ETIMEDOUT") })
      )
    )
  )
  const http = HttpClient.transformResponse(
    raw,
    Effect.flatMap((response) =>
      response.status >= 400 ? Effect.flatMap(refusal(url)(response), Effect.fail) : Effect.succeed(response)
    )
  )
  const api = yield* HttpApiClient.makeWith(Api, { httpClient: http })
  return { url, api, http, raw }
})

export interface Connection extends Effect.Effect.Success<ReturnType<typeof connect>> {}
