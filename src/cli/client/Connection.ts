/** A client of one server: its whole API with types, plain requests, and the client of `http/client` for what goes on. */
import * as HttpApiClient from "@effect/platform/HttpApiClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import type * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Duration, Effect } from "effect"
import { Api } from "../../http/Api.ts"
import * as Requests from "../../http/client/Requests.ts"
import type { StoaError } from "../../http/client/StoaError.ts"
import { Refused, Unreachable } from "./Failures.ts"

/** Longest wait for the head of an answer. */
const timeout = Duration.seconds(30)

export interface ConnectOptions {
  /** Where the server is, with the path that it is mounted at, without a slash at the end. */
  readonly url: string
  /** Sent with every request: who asks, for example. */
  readonly headers: Readonly<Record<string, string>>
  /** What may help a person when there is no answer; `code` is the system's, such as `ECONNREFUSED`. */
  readonly sentence: (url: string, code: string | undefined) => string
}

/** `api` for one answer each; `http` fails with `Refused` and `Unreachable` as well, and `raw` takes every status. */
export const connect = Effect.fnUntraced(function*({ headers, sentence, url }: ConnectOptions) {
  const unreachable = (code: string | undefined) =>
    new Unreachable({ isRefused: code === "ECONNREFUSED", code, message: sentence(url, code) })

  const failureOf = ({ cause, code, message, retryAfter, status }: StoaError): Refused | Unreachable => {
    if (status !== undefined) return new Refused({ status, code, retryAfter, message })
    const system = Requests.codeOf(cause)
    return code === "unreachable" && system !== undefined
      ? unreachable(system)
      : new Unreachable({ isRefused: false, code: system, message })
  }

  const refusal = (response: HttpClientResponse.HttpClientResponse) =>
    Effect.flatMap(
      Effect.orElseSucceed(response.text, () => ""),
      (text) => Effect.fail(failureOf(Requests.refusalOf(url, response.status, response.headers["retry-after"], text)))
    )

  const raw = (yield* HttpClient.HttpClient).pipe(
    HttpClient.mapRequest((request) =>
      request.pipe(HttpClientRequest.prependUrl(url), HttpClientRequest.setHeaders(headers))
    ),
    HttpClient.transformResponse((answer) =>
      answer.pipe(
        Effect.catchTag("RequestError", ({ cause }) => Effect.fail(unreachable(Requests.codeOf(cause)))),
        Effect.timeoutFail({ duration: timeout, onTimeout: () => unreachable("ETIMEDOUT") })
      )
    )
  )
  const http = HttpClient.transformResponse(
    raw,
    Effect.flatMap((response) => response.status >= 400 ? refusal(response) : Effect.succeed(response))
  )
  const api = yield* HttpApiClient.makeWith(Api, { httpClient: http })
  return { url, api, http, raw, requests: Requests.make({ url, headers }), failureOf }
})

export interface Connection extends Effect.Effect.Success<ReturnType<typeof connect>> {}
