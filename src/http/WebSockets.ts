/**
 * WebSockets: handshakes that are answered like every other request, by the same boundary, and a connection that lives as
 * long as the request's fiber. It ends with its client, its API key, the server, and an hour.
 */
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Context, Effect, Layer, type Scope } from "effect"
import { type WebSocket, WebSocketServer } from "ws"
import { Forbidden, LimitReached, Malformed, Unavailable } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import { CurrentPrincipal } from "../domain/Principal.ts"
import { Readiness } from "../services/Readiness.ts"
import * as BodyLimits from "./middleware/BodyLimits.ts"
import * as Hosts from "./middleware/Hosts.ts"
import type { Problem } from "./middleware/Problems.ts"
import { ResponseHeaders } from "./middleware/ResponseHeaders.ts"
import { closing, Peer } from "./Peer.ts"
import { Sse } from "./Sse.ts"
import { type Handshake, handshakeOf } from "./Upgrades.ts"

/** How long the other side may take to answer that the connection is closed, in milliseconds. */
const goodbyeMillis = 2_000

/** How long a server that stops waits for that, in milliseconds. */
const lastMillis = 400

/** Sockets that one owner may have open at this process. */
const maxPerOwner = 100

/** Pieces that one message may come in. */
const maxFragments = 1_024

const noHandshake = new Malformed({
  code: "upgrade_required",
  detail: "A WebSocket is opened here: ask with Upgrade: websocket, Sec-WebSocket-Version: 13 and a Sec-WebSocket-Key."
})

const stopping = new Unavailable({
  detail: "The server is shutting down and opens no WebSockets now. Try again.",
  retry_after: 5
})

const tooMany = new LimitReached({
  code: "too_many_connections",
  detail: `There are ${maxPerOwner} WebSockets of yours open already. Close some, or ask over one of them.`
})

const originRefused = new Forbidden({
  code: "origin_not_allowed",
  detail: "Pages of this origin may not open WebSockets here. Name the origin in STOA_CORS_ORIGINS."
})

const gone = Effect.interruptWith(HttpServerError.clientAbortFiberId)

export interface Served<R> {
  /** How a failure is told in a message. */
  readonly failed: (problem: Problem) => string
  /** Speaks with the client until it is interrupted. */
  readonly serve: (peer: Peer) => Effect.Effect<never, never, R>
}

export class WebSockets extends Context.Tag("stoa/http/WebSockets")<WebSockets, {
  /** Opens the WebSocket that the request asks for, and answers when it has been closed. */
  readonly respond: <R>(
    served: Served<R>
  ) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    Forbidden | LimitReached | Malformed | Unavailable,
    R | CurrentPrincipal | HttpServerRequest.HttpServerRequest | Scope.Scope
  >
}>() {
  static readonly layer: Layer.Layer<WebSockets, never, Sse | Readiness> = Layer.scoped(
    WebSockets,
    Effect.gen(function*() {
      const sse = yield* Sse
      const readiness = yield* Readiness
      const peers = new Set<Peer>()
      /** Of the handshake that is answered now. */
      let headers: Readonly<Record<string, string>> = {}
      let timer: ReturnType<typeof setInterval> | undefined
      const settings = {
        noServer: true,
        clientTracking: false,
        perMessageDeflate: false,
        maxPayload: BodyLimits.maxBytes,
        maxFragments,
        // Answers are written by the peer, which knows whether they are read.
        autoPong: false,
        closeTimeout: goodbyeMillis,
        // A name that nobody here knows is none that was agreed upon.
        handleProtocols: () => false as const
      }
      const server = new WebSocketServer(settings)
      server.on("headers", (lines) => {
        for (const name in headers) lines.push(`${name}: ${headers[name]}`)
      })

      const isStopping = () => !readiness.isReady()

      // The timer runs only while there are sockets.
      const tick = () => {
        for (const peer of peers) peer.tick()
      }
      const counts = new Map<UserId, number>()
      const countOf = (owner: UserId) => counts.get(owner) ?? 0
      const add = (owner: UserId, peer: Peer) => {
        peers.add(peer)
        counts.set(owner, countOf(owner) + 1)
        // @effect-diagnostics-next-line globalTimers:off -- one plain timer for all sockets
        timer ??= setInterval(tick, 1_000).unref()
      }
      const remove = (owner: UserId, peer: Peer) => {
        peers.delete(peer)
        const left = countOf(owner) - 1
        if (left > 0) counts.set(owner, left)
        else counts.delete(owner)
        if (peers.size > 0) return
        clearInterval(timer)
        timer = undefined
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const peer of peers) peer.close(closing.restart, "stopping")
        }).pipe(
          Effect.zipRight(
            Effect.timeoutOption(
              Effect.suspend(() => Effect.forEach([...peers], ({ closed }) => closed, { concurrency: "unbounded" })),
              lastMillis
            )
          ),
          Effect.interruptible,
          Effect.ensuring(Effect.sync(() => {
            for (const peer of peers) peer.cut()
            clearInterval(timer)
          }))
        )
      )

      const open = (
        owner: UserId,
        { detach, head, request, socket }: Handshake,
        served: Pick<Served<never>, "failed">
      ) => {
        let made: WebSocket | undefined
        detach()
        // Without a check of its own, ws answers at once. Where it refuses the handshake it has answered that.
        if (!socket.destroyed) server.handleUpgrade(request, socket, head, (webSocket) => made = webSocket)
        if (made === undefined) return undefined
        const peer = new Peer(made, socket, { isStopping, failed: served.failed })
        add(owner, peer)
        return peer
      }

      return {
        respond: Effect.fnUntraced(function*({ failed, serve }) {
          const request = yield* HttpServerRequest.HttpServerRequest
          const handshake = handshakeOf(request)
          if (handshake === undefined) return yield* noHandshake
          if (isStopping()) return yield* stopping
          const { host, origin } = request.headers
          const own = yield* ResponseHeaders
          // Browsers let any page open a WebSocket, with no question before: only here can it be refused.
          const isAdmitted = origin === undefined || "access-control-allow-origin" in own ||
            Hosts.isSameOrigin(origin, host)
          if (!isAdmitted) return yield* originRefused
          const { user_id: owner } = yield* CurrentPrincipal
          if (countOf(owner) >= maxPerOwner) return yield* tooMany
          return yield* Effect.acquireUseRelease(
            Effect.sync(() => {
              headers = own
              return open(owner, handshake, { failed })
            }),
            (peer) =>
              peer === undefined ? gone : sse.whileValid(Effect.raceFirst(serve(peer), peer.closed)).pipe(
                Effect.catchTag("Unauthenticated", (problem) =>
                  Effect.sync(() => {
                    peer.send([failed(problem)])
                    peer.close(closing.refused, "key no longer valid")
                  })),
                Effect.onError(() => Effect.sync(() => peer.close(closing.broken, "broken"))),
                Effect.zipRight(peer.closed),
                // The answer has gone out long ago; this is for the log.
                Effect.as(HttpServerResponse.empty({ status: 101 }))
              ),
            (peer) =>
              Effect.sync(() => {
                if (peer === undefined) return
                peer.leave()
                remove(owner, peer)
              })
          )
        })
      }
    })
  )
}
