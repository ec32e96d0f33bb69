/**
 * A session's events as they come. A connection that is lost or falls silent is
 * made again after the last event that was seen, so nothing is missed and
 * nothing comes twice. The number of attempts is bounded.
 */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { Clock, Data, Duration, Effect, Either, Option, Predicate, Schema, Stream } from "effect"
import { AgentEvent } from "../../domain/Event.ts"
import type { JsonObject } from "../../domain/Json.ts"
import * as Older from "../../domain/Older.ts"
import type { Connection } from "./Connection.ts"
import { type Refused, Unreachable } from "./Failures.ts"
import { type Frame, frames, type FrameTooLong } from "./Sse.ts"

export interface Followed {
  readonly seq: number
  /** The event as it came, with `seq` in front. */
  readonly json: JsonObject
  /** None when this program does not know such an event. */
  readonly event: Option.Option<AgentEvent>
}

/** The server sends at least a comment every 15 seconds. */
const silence = Duration.seconds(45)

/** After so many attempts in a row that bring nothing, following is given up: after 23 seconds in all. */
const maxAttempts = 8
const firstPause = Duration.millis(250)
const longestPause = Duration.seconds(5)

/** Longest that a `Retry-After` is obeyed. */
const longestRetryAfter = 30

/** A connection that lasted this long counts as good, even if it brought nothing. */
const steady = Duration.seconds(10)

class Lost extends Data.TaggedError("Lost")<{ readonly message: string }> {}

export type Trouble = Lost | Refused | Unreachable | FrameTooLong

const decode = Schema.decodeUnknownOption(AgentEvent)

const read = (frame: Frame): Option.Option<Followed> => {
  const seq = Number(frame.id)
  const json = Either.getOrUndefined(Either.try(() => JSON.parse(frame.data) as unknown))
  return Number.isSafeInteger(seq) && Predicate.isRecord(json)
    ? Option.some({ seq, json: { seq, ...json }, event: decode(Older.event(json)) })
    : Option.none()
}

/** Whether another attempt is worthwhile: the server is away, starting, draining, or at its limit. */
export const isPassing = (error: Trouble) =>
  error._tag === "Lost" || (error._tag === "Unreachable" && error.code !== "closed") ||
  (error._tag === "Refused" && [429, 502, 503, 504].includes(error.status))

export const pauseBefore = (attempt: number, error: Trouble) =>
  error._tag === "Refused" && error.retryAfter !== undefined
    ? Duration.seconds(Math.min(error.retryAfter, longestRetryAfter))
    : Duration.min(Duration.times(firstPause, 2 ** (attempt - 1)), longestPause)

const giveUp = (url: string, error: Trouble): Refused | Unreachable | FrameTooLong =>
  error._tag === "Lost"
    ? new Unreachable({ isRefused: false, message: `the connection to ${url} was lost again and again.` })
    : error

export interface FollowOptions<R> {
  readonly session: string
  /** Begin after this event; without it, begin with the active run. */
  readonly after: Option.Option<number>
  /** Whether the server has just answered, so that a refused connection is tried again. */
  readonly isExpected: boolean
  /** The connection is lost and will be made again. */
  readonly onLost: Effect.Effect<void, never, R>
  /** Returns true to end. */
  readonly onEvent: (followed: Followed) => Effect.Effect<boolean, never, R>
}

export const follow = <R>(
  { http, url }: Connection,
  { after, isExpected, onEvent, onLost, session }: FollowOptions<R>
): Effect.Effect<void, Refused | Unreachable | FrameTooLong, R> =>
  Effect.gen(function*() {
    const request = HttpClientRequest.get(`/sessions/${encodeURIComponent(session)}/stream`, {
      headers: { accept: "text/event-stream" }
    })
    let last = Option.getOrUndefined(after)
    let wasThere = isExpected
    let isDone = false
    let attempts = 0
    let since = 0n

    const once = Effect.gen(function*() {
      const response = yield* http.execute(
        last === undefined ? request : HttpClientRequest.setHeader(request, "last-event-id", String(last))
      )
      wasThere = true
      since = yield* Clock.currentTimeNanos
      const bytes = response.stream.pipe(
        Stream.mapError(({ message }) => new Lost({ message })),
        Stream.timeoutFail(() => new Lost({ message: "silence" }), silence)
      )
      yield* frames(bytes).pipe(
        Stream.filterMap(read),
        Stream.filter(({ seq }) => last === undefined || seq > last),
        Stream.runForEachWhile((followed) => {
          last = followed.seq
          attempts = 0
          return Effect.map(onEvent(followed), (isEnd) => !(isDone = isEnd))
        })
      )
      return yield* new Lost({ message: "end" })
    }).pipe(
      Effect.catchTag("ResponseError", ({ message }) => new Lost({ message })),
      Effect.flip
    )

    while (true) {
      const error = yield* once
      if (isDone) return
      if (!isPassing(error) || (!wasThere && error._tag === "Unreachable")) return yield* giveUp(url, error)
      if ((yield* Clock.currentTimeNanos) - since > Duration.unsafeToNanos(steady) && error._tag === "Lost") {
        attempts = 0
      }
      attempts++
      if (attempts === 1) yield* onLost
      if (attempts > maxAttempts) return yield* giveUp(url, error)
      yield* Effect.sleep(pauseBefore(attempts, error))
    }
  })
