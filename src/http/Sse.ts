/**
 * Server-sent events. Frames arrive encoded and go to the socket as they are:
 * a Stream for each subscriber would cost ten times the CPU and four times the
 * memory. The request's fiber only waits; leaving interrupts it.
 */
import * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Context, Effect, Layer, Schedule, type Scope } from "effect"
import type { Sink } from "../services/Rooms.ts"
import { ResponseHeaders } from "./middleware/ResponseHeaders.ts"
import { responseOf, type WireResponse, writeChunk } from "./Wire.ts"

const heartbeatSeconds = 15

/** What was written before the end may be read for so long without any progress; then the connection is cut. */
const lingerSeconds = 30

/** Unread bytes up to which a replay goes on. */
const lowWater = 64 * 1024

const streamHeaders = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no"
}

const encoder = new TextEncoder()
const opening = encoder.encode(": ok\n\n")
const heartbeat = encoder.encode(": \n\n")

type Headers = Readonly<Record<string, string>>

/** A response as a sink. Nothing is sent before the first frame, so whoever fails before can still answer with a problem. */
class EventResponse implements Sink {
  readonly #response: WireResponse
  readonly #headers: Headers
  #state: "new" | "open" | "ended" = "new"
  #onEnd = () => {}
  #left = { bytes: Infinity, seconds: lingerSeconds }

  constructor(response: WireResponse, headers: Headers) {
    this.#response = response
    this.#headers = headers
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

  drained = Effect.async<void>((resume) => {
    if (this.unread() <= lowWater) return resume(Effect.void)
    const done = () => resume(Effect.void)
    const written = this.#response.socket ?? this.#response
    written.once("drain", done)
    return Effect.sync(() => written.off("drain", done))
  })

  /** A comment says that the end comes from the server: the connection goes too, so that nothing waits for it at shutdown. */
  end(comment?: string) {
    if (this.#state === "ended") return
    this.open()
    this.#state = "ended"
    if (comment === undefined) {
      this.#response.end()
    } else {
      const { socket } = this.#response
      this.#response.write(`: ${comment}\n\n`)
      this.#response.end(() => socket?.destroySoon())
    }
    this.#onEnd()
  }

  /** What is left unread says enough. */
  beat() {
    if (this.#state === "open" && this.unread() === 0) this.#response.write(heartbeat)
  }

  ended = Effect.async<void>((resume) => {
    if (this.#state === "ended") return resume(Effect.void)
    this.#onEnd = () => resume(Effect.void)
  })

  /** Whether nothing is left to be sent; asked every second, it cuts the connection of whoever does not read. */
  isGone() {
    if (this.#response.writableFinished) return true
    if (this.unread() < this.#left.bytes) this.#left = { bytes: this.unread(), seconds: lingerSeconds }
    else if (--this.#left.seconds === 0) this.#response.destroy()
    return this.#left.seconds === 0
  }

  /** Nobody watches any more. Without a word sent, the request is still to be answered. */
  close() {
    if (this.#state === "open") this.end()
    return this.#state === "ended"
  }
}

/**
 * Waits for the end of a stream that has begun. The boundary does so, and not the
 * handler: out there, a waiting fiber keeps half as much memory.
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

export class Sse extends Context.Tag("stoa/http/Sse")<Sse, {
  /** Answers the request with what `attach` writes, until the sink is ended or the client leaves. */
  readonly respond: <E, R>(
    attach: (sink: Sink) => Effect.Effect<void, E, R>
  ) => Effect.Effect<HttpServerResponse.HttpServerResponse, E, R | HttpServerRequest.HttpServerRequest | Scope.Scope>
}>() {
  static readonly layer: Layer.Layer<Sse> = Layer.scoped(
    Sse,
    Effect.gen(function*() {
      // Heartbeats are spread over the seconds between two, so that many streams are not written to at once.
      const slots = Array.from({ length: heartbeatSeconds }, () => new Set<EventResponse>())
      const leaving = new Set<EventResponse>()
      let now = 0

      const tick = Effect.sync(() => {
        now = (now + 1) % heartbeatSeconds
        for (const stream of slots[now]!) stream.beat()
        for (const stream of leaving) if (stream.isGone()) leaving.delete(stream)
      })
      yield* Effect.forkScoped(Effect.repeat(tick, Schedule.spaced("1 second")))

      return {
        respond: Effect.fnUntraced(function*(attach) {
          const request = yield* HttpServerRequest.HttpServerRequest
          if (request.method === "HEAD") return HttpServerResponse.empty({ status: 200, headers: streamHeaders })
          const stream = new EventResponse(responseOf(request), { ...(yield* ResponseHeaders), ...streamHeaders })
          const slot = slots[now]!
          slot.add(stream)
          yield* Effect.addFinalizer(() =>
            Effect.sync(() => {
              slot.delete(stream)
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
