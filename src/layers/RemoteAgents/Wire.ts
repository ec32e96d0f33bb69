/** One request to an agent, by JSON-RPC or by REST, as its card has it. */
import { Effect, Option, Schema, Stream } from "effect"
import type { RemoteAgent, RemoteSecrets } from "../../domain/RemoteAgent.ts"
import { Outbound, OutboundRefused } from "../../services/Outbound.ts"
import { type Veil, veiledIn, veilOf } from "../Veil.ts"
import { RemoteFailed } from "./Failed.ts"
import { eventsOf, jsonOf, maxAnswer, Unreadable } from "./Reading.ts"

export interface Address extends Pick<RemoteAgent, "binding" | "tenant" | "title">, RemoteSecrets {
  /** Takes its headers out of what it says. */
  readonly veil: Veil
}

/** Of its headers and of what stands behind a scheme in them, and of the query of its address. */
export const veilFor = ({ headers, url }: RemoteSecrets): Veil =>
  veilOf([
    ...Object.values(headers).flatMap((value) => [value, value.slice(value.indexOf(" ") + 1)]),
    ...new URL(url).searchParams.values()
  ])

/** What is asked, in the words of both transports. */
export interface Ask {
  readonly method: "SendMessage" | "SendStreamingMessage" | "GetTask" | "CancelTask"
  readonly params: { readonly id?: string; readonly [name: string]: unknown }
  /** The same for each try to send one message. */
  readonly key?: string
}

/** Longest sentence of an error that is repeated, in characters. */
const maxSaid = 1_000

const verbs = {
  SendMessage: ["POST", () => "/message:send"],
  SendStreamingMessage: ["POST", () => "/message:stream"],
  GetTask: ["GET", (id: string) => `/tasks/${encodeURIComponent(id)}`],
  CancelTask: ["POST", (id: string) => `/tasks/${encodeURIComponent(id)}:cancel`]
} as const

const below = (url: string, path: string): string => {
  const place = new URL(url)
  place.pathname = place.pathname.replace(/\/$/, "") + path
  return place.href
}

const requestOf = ({ binding, headers, tenant, url }: Address, { key, method, params }: Ask) => {
  const common = {
    ...headers,
    accept: method === "SendStreamingMessage" ? "text/event-stream" : "application/json",
    "a2a-version": "1.0",
    ...(key !== undefined && { "idempotency-key": key })
  }
  if (binding === "JSONRPC") {
    const all = tenant === null ? params : { ...params, tenant }
    return {
      url,
      init: {
        method: "POST",
        headers: { ...common, "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: key ?? "1", method, params: all })
      }
    }
  }
  const [verb, pathOf] = verbs[method]
  const { id = "", ...rest } = params
  const path = `${tenant === null ? "" : `/${encodeURIComponent(tenant)}`}${pathOf(id)}`
  return {
    url: below(url, path),
    init: verb === "GET" ? { method: verb, headers: common } : {
      method: verb,
      headers: { ...common, "content-type": "application/a2a+json" },
      body: JSON.stringify(method === "CancelTask" ? {} : rest)
    }
  }
}

const isFailure = Schema.is(Schema.Struct({ error: Schema.Struct({ message: Schema.String }) }))
const isResult = Schema.is(Schema.Struct({ result: Schema.Unknown }))

const said = (text: string) => text.replaceAll(/\s+/g, " ").trim().slice(0, maxSaid).toWellFormed()

/** Statuses after which the same may be asked again. */
const passing = new Set([408, 409, 425, 429, 500, 502, 503, 504])

const failure = ({ title }: Address, why: string, again: boolean) =>
  new RemoteFailed({ message: `The agent '${title}' ${why}`, again })

const unreached = (address: Address, cause: unknown): RemoteFailed => {
  if (cause instanceof RemoteFailed) return cause
  if (cause instanceof Unreadable) return failure(address, `cannot be understood: ${cause.message}`, false)
  const refused = cause instanceof Error && cause.cause instanceof OutboundRefused
  return refused
    ? failure(address, "may not be reached from here.", false)
    : failure(address, "could not be reached, or has not answered.", true)
}

/** What an answer, or an event of a stream, says; an error of the protocol fails. */
const resultIn = (address: Address, given: unknown): unknown => {
  const body = veiledIn(given, address.veil)
  if (isFailure(body)) throw failure(address, `has refused it: ${said(body.error.message)}`, false)
  if (address.binding === "HTTP+JSON") return body
  if (isResult(body)) return body.result
  throw new Unreadable("It has not answered in the words of JSON-RPC.")
}

const refusedBy = async (address: Address, response: Response) => {
  const body = await jsonOf(response, maxAnswer).catch(() => undefined)
  const why = isFailure(body) ? said(address.veil(body.error.message)) : `HTTP ${response.status}`
  return failure(address, `has refused it: ${why}`, passing.has(response.status))
}

/**
 * The events of a stream. Whoever leaves ends the request, by which the iterator ends: told to end itself, it would first
 * wait for the next event, which may never come.
 */
const eventsIn = <E>(response: Response, failed: (cause: unknown) => E): Stream.Stream<unknown, E> => {
  const events = eventsOf(response)
  return Stream.repeatEffectOption(
    Effect.tryPromise({ try: () => events.next(), catch: (cause) => Option.some(failed(cause)) }).pipe(
      Effect.flatMap(({ done, value }) => done === true ? Effect.fail(Option.none()) : Effect.succeed(value))
    )
  )
}

export const make = Effect.map(Outbound, ({ fetch }) => {
  const open = async (address: Address, what: Ask, signal: AbortSignal) => {
    const { init, url } = requestOf(address, what)
    const response = await fetch(url, { ...init, redirect: "manual", signal })
    if (!response.ok) throw await refusedBy(address, response)
    return response
  }

  return {
    /** The answer to one request. */
    ask: (address: Address, what: Ask): Effect.Effect<unknown, RemoteFailed> =>
      Effect.tryPromise({
        try: async (signal) => {
          const response = await open(address, what, signal)
          return resultIn(address, await jsonOf(response, maxAnswer))
        },
        catch: (cause) => unreached(address, cause)
      }),
    /** The events of a stream; one answer in its place where the agent does not stream. */
    follow: (address: Address, what: Ask): Stream.Stream<unknown, RemoteFailed> =>
      Stream.unwrapScoped(Effect.gen(function*() {
        const leaving = yield* Effect.acquireRelease(
          Effect.sync(() => new AbortController()),
          (controller) => Effect.sync(() => controller.abort())
        )
        const response = yield* Effect.tryPromise({
          try: () => open(address, what, leaving.signal),
          catch: (cause) => unreached(address, cause)
        })
        const isStream = /^text\/event-stream\b/i.test(response.headers.get("content-type") ?? "")
        const bodies = isStream
          ? eventsIn(response, (cause) => unreached(address, cause))
          : Stream.fromEffect(Effect.tryPromise({
            try: () => jsonOf(response, maxAnswer),
            catch: (cause) => unreached(address, cause)
          }))
        return Stream.mapEffect(
          bodies,
          (body) => Effect.try({ try: () => resultIn(address, body), catch: (cause) => unreached(address, cause) })
        )
      }))
  }
})
export type Wire = Effect.Effect.Success<typeof make>
