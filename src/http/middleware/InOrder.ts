/**
 * Handles one request of a connection at a time. A client may send many before it reads
 * the first answer; handled at once, all their answers would lie in memory.
 */
import * as HttpServerError from "@effect/platform/HttpServerError"
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { Effect } from "effect"
import { requestOf, responseOf, type WireConnection } from "../Wire.ts"

/** Most requests of one connection that may wait; with one more, the connection is cut. */
const maxWaiting = 64

const waiting = new WeakMap<WireConnection, number>()

const gone = Effect.interruptWith(HttpServerError.clientAbortFiberId)

/** Waits until the answers to all earlier requests of the connection have gone out; undefined when there are none. */
export const earlierAnswers = (request: HttpServerRequest.HttpServerRequest): Effect.Effect<void> | undefined => {
  const response = responseOf(request)
  // Node gives the socket to one response after the other.
  if (response.socket !== null) return undefined
  const source = requestOf(request)
  const { socket } = source
  const before = waiting.get(socket) ?? 0
  if (before >= maxWaiting) {
    socket.destroy()
    return gone
  }
  waiting.set(socket, before + 1)
  return Effect.async<void>((resume) => {
    if (source.destroyed) return resume(gone)
    // A response that never got its socket is not notified of the connection's end, but its request is.
    const left = () => resume(gone)
    const next = () => {
      source.off("close", left)
      resume(Effect.void)
    }
    response.once("socket", next)
    source.once("close", left)
    return Effect.sync(() => {
      response.off("socket", next)
      source.off("close", left)
    })
  }).pipe(
    Effect.ensuring(Effect.sync(() => waiting.set(socket, (waiting.get(socket) ?? 1) - 1)))
  )
}
