/** One server behind `fetch`: requests and answers as JSON, and the events of its sessions. */
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { Duration, Effect, Option, Schema } from "effect"
import { connect } from "./Connection.ts"
import { follow } from "./Follow.ts"
import type { Seen } from "./Run.ts"
import { StoaError } from "./StoaError.ts"

export interface ClientOptions {
  /** `https://stoa.example.com`, with the path that it is mounted at, if any. */
  readonly url: string
  /** An API key. */
  readonly key?: string | undefined
  /** Whom to act for, where the server believes `X-User-ID`. */
  readonly user?: string | undefined
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch | undefined
  /** Longest wait for the head of an answer, in milliseconds; 30 seconds without it. */
  readonly timeout?: number | undefined
}

/** Query parameters; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | boolean | undefined>>

const urlOf = (text: string) => {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !["http:", "https:"].includes(url.protocol)) {
    throw new StoaError("misused", "The server's url should read like https://stoa.example.com.")
  }
  if (url.username !== "" || url.password !== "") {
    throw new StoaError("misused", "The server's url must not hold a user or a password: give a key.")
  }
  let { pathname } = url
  while (pathname.endsWith("/")) pathname = pathname.slice(0, -1)
  return url.origin + pathname
}

const headersOf = ({ headers = {}, key, user }: ClientOptions) => ({
  ...headers,
  ...(key !== undefined && { authorization: `Bearer ${key}` }),
  ...(user !== undefined && { "x-user-id": user })
})

const queryOf = (query: Query) =>
  Object.entries(query).flatMap(([name, value]) => value === undefined ? [] : [[name, String(value)] as const])

export const make = (options: ClientOptions) => {
  const { fetch } = options
  const withFetch = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    fetch === undefined ? effect : Effect.provideService(effect, FetchHttpClient.Fetch, fetch)
  const connecting = {
    url: urlOf(options.url),
    headers: headersOf(options),
    ...(options.timeout !== undefined && { timeout: Duration.millis(options.timeout) })
  }
  // No spans, and no headers of them: a page of another origin may not send those.
  const connection = Effect.runSync(Effect.provide(
    Effect.flatMap(HttpClient.HttpClient, (client) =>
      Effect.provideService(
        connect(connecting),
        HttpClient.HttpClient,
        HttpClient.withTracerPropagation(HttpClient.withTracerDisabledWhen(client, () => true), false)
      )),
    FetchHttpClient.layer
  ))

  /** The answer's JSON, if it fits the schema. What has a key is done once. */
  const asked = <A, I>(
    schema: Schema.Schema<A, I>,
    method: "GET" | "POST" | "PATCH" | "DELETE",
    path: string,
    { body, key, query = {} }: { readonly body?: unknown; readonly key?: string | undefined; readonly query?: Query } =
      {}
  ) =>
    withFetch(
      Effect.suspend(() =>
        connection.http.execute(
          HttpClientRequest.make(method)(path, {
            urlParams: queryOf(query),
            headers: { accept: "application/json", ...(key !== undefined && { "idempotency-key": key }) }
          }).pipe(
            body === undefined ? (request) => request : HttpClientRequest.bodyUnsafeJson(body)
          )
        )
      ).pipe(
        Effect.flatMap(({ text }) => text),
        Effect.flatMap((text) => Schema.decodeUnknown(Schema.parseJson(schema))(text === "" ? "null" : text))
      )
    )

  /** Hands over the events of a session after `after` until `emit` says that it has seen enough. */
  const followed = (
    session: string,
    after: number | undefined,
    emit: (seen: Seen) => Effect.Effect<boolean>
  ) =>
    withFetch(follow(connection, {
      session,
      after: Option.fromNullable(after),
      isExpected: true,
      onLost: Effect.void,
      // An event of a newer version says nothing to a program that was compiled before.
      onEvent: ({ event, seq }) =>
        Option.match(event, { onNone: () => Effect.succeed(false), onSome: (known) => emit({ seq, ...known }) })
    }))

  return { connection, withFetch, asked, followed }
}

export interface Wire extends ReturnType<typeof make> {}
