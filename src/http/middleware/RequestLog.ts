/** A line of the log for each request, and the reasons of those that could not be served now. Neither holds a query, a header or a body. */
import type * as HttpServerRequest from "@effect/platform/HttpServerRequest"
import { type Clock, Effect, type Fiber, FiberRef, LogLevel } from "effect"
import { monotonic } from "../../services/Now.ts"
import type { Problem } from "./Problems.ts"

/** Paths that a supervisor of the process polls every few seconds. */
const probes = new Set(["/health", "/readiness", "/liveness"])

export const isProbe = (path: string): boolean => probes.has(path.replace(/\/$/, ""))

/** Longest path that is logged, in characters. */
const maxPath = 256

/** The status of a request whose client left before there was an answer. */
const clientLeft = 499

/** The same reason is logged only once in this time. */
const reasonMillis = 1_000

export const pathOf = ({ url }: HttpServerRequest.HttpServerRequest): string => url.split("?", 1)[0]!

/** The log entry of one request. Its own fiber writes it, with the annotations of that fiber. */
class Line {
  readonly #request: HttpServerRequest.HttpServerRequest
  readonly #clock: Clock.Clock
  readonly #began: number
  status = clientLeft
  bytes: number | undefined
  code: string | undefined

  constructor(request: HttpServerRequest.HttpServerRequest, clock: Clock.Clock) {
    this.#request = request
    this.#clock = clock
    this.#began = monotonic(clock)
  }

  write: Effect.Effect<void> = Effect.suspend(() => {
    const path = pathOf(this.#request).slice(0, maxPath)
    const { method } = this.#request
    const { bytes, code, status } = this
    return Effect.logWithLevel(
      isProbe(path) ? LogLevel.Debug : LogLevel.Info,
      `${method} ${path} ${status}`
    ).pipe(
      Effect.annotateLogs({
        method,
        path,
        status,
        duration_ms: Math.round(monotonic(this.#clock) - this.#began),
        ...(bytes !== undefined && { bytes }),
        ...(code !== undefined && { code })
      })
    )
  })
}

export const make = Effect.fnUntraced(function*(options: { readonly logRequests: boolean }) {
  const clock = yield* Effect.clock
  /** For each reason: when it may be logged again, and how often it has occurred since it was logged. */
  const reasons = new Map<string, { until: number; unsaid: number }>()

  return {
    /** Undefined where nobody would see it. */
    begin: (request: HttpServerRequest.HttpServerRequest, fiber: Fiber.RuntimeFiber<unknown, unknown>) =>
      options.logRequests &&
        LogLevel.lessThanEqual(fiber.getFiberRef(FiberRef.currentMinimumLogLevel), LogLevel.Info)
        ? new Line(request, clock)
        : undefined,

    /** Says why a request cannot be served now. Codes are words of ours, so there are few. */
    unavailable: ({ code, detail }: Problem): Effect.Effect<void> =>
      Effect.suspend(() => {
        const now = monotonic(clock)
        const known = reasons.get(code)
        if (known !== undefined && known.until > now) {
          known.unsaid++
          return Effect.void
        }
        reasons.set(code, { until: now + reasonMillis, unsaid: 0 })
        return Effect.logWarning("A request cannot be served now").pipe(
          Effect.annotateLogs({ status: 503, code, reason: detail, ...(known?.unsaid && { unsaid: known.unsaid }) })
        )
      })
  }
})
