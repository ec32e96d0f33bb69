/**
 * Server-sent events. Frames arrive encoded and go to the socket as they are:
 * a Stream for each subscriber would cost ten times the CPU and four times the
 * memory. The request's fiber only waits; leaving interrupts it.
 */
import * as HttpServerError from "@effect/platform/HttpServerError"
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Context, Deferred, Effect, FiberId, Layer, Schedule, type Scope } from "effect"
import { Unauthenticated } from "../domain/Errors.ts"
import { CurrentPrincipal } from "../domain/Principal.ts"
import { Auth } from "../services/Auth.ts"
import { Readiness } from "../services/Readiness.ts"
import type { Sink } from "../services/Rooms.ts"
import { ResponseHeaders } from "./middleware/ResponseHeaders.ts"
import * as Revocation from "./Revocation.ts"
import { responseOf, type WireResponse, writeChunk } from "./Wire.ts"

const heartbeatSeconds = 15

/** A client for whom a run or a replay waits may read nothing for so long; then its connection is cut. */
const lingerSeconds = 30

/** A replay continues while no more bytes than this are unread. */
const lowWater = 64 * 1024

const streamHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no"
}

const encoder = new TextEncoder()
// Comments are one line. An empty line after them would be an event without data, which some clients take for a message.
const opening = encoder.encode(": ok\n")
const heartbeat = encoder.encode(": \n")

type Headers = Readonly<Record<string, string>>

const ignore = () => {}

const clientGone = Effect.interruptWith(HttpServerError.clientAbortFiberId)

/** The state that all streams share. */
interface Owner {
  /** Whether the server stops: a stream that ends now also closes its connection, so that the stop need not wait for it. */
  readonly isStopping: () => boolean
  /** Streams whose replay waits until more has been read. */
  readonly draining: Set<EventResponse>
}

/** The answer to a request as a sink. `cut` ends it as a broken connection does, so that its client comes back for the rest. */
export interface Answering extends Sink {
  readonly cut: () => void
}

/** A response as a sink. Nothing is sent before the first frame, so a failure before it can still be answered with a problem. */
class EventResponse implements Answering {
  readonly #response: WireResponse
  readonly #headers: Headers
  readonly #owner: Owner
  #state: "new" | "open" | "ended" = "new"
  #onEnd = ignore
  #onCut = ignore
  #left = { bytes: Infinity, seconds: lingerSeconds }

  constructor(response: WireResponse, headers: Headers, owner: Owner) {
    this.#response = response
    this.#headers = headers
    this.#owner = owner
  }

  open() {
    if (this.#state !== "new") return
    this.#state = "open"
    this.#response.writeHead(200, this.#headers)
    this.#response.write(opening)
  }

  write(frames: Uint8Array) {
    if (this.#state === "ended") return
    this.open()
    writeChunk(this.#response, frames)
  }

  unread() {
    return this.#response.writableLength
  }

  /** Interrupts the waiting fiber when nothing was read for `lingerSeconds`: the client is as good as gone. */
  drained = Effect.async<void>((resume) => {
    if (this.#state === "ended") return resume(clientGone)
    if (this.unread() <= lowWater) return resume(Effect.void)
    const { draining } = this.#owner
    const written = this.#response.socket ?? this.#response
    const stop = () => {
      draining.delete(this)
      written.off("drain", done)
      this.#onCut = ignore
    }
    const done = () => {
      stop()
      resume(Effect.void)
    }
    this.#onCut = () => {
      stop()
      resume(clientGone)
    }
    written.once("drain", done)
    this.#left = { bytes: Infinity, seconds: lingerSeconds }
    draining.add(this)
    return Effect.sync(stop)
  })

  /**
   * The response ends as it should, and the connection is good for the next request.
   * Only a server that stops closes it.
   */
  end(comment?: string) {
    if (this.#state === "ended") return
    this.open()
    this.#state = "ended"
    if (comment !== undefined) this.#response.write(`: ${comment}\n`)
    const { socket } = this.#response
    this.#response.end(this.#owner.isStopping() ? () => socket?.destroySoon() : undefined)
    this.#onEnd()
    this.#onCut()
  }

  /** Sends a heartbeat. A client that has unread bytes needs none. */
  beat() {
    if (this.#state === "open" && this.unread() === 0) this.#response.write(heartbeat)
  }

  ended = Effect.async<void>((resume) => {
    if (this.#state === "ended") return resume(Effect.void)
    this.#onEnd = () => resume(Effect.void)
  })

  /** Whether nothing is left to send. It is called every second, and cuts the connection of a client that does not read. */
  isGone() {
    if (this.#response.writableFinished || this.#response.destroyed) return true
    if (this.unread() < this.#left.bytes) this.#left = { bytes: this.unread(), seconds: lingerSeconds }
    else if (--this.#left.seconds === 0) this.#break()
    return this.#left.seconds === 0
  }

  cut() {
    // What has ended is still on its way, and comes whole to whoever reads it.
    if (this.#state !== "ended") this.#break()
  }

  #break() {
    this.#state = "ended"
    this.#response.destroy()
    this.#onEnd()
    this.#onCut()
  }

  /** Ends the stream. When nothing was sent, the request still needs an answer. */
  close() {
    if (this.#state === "open") this.end()
    return this.#state === "ended"
  }
}

/**
 * Waits for the end of a stream that has begun. The boundary does so, and not the
 * handler: a fiber that waits in the boundary keeps half as much memory.
 */
export const followed = (
  { body }: HttpServerResponse.HttpServerResponse
): Effect.Effect<HttpServerResponse.HttpServerResponse> | undefined => {
  if (body._tag !== "Raw" || !(body.body instanceof EventResponse)) return undefined
  const stream = body.body
  return Effect.interruptible(stream.ended).pipe(
    Effect.ensuring(Effect.sync(() => stream.close())),
    Effect.as(HttpServerResponse.empty())
  )
}

const noLongerValid = new Unauthenticated({ detail: "The API key is no longer valid: it was revoked, or has expired." })

export class Sse extends Context.Tag("stoa/http/Sse")<Sse, {
  /** Answers the request with what `attach` writes, until the sink is ended, the client leaves, or its API key is no longer valid. */
  readonly respond: <E, R>(
    attach: (sink: Answering) => Effect.Effect<void, E, R>
  ) => Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    E,
    R | CurrentPrincipal | HttpServerRequest.HttpServerRequest | Scope.Scope
  >
  /** Waits for what is no stream; fails when the request's API key is no longer valid, as early as a stream ends then. */
  readonly whileValid: <A, E, R>(
    wait: Effect.Effect<A, E, R>
  ) => Effect.Effect<A, E | Unauthenticated, R | CurrentPrincipal>
}>() {
  static readonly layer: Layer.Layer<Sse, never, Auth | Readiness> = Layer.scoped(
    Sse,
    Effect.gen(function*() {
      // Heartbeats are spread over the seconds between two, so that many streams are not written to at once.
      const slots = Array.from({ length: heartbeatSeconds }, () => new Set<EventResponse>())
      const leaving = new Set<EventResponse>()
      const draining = new Set<EventResponse>()
      const readiness = yield* Readiness
      const revocation = yield* Revocation.make(yield* Auth)
      const owner: Owner = { isStopping: () => !readiness.isReady(), draining }
      let now = 0

      const tick = Effect.sync(() => {
        now = (now + 1) % heartbeatSeconds
        for (const stream of slots[now]!) stream.beat()
        for (const stream of leaving) if (stream.isGone()) leaving.delete(stream)
        for (const stream of draining) stream.isGone()
      })
      yield* Effect.forkScoped(Effect.repeat(tick, Schedule.spaced("1 second")))

      return {
        whileValid: (wait) =>
          Effect.flatMap(CurrentPrincipal, (principal) => {
            const invalid = Deferred.unsafeMake<never, Unauthenticated>(FiberId.none)
            return Effect.acquireUseRelease(
              Effect.sync(() =>
                revocation.watch(principal, { end: () => Deferred.unsafeDone(invalid, Effect.fail(noLongerValid)) })
              ),
              () => Effect.raceFirst(wait, Deferred.await(invalid)),
              (unwatch) => Effect.sync(unwatch)
            )
          }),
        respond: Effect.fnUntraced(function*(attach) {
          const request = yield* HttpServerRequest.HttpServerRequest
          if (request.method === "HEAD") return HttpServerResponse.empty({ status: 200, headers: streamHeaders })
          const principal = yield* CurrentPrincipal
          const headers = { ...(yield* ResponseHeaders), ...streamHeaders }
          const stream = new EventResponse(responseOf(request), headers, owner)
          const unwatch = revocation.watch(principal, stream)
          const slot = slots[now]!
          slot.add(stream)
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              slot.delete(stream)
              unwatch()
              if (stream.close()) leaving.add(stream)
            })
          )
          yield* attach(stream)
          stream.open()
          return HttpServerResponse.raw(stream)
        })
      }
    })
  )
}
