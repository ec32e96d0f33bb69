/**
 * A session's events as they come. A connection that is lost or falls silent is
 * made again after the last event that was seen, so nothing is missed and
 * nothing comes twice. The number of attempts is bounded.
 */
// oxlint-disable eslint/no-await-in-loop -- one connection after the other
// @effect-diagnostics globalTimers:off -- plain timers: pages load this without Effect
import type { AgentEvent } from "../../domain/Event.ts"
import { codeOf, type Requests } from "./Requests.ts"
import { type Frame, frames, FrameTooLong } from "./Sse.ts"
import { aborted, StoaError, unexpected } from "./StoaError.ts"

/**
 * An event as it came, with its number in the session's log in front. One of a newer server may be of a type that is not
 * known here.
 */
export type Seen = { readonly seq: number } & AgentEvent

/** The server sends at least a comment every 15 seconds. */
const silence = 45_000

/** After so many attempts in a row that bring nothing, following is given up: after 23 seconds in all. */
const maxAttempts = 8
const firstPause = 250
const longestPause = 5_000

/** Longest that a `Retry-After` is obeyed, in seconds. */
const longestRetryAfter = 30

/** A connection that lasted this long counts as good, even if it brought nothing. */
const steady = 10_000

const isRecord = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Nothing for what is no event of a log. */
const read = ({ data, id }: Frame): Seen | undefined => {
  const seq = Number(id)
  if (id === undefined || !Number.isSafeInteger(seq)) return undefined
  let json: unknown
  try {
    json = JSON.parse(data)
  } catch {
    return undefined
  }
  // The server's promise; the fold leaves out what it does not know.
  return isRecord(json) ? { seq, ...json } as Seen : undefined
}

/** Whether another attempt is worthwhile: the server is away, starting, draining, or at its limit. */
export const isPassing = ({ code, status }: StoaError): boolean =>
  status === undefined ? code === "unreachable" : [429, 502, 503, 504].includes(status) && code !== "closed"

/** Whether nothing listens at the address. */
export const isNobody = ({ cause, code }: StoaError): boolean =>
  code === "unreachable" && codeOf(cause) === "ECONNREFUSED"

export const pauseBefore = (attempt: number, { retryAfter }: StoaError): number =>
  retryAfter === undefined
    ? Math.min(firstPause * 2 ** (attempt - 1), longestPause)
    : Math.min(retryAfter, longestRetryAfter) * 1000

/** Rejects at once when the signal is aborted. */
export const pause = (millis: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((done, fail) => {
    const leave = () => {
      clearTimeout(timer)
      fail(aborted(signal?.reason))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", leave)
      done()
    }, millis)
    if (signal?.aborted) leave()
    else signal?.addEventListener("abort", leave, { once: true })
  })

export interface FollowOptions {
  readonly session: string
  /** Begin after this event; without it, begin with the active run. */
  readonly after?: number | undefined
  /** Whether the server has just answered, so that one that is not there is waited for. */
  readonly isExpected: boolean
  /** A connection is open: the server has read the session's state, and sends what comes after it. */
  readonly onOpen?: (() => void) | undefined
  /** The connection is lost and will be made again. */
  readonly onLost?: ((error: StoaError) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

const lost = (url: string, cause?: unknown) =>
  new StoaError("unreachable", `the connection to ${url} was lost again and again.`, { cause })

/** Never ends by itself; rejects with a `StoaError`. */
export async function* follow(
  { open, url }: Pick<Requests, "open" | "url">,
  { after, isExpected, onLost, onOpen, session, signal }: FollowOptions
): AsyncGenerator<Seen, never, undefined> {
  let last = after
  let wasThere = isExpected
  for (let attempts = 0;;) {
    let isOpen = false
    let since = 0
    let error: StoaError
    try {
      const { body } = await open("GET", `/sessions/${encodeURIComponent(session)}/stream`, {
        headers: { accept: "text/event-stream", "last-event-id": last === undefined ? undefined : String(last) },
        signal
      })
      wasThere = true
      isOpen = true
      since = performance.now()
      onOpen?.()
      if (body !== null) {
        for await (const frame of frames(body, silence, signal)) {
          const seen = read(frame)
          if (seen === undefined || (last !== undefined && seen.seq <= last)) continue
          last = seen.seq
          attempts = 0
          yield seen
        }
      }
      error = lost(url)
    } catch (cause) {
      if (signal?.aborted) throw aborted(signal.reason)
      error = cause instanceof StoaError ? cause : cause instanceof FrameTooLong ? unexpected(cause) : lost(url, cause)
    }
    if (!isPassing(error) || (!wasThere && error.status === undefined)) throw error
    if (isOpen && performance.now() - since > steady) attempts = 0
    attempts++
    if (attempts === 1) onLost?.(error)
    if (attempts > maxAttempts) throw error
    await pause(pauseBefore(attempts, error), signal)
  }
}
