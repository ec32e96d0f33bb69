/**
 * A session's events as they come. A connection that is lost or falls silent is
 * made again after the last event that was seen, so nothing is missed and
 * nothing comes twice; only so often, though.
 */
import { HttpClientRequest } from "@effect/platform"
import { Data, Duration, Effect, Either, Option, Predicate, Schema, Stream } from "effect"
import { AgentEvent } from "../domain/Event.ts"
import type { JsonObject } from "../domain/Json.ts"
import type { Connection } from "./Connection.ts"
import { failed, type Failed, Refused, Unreachable } from "./Failed.ts"
import { type Frame, frames, type FrameTooLong } from "./Sse.ts"

export interface Followed {
  readonly seq: number
  /** As it came, `seq` in front. */
  readonly json: JsonObject
  /** None when this program does not know such an event. */
  readonly event: Option.Option<AgentEvent>
}

/** The server sends at least a comment every 15 seconds. */
const silence = Duration.seconds(45)

/** Attempts in a row that bring nothing, before it is given up: 23 seconds in all. */
const maxAttempts = 8
const firstPause = Duration.millis(250)
const longestPause = Duration.seconds(5)

/** Longest that a `Retry-After` is obeyed. */
const longestRetryAfter = 30

class Lost extends Data.TaggedError("Lost")<{ readonly cause: unknown }> {}

const decode = Schema.decodeUnknownOption(AgentEvent)

const read = (frame: Frame): Option.Option<Followed> => {
  const seq = Number(frame.id)
  const json = Either.getOrUndefined(Either.try(() => JSON.parse(frame.data) as unknown))
  return Number.isSafeInteger(seq) && Predicate.isRecord(json)
    ? Option.some({ seq, json: { seq, ...json }, event: decode(json) })
    : Option.none()
}

/** Worth another attempt: the server is away, starting, draining, or at its limit. */
const isPassing = (error: Lost | Refused | Unreachable | FrameTooLong) =>
  error._tag === "Lost" || error._tag === "Unreachable" ||
  (error._tag === "Refused" && [429, 502, 503, 504].includes(error.status))

const pauseBefore = (attempt: number, error: Lost | Refused | Unreachable | FrameTooLong | undefined) =>
  error?._tag === "Refused" && error.retryAfter !== undefined
    ? Duration.seconds(Math.min(error.retryAfter, longestRetryAfter))
    : Duration.min(Duration.times(firstPause, 2 ** (attempt - 1)), longestPause)

/** Hands over each event after `after` (none: the present run's, from its start) until `seen` answers true. */
export const follow = <E, R>(
  { http, url }: Connection,
  options: {
    readonly session: string
    readonly after: Option.Option<number>
    /** Called when the connection is lost, before it is made again. */
    readonly onLost: Effect.Effect<void, never, R>
  },
  seen: (followed: Followed) => Effect.Effect<boolean, E, R>
): Effect.Effect<void, E | Failed | Refused | Unreachable | FrameTooLong, R> =>
  Effect.suspend(() => {
    const path = `/sessions/${encodeURIComponent(options.session)}/stream`
    let last = options.after
    let isDone = false

    const once = Effect.gen(function*() {
      const response = yield* http.execute(
        HttpClientRequest.get(path).pipe(
          HttpClientRequest.setHeader("accept", "text/event-stream"),
          Option.match(last, {
            onNone: () => (request) => request,
            onSome: (seq) => HttpClientRequest.setHeader("last-event-id", String(seq))
          })
        )
      )
      const bytes = response.stream.pipe(
        Stream.mapError((cause) => new Lost({ cause })),
        Stream.timeoutFail(() => new Lost({ cause: "silence" }), silence)
      )
      yield* frames(bytes).pipe(
        Stream.filterMap(read),
        Stream.filter(({ seq }) => Option.isNone(last) || seq > last.value),
        Stream.runForEachWhile((followed) => {
          last = Option.some(followed.seq)
          attempt = 0
          return Effect.map(seen(followed), (done) => !(isDone = done))
        })
      )
    }).pipe(Effect.catchTag("ResponseError", "RequestError", (cause) => new Lost({ cause })))

    let attempt = 0
    const again = (error: Lost | Refused | Unreachable | FrameTooLong | undefined): Effect.Effect<
      void,
      E | Failed | Refused | Unreachable | FrameTooLong,
      R
    > =>
      Effect.gen(function*() {
        attempt++
        if (attempt === 1) yield* options.onLost
        if (attempt > maxAttempts) {
          return yield* error === undefined || error._tag === "Lost"
            ? new Unreachable({ isRefused: false, message: `the connection to ${url} is lost again and again.` })
            : error
        }
        yield* Effect.sleep(pauseBefore(attempt, error))
        return yield* connected
      })

    const connected: Effect.Effect<void, E | Failed | Refused | Unreachable | FrameTooLong, R> = Effect.matchEffect(once, {
      onSuccess: () => isDone ? Effect.void : again(undefined),
      onFailure: (error) =>
        isFollowError(error)
          ? isPassing(error) ? again(error) : error._tag === "Lost" ? failed("The stream ended.") : Effect.fail(error)
          : Effect.fail(error)
    })
    return connected
  })

const isFollowError = (error: unknown): error is Lost | Refused | Unreachable | FrameTooLong =>
  error instanceof Lost || error instanceof Refused || error instanceof Unreachable ||
  Predicate.isTagged(error, "FrameTooLong")
