/**
 * HTTP that reaches only what `Rules.ts` lets through. Every new connection is
 * checked: its name is looked up once, all addresses must be allowed, and only
 * those are dialled, under the name for TLS and `Host`. A pooled connection is
 * one that was checked.
 */
import { Effect, Layer } from "effect"
import { lookup as systemLookup } from "node:dns"
import { isIP, type LookupFunction } from "node:net"
import type { Agent, buildConnector } from "undici"
import { Outbound, OutboundRefused } from "../../services/Outbound.ts"
import { bounded } from "./Bounded.ts"
import { rulesOf, type Target, targetOf } from "./Rules.ts"

/** Longest time for a connection, and longest silence of an answer, in milliseconds. */
const timeToConnect = 10_000
const silence = 300_000

/** How long a connection is kept for the next call, in milliseconds: tools run between two calls of a model. */
const keepAlive = 30_000

/** Longest headers of an answer and longest answer, a stream too, in bytes on the wire. */
const maxHeaders = 32 * 1024
const maxAnswer = 64 * 1024 * 1024

/** Asks for a host's addresses. */
export type Lookup = (
  hostname: string,
  answer: (failed: Error | null, addresses: ReadonlyArray<string>) => void
) => void

const systemAddresses: Lookup = (hostname, answer) =>
  systemLookup(hostname, { all: true }, (failed, found) => answer(failed, (found ?? []).map(({ address }) => address)))

export interface GuardedOptions {
  /** What the operator allows: names, `name:port`, addresses, ranges. */
  readonly hosts: ReadonlyArray<string>
  /** Whether this machine itself may be reached. */
  readonly loopback: boolean
  readonly lookup?: Lookup
  /** This machine's addresses, when they are not those of its interfaces. */
  readonly own?: () => ReadonlySet<string>
  /** Longest time for the look-up, the connection and TLS together, in milliseconds. */
  readonly connectTimeout?: number
  /** Streams may be of any length: what comes is taken piece by piece, from a service that the operator has chosen. */
  readonly isUnbounded?: boolean
}

const refused = () => new OutboundRefused({ code: "address_not_allowed" })
const timedOut = () => Object.assign(new Error("The connection timed out."), { code: "UND_ERR_CONNECT_TIMEOUT" })

/** The error with which fetch reports a failed connection. */
const failed = (cause: Error) => new TypeError("fetch failed", { cause })

/** Hands out addresses that have been checked; nothing is looked up again. */
const fixed = (addresses: ReadonlyArray<string>): LookupFunction => (_, { all }, answer) => {
  const found = addresses.map((address) => ({ address, family: isIP(address) }))
  if (all === true) answer(null, found)
  else answer(null, found[0]!.address, found[0]!.family)
}

/** Answers once and in time; a connection that comes later is closed. */
const inTime = (millis: number, answer: buildConnector.Callback): buildConnector.Callback => {
  let open = true
  const first: buildConnector.Callback = (...result) => {
    if (!open) return void result[1]?.destroy()
    open = false
    clearTimeout(timer)
    answer(...result)
  }
  // @effect-diagnostics-next-line globalTimers:off -- undici's connect is a callback
  const timer = setTimeout(() => first(timedOut(), null), millis)
  return first
}

type Guard = ReturnType<typeof guardOf>

const guardOf = (
  { connectTimeout = timeToConnect, hosts, lookup = systemAddresses, loopback, own }: GuardedOptions
) => {
  const rules = rulesOf(hosts, loopback, own)

  const connect = (build: typeof buildConnector): buildConnector.connector => (options, callback) => {
    const { hostname, port, protocol } = options
    const target: Target = { hostname, protocol, port: Number(port) || (protocol === "https:" ? 443 : 80) }
    const answer = inTime(connectTimeout, callback)
    const dial = (addresses: ReadonlyArray<string>) => {
      if (addresses.length === 0 || !addresses.every((address) => rules.allows(address, target))) {
        return answer(refused(), null)
      }
      build({ lookup: fixed(addresses), timeout: connectTimeout, maxCachedSessions: 0 })(options, (...result) => {
        const [, socket] = result
        // The address that was really reached is checked once more.
        const reached = socket?.remoteAddress
        if (socket === null || reached === undefined || rules.allows(reached, target)) return answer(...result)
        socket.destroy()
        answer(refused(), null)
      })
    }
    if (isIP(hostname) > 0) dial([hostname])
    else if (rules.forbidsName(target)) answer(refused(), null)
    else lookup(hostname, (failed, addresses) => failed === null ? dial(addresses) : answer(failed, null))
  }

  /** Checks what the URL itself says, before any look-up. */
  const forbids = (url: string): boolean => {
    const target = targetOf(url)
    if (target === undefined) return true
    return isIP(target.hostname) > 0 ? !rules.allows(target.hostname, target) : rules.forbidsName(target)
  }

  return { connect, forbids }
}

type Send = (url: string, init: Omit<RequestInit, "dispatcher"> & { readonly dispatcher: Agent }) => Promise<Response>

/** Loads undici's fetch and an agent, which takes 60 ms and 19 MB, so not before the first request. */
const load = async ({ connect }: Guard, maxResponseSize: number) => {
  const { Agent, buildConnector, fetch } = await import("undici")
  const dispatcher = new Agent({
    connect: connect(buildConnector),
    headersTimeout: silence,
    bodyTimeout: silence,
    keepAliveTimeout: keepAlive,
    maxHeaderSize: maxHeaders,
    maxResponseSize
  })
  // undici has types of its own, but it takes and returns what the global fetch does.
  return { dispatcher, send: fetch as unknown as Send }
}

const redirects = new Set([301, 302, 303, 307, 308])

export const make = (options: GuardedOptions) =>
  Effect.gen(function*() {
    const guard = guardOf(options)
    let loading: ReturnType<typeof load> | undefined
    yield* Effect.addFinalizer(() => Effect.promise(async () => loading && (await loading).dispatcher.destroy()))

    const fetch: typeof globalThis.fetch = async (input, init = {}) => {
      if (input instanceof Request) throw new TypeError("A request is given by its address.")
      const url = String(input)
      if (guard.forbids(url)) throw failed(refused())
      const { dispatcher, send } = await (loading ??= load(guard, options.isUnbounded === true ? -1 : maxAnswer))
      const headers = new Headers(init.headers)
      // Compressed answers are not asked for: they could be small on the wire and large here. The size of others is counted after decompression.
      headers.set("accept-encoding", "identity")
      const response = await send(url, { ...init, headers, redirect: "manual", dispatcher })
      if (redirects.has(response.status)) {
        await response.body?.cancel()
        const location = response.headers.get("location")
        throw failed(new OutboundRefused({ code: "redirect_not_followed", ...location !== null && { location } }))
      }
      return bounded(response)
    }

    return Outbound.of({ fetch, forbids: guard.forbids })
  })

export const layer = (options: GuardedOptions): Layer.Layer<Outbound> => Layer.scoped(Outbound, make(options))
