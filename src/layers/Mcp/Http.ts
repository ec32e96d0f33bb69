/** A server at an address, by streamable HTTP and through the guard that keeps inner addresses from tenants. */
import type * as Official from "@modelcontextprotocol/client"
import type { Transport } from "@modelcontextprotocol/client"
import type { Outbound } from "../../services/Outbound.ts"
import { maxMessage, messageBound, perTurn } from "./Bounds.ts"
import { authorized, type Tokens } from "./oauth/Tokens.ts"

/** Requests of one connection that are open at once. A server could make the client answer it for ever. */
const maxOpen = 32

/** Most bytes of one stream of events. */
const maxStream = 32 * 1024 * 1024

/** Bytes that are handed on together, and how many lines: each event costs time when it is read. */
const maxPiece = 64 * 1024

/** Times that broken streams are taken up again for one request, and the shortest and the longest pause before, in milliseconds. */
const maxResumed = 5
const shortestPause = 200
const longestPause = 30_000

export interface Address {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** Longest time for one request, in milliseconds, until its answer has come whole. */
  readonly longest: number
  readonly tokens?: Tokens | undefined
  /** Whether the server may say something of its own: some ask people in this way. */
  readonly listens: boolean
}

class TooMuch extends Error {
  override readonly name = "TooMuch"
}

const newline = 0x0a
const isStream = /^text\/event-stream\b/i

/** Cuts a chunk where it has so many lines or bytes. */
const piecesOf = function*(chunk: Uint8Array) {
  let from = 0
  let lines = 0
  for (let at = 0; at < chunk.length;) {
    const found = chunk.indexOf(newline, at)
    at = found < 0 ? chunk.length : found + 1
    lines++
    while (at - from > maxPiece) {
      yield chunk.subarray(from, from + maxPiece)
      from += maxPiece
    }
    if (lines < perTurn) continue
    yield chunk.subarray(from, at)
    from = at
    lines = 0
  }
  if (from < chunk.length) yield chunk.subarray(from)
}

const turn = () => new Promise<void>((resume) => setImmediate(resume))

/** Counts the bytes of each message: a whole body is one, and in a stream an empty line ends one. */
const counted = (isEvents: boolean) => {
  const bound = messageBound()
  let size = 0
  let isEmpty = true
  const take = (bytes: Uint8Array) => {
    const excess = bound.take(bytes)
    if (excess !== undefined) throw new TooMuch(excess)
  }
  return (chunk: Uint8Array) => {
    size += chunk.length
    if (size > (isEvents ? maxStream : maxMessage)) throw new TooMuch("It sent more than a server may.")
    if (!isEvents) return take(chunk)
    let from = 0
    for (let at = 0; at < chunk.length;) {
      const found = chunk.indexOf(newline, at)
      if (found < 0) {
        if (chunk.length > at) isEmpty = false
        break
      }
      // A line may end with a carriage return.
      const isBlank = isEmpty && found - at <= 1
      if (isBlank) {
        take(chunk.subarray(from, found))
        bound.next()
        from = found + 1
      }
      isEmpty = true
      at = found + 1
    }
    take(chunk.subarray(from))
  }
}

/** The same answer within bounds, in pieces between which others are served. `ended` is told when all of it has come. */
const bounded = (response: Response, ended: () => void): Response => {
  const { body, headers, status, statusText } = response
  if (body === null) {
    ended()
    return response
  }
  const count = counted(isStream.test(headers.get("content-type") ?? ""))
  const inPieces = body.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform: async (chunk, controller) => {
        for (const piece of piecesOf(chunk)) {
          count(piece)
          controller.enqueue(piece)
          // oxlint-disable-next-line eslint/no-await-in-loop -- the next piece waits for its turn
          await turn()
        }
      },
      flush: ended
    })
  )
  return new Response(inPieces, { status, statusText, headers })
}

type Sdk = Pick<typeof Official, "StreamableHTTPClientTransport" | "extractWWWAuthenticateParams">

export const make = (
  sdk: Sdk,
  outbound: typeof Outbound.Service,
  { headers, listens, longest, tokens, url }: Address
): { readonly transport: Transport; readonly farewell: () => Promise<void> } => {
  const fetch = tokens === undefined ? outbound.fetch : authorized(sdk, tokens, outbound.fetch)
  let open = 0
  let resumed = 0
  const guarded = async (input: string | URL, init: RequestInit = {}): Promise<Response> => {
    const isResumed = new Headers(init.headers).has("last-event-id")
    // A server that keeps no state has nothing to say without being asked. A stream that broke is taken up again.
    if (init.method === "GET" && !isResumed && !listens) return new Response(null, { status: 405 })
    if (open >= maxOpen) throw new TooMuch("Too many requests to it are open.")
    const limit = AbortSignal.timeout(longest)
    const signal = init.signal == null ? limit : AbortSignal.any([init.signal, limit])
    let isOpen = true
    const ended = () => {
      if (isOpen) open--
      isOpen = false
    }
    open++
    // Whoever does not read an answer to its end has no more of it than this time.
    signal.addEventListener("abort", ended, { once: true })
    if (init.method === "POST") resumed = 0
    try {
      return bounded(await fetch(input, { ...init, signal }), ended)
    } catch (error) {
      ended()
      throw error
    }
  }
  const transport = new sdk.StreamableHTTPClientTransport(new URL(url), {
    fetch: guarded,
    requestInit: { headers },
    reconnectionOptions: {
      maxRetries: maxResumed,
      initialReconnectionDelay: shortestPause,
      maxReconnectionDelay: longestPause,
      reconnectionDelayGrowFactor: 2
    },
    // A server that closes each stream at once would be asked again for ever.
    reconnectionScheduler: (reconnect, delay) => {
      if (++resumed > maxResumed) return undefined
      // @effect-diagnostics-next-line globalTimers:off -- the official client waits outside of any fiber
      const timer = setTimeout(reconnect, Math.min(Math.max(delay, shortestPause), longestPause))
      return () => clearTimeout(timer)
    },
    // Where a server sends us is not followed: the guard does not follow it either.
    redirectPolicy: "follow"
  })
  return { transport, farewell: () => transport.terminateSession() }
}
