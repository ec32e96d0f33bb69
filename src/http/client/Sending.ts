/** An input that arrives once, however often it has to be sent. */
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import { Clock, Duration, Effect, Either, Schema } from "effect"
import { Accepted, type ChatRequest } from "../../domain/Chat.ts"
import type { Connection } from "./Connection.ts"
import { Refused, Unreachable } from "./Failures.ts"
import { isPassing, pauseBefore } from "./Follow.ts"

/** How many times an input is sent at most, and for how long. */
const maxSends = 8
const sendTimeout = Duration.minutes(1)

const isTrouble = (error: unknown): error is Refused | Unreachable =>
  error instanceof Refused || error instanceof Unreachable

/** Whether the refusal is final for this input. */
const isFull = (error: Refused | Unreachable) => error._tag === "Refused" && error.status === 429

const isNobody = (error: Refused | Unreachable) => error._tag === "Unreachable" && error.isRefused

/**
 * Sends again when there was no answer: whether the input has arrived is not
 * known then, and its key makes that harmless. A server that is not there at all
 * is not waited for.
 */
const insist = <A, E, R, S>(
  send: Effect.Effect<A, E | Refused | Unreachable, R>,
  onLost: Effect.Effect<void, never, S>
) =>
  Effect.gen(function*() {
    const since = yield* Clock.currentTimeNanos
    for (let attempt = 1;; attempt++) {
      const sent = yield* Effect.either(send)
      if (Either.isRight(sent)) return sent.right
      const error = sent.left
      const isOver = attempt === maxSends ||
        (yield* Clock.currentTimeNanos) - since > Duration.unsafeToNanos(sendTimeout)
      if (isOver || !isTrouble(error) || !isPassing(error) || isFull(error) || (attempt === 1 && isNobody(error))) {
        return yield* Effect.fail(error)
      }
      if (attempt === 1) yield* onLost
      yield* Effect.sleep(pauseBefore(attempt, error))
    }
  })

export interface SendOptions<R> {
  /** 1 to 255 characters; the same key with the same input gives the same run. */
  readonly key: string
  /** There was no answer; it will be sent again. */
  readonly onLost: Effect.Effect<void, never, R>
}

const accepted = Schema.decodeUnknown(Schema.parseJson(Accepted))

/** Resolves once the input is durable. The server decodes the request, and says what is wrong with it. */
export const send = <R>(
  { http, url }: Connection,
  request: typeof ChatRequest.Encoded,
  { key, onLost }: SendOptions<R>
) =>
  insist(
    Effect.suspend(() =>
      http.execute(
        HttpClientRequest.post("/chat", {
          headers: { prefer: "respond-async", accept: "application/json", "idempotency-key": key }
        }).pipe(HttpClientRequest.bodyUnsafeJson(request))
      )
    ).pipe(
      Effect.flatMap(({ text }) => text),
      Effect.catchTag("ResponseError", () =>
        Effect.fail(new Unreachable({ isRefused: false, message: `the connection to ${url} was lost.` })))
    ),
    onLost
  ).pipe(Effect.flatMap(accepted))
