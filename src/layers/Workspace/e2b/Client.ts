/**
 * The public API of E2B, and of services that speak it: sandboxes are made, found and ended at one address, and what runs
 * in each (`envd`) takes files and programs at an address of its own, in the JSON of the Connect protocol.
 */
import { Data, Duration, Effect, Redacted, Schedule } from "effect"
import type { Outbound } from "../../../services/Outbound.ts"
import { enveloped } from "./Envelopes.ts"

/** The port at which `envd` listens in each sandbox. */
const envdPort = 49983

/** Whose programs and files they are inside. */
const user = "user"

/** Longest time for one answer, and for a file to be taken. */
const answerTime = Duration.seconds(30)
const uploadIn = Duration.minutes(10)

/** How often what may be repeated is, and most milliseconds that a service may ask to wait in between. */
const retries = 2
const maxPause = 5_000

/** Most of the service's own words that are told, in characters. */
const maxWords = 300

/**
 * The service cannot be reached, or refuses. `message` is a sentence without its end; `status` is 0 where nothing came;
 * `code` is Connect's, where one was named.
 */
export class E2bFailed extends Data.TaggedError("E2bFailed")<{
  readonly status: number
  readonly code: string | undefined
  readonly message: string
  /** Milliseconds that the service asks to wait. */
  readonly after?: number | undefined
}> {}

export interface ClientOptions {
  readonly apiKey: Redacted.Redacted
  /** `https://api.e2b.app` */
  readonly apiUrl: string
  /** Sandboxes are at `https://49983-<id>.<domain>`, unless the service names another domain. */
  readonly domain: string
  /** One address that leads to all sandboxes by a header, instead of an address for each. */
  readonly sandboxUrl?: string | undefined
  /** Longest time for one answer. */
  readonly answerIn?: Duration.Duration
}

export interface Sandbox {
  readonly id: string
  readonly domain: string | undefined
  readonly token: Redacted.Redacted | undefined
}

export interface Answer {
  readonly status: number
  readonly body: unknown
  readonly headers: Headers
}

type Method = "GET" | "POST" | "DELETE"

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const causeOf = (error: unknown): string => {
  const { cause, code, message, name } = (error ?? {}) as Readonly<Record<string, unknown>>
  if (cause !== undefined && cause !== error) return causeOf(cause)
  if (name === "TimeoutError" || code === "UND_ERR_CONNECT_TIMEOUT" || code === "UND_ERR_HEADERS_TIMEOUT") {
    return "no answer in time"
  }
  return typeof code === "string" ? code : String(message ?? "no connection").slice(0, maxWords)
}

/** Failures that another try may mend. */
const passes = ({ message, status }: E2bFailed) =>
  status === 0
    ? !/\((response_too_large|address_not_allowed|redirect_not_followed)\)/.test(message)
    : status === 429 || status >= 500

export const make = ({ fetch }: typeof Outbound.Service, options: ClientOptions) => {
  const { answerIn = answerTime, apiKey, apiUrl, domain, sandboxUrl } = options
  const baseOf = (sandbox: Sandbox) => sandboxUrl ?? `https://${envdPort}-${sandbox.id}.${sandbox.domain ?? domain}`

  const headersOf = (sandbox: Sandbox): Record<string, string> => ({
    "E2b-Sandbox-Id": sandbox.id,
    "E2b-Sandbox-Port": String(envdPort),
    Authorization: `Basic ${Buffer.from(`${user}:`).toString("base64")}`,
    ...sandbox.token !== undefined && { "X-Access-Token": Redacted.value(sandbox.token) }
  })

  /** The service's words, without what must not be told even where it says it. */
  const plain = (words: string, sandbox: Sandbox | undefined) => {
    const secrets = [Redacted.value(apiKey), sandbox?.token === undefined ? "" : Redacted.value(sandbox.token)]
    return secrets.filter((secret) => secret !== "").reduce((text, secret) => text.replaceAll(secret, "…"), words)
      .replaceAll(/\s+/g, " ").slice(0, maxWords)
  }

  const refusal = (response: { status: number; headers: Headers }, text: string, sandbox?: Sandbox) => {
    const { code, message } = (jsonOf(text) ?? {}) as { readonly code?: unknown; readonly message?: unknown }
    const after = Number(response.headers.get("retry-after"))
    return new E2bFailed({
      status: response.status,
      code: typeof code === "string" ? code : undefined,
      message: `The service of the sandboxes says ${response.status}: ${
        plain(typeof message === "string" ? message : text, sandbox)
      }`,
      after: Number.isFinite(after) && after > 0 ? after * 1000 : undefined
    })
  }

  const away = (error: unknown) =>
    new E2bFailed({
      status: 0,
      code: undefined,
      message: `The service of the sandboxes does not answer (${plain(causeOf(error), undefined)})`
    })

  const patiently = <A>(work: Effect.Effect<A, E2bFailed>): Effect.Effect<A, E2bFailed> =>
    Effect.tapError(
      work,
      ({ after = 0 }) => after > 0 && after <= maxPause ? Effect.sleep(Duration.millis(after)) : Effect.void
    ).pipe(
      Effect.retry({
        while: (error) => passes(error) && (error.after ?? 0) <= maxPause,
        times: retries,
        schedule: Schedule.jittered(Schedule.exponential("100 millis"))
      })
    )

  const send = (
    url: string,
    init: RequestInit & { readonly duplex?: "half" },
    within: Duration.Duration,
    sandbox?: Sandbox
  ): Effect.Effect<Answer & { readonly bytes: Uint8Array }, E2bFailed> =>
    Effect.flatMap(
      Effect.tryPromise({
        try: async (signal) => {
          const ends = AbortSignal.any([signal, AbortSignal.timeout(Duration.toMillis(within))])
          const response = await fetch(url, { ...init, signal: ends })
          return { response, bytes: new Uint8Array(await response.arrayBuffer()) }
        },
        catch: away
      }),
      ({ bytes, response }) => {
        const text = () => Buffer.from(bytes).toString("utf8")
        return response.status < 400
          ? Effect.succeed({ status: response.status, headers: response.headers, bytes, body: jsonOf(text()) })
          : Effect.fail(refusal(response, text(), sandbox))
      }
    )

  return {
    patiently,
    api: (method: Method, path: string, body?: object): Effect.Effect<Answer, E2bFailed> =>
      send(`${apiUrl}${path}`, {
        method,
        headers: {
          "X-API-Key": Redacted.value(apiKey),
          ...body !== undefined && { "Content-Type": "application/json" }
        },
        ...body !== undefined && { body: JSON.stringify(body) }
      }, answerIn),
    /** One question to what runs in the sandbox, such as `filesystem.Filesystem/Stat`. */
    rpc: (sandbox: Sandbox, method: string, body: object, within = answerIn): Effect.Effect<unknown, E2bFailed> =>
      Effect.map(
        send(
          `${baseOf(sandbox)}/${method}`,
          {
            method: "POST",
            headers: { ...headersOf(sandbox), "Content-Type": "application/json", "Connect-Protocol-Version": "1" },
            body: JSON.stringify(body)
          },
          within,
          sandbox
        ),
        (answer) => answer.body
      ),
    /** Answers in many pieces, until the scope closes. `keepalive` is how often it says that it is there, in seconds. */
    stream: (sandbox: Sandbox, method: string, body: object, keepalive: number, within?: Duration.Duration) =>
      Effect.gen(function*() {
        const ends = yield* Effect.acquireRelease(
          Effect.sync(() => new AbortController()),
          (controller) => Effect.sync(() => controller.abort())
        )
        const response = yield* Effect.tryPromise({
          try: () =>
            fetch(`${baseOf(sandbox)}/${method}`, {
              method: "POST",
              headers: {
                ...headersOf(sandbox),
                "Content-Type": "application/connect+json",
                "Connect-Protocol-Version": "1",
                "Keepalive-Ping-Interval": String(keepalive),
                ...within !== undefined && { "Connect-Timeout-Ms": String(Math.ceil(Duration.toMillis(within))) }
              },
              body: enveloped(body),
              signal: ends.signal
            }),
          catch: away
        }).pipe(Effect.timeoutFail({ duration: answerIn, onTimeout: () => away({ name: "TimeoutError" }) }))
        if (response.status >= 400 || response.body === null) {
          const text = yield* Effect.promise(() => response.text().catch(() => ""))
          return yield* refusal(response, text, sandbox)
        }
        return response.body
      }),
    /** The bytes of a file from `from` on, at most up to `to`. */
    download: (sandbox: Sandbox, path: string, from: number, to: number) =>
      send(
        `${baseOf(sandbox)}/files?${new URLSearchParams({ path, username: user })}`,
        { method: "GET", headers: { ...headersOf(sandbox), Range: `bytes=${from}-${to}` } },
        answerIn,
        sandbox
      ),
    upload: (
      sandbox: Sandbox,
      path: string | undefined,
      boundary: string,
      body: Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>
    ) =>
      Effect.asVoid(send(
        `${baseOf(sandbox)}/files?${new URLSearchParams({ ...path !== undefined && { path }, username: user })}`,
        {
          method: "POST",
          headers: { ...headersOf(sandbox), "Content-Type": `multipart/form-data; boundary=${boundary}` },
          body,
          duplex: "half"
        },
        uploadIn,
        sandbox
      ))
  }
}

export type Client = ReturnType<typeof make>
