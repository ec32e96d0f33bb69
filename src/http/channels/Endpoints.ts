/**
 * Paths of a program's own, behind the same doors as all others: who asks is known, bodies and rates have their bounds,
 * failures are problem documents, and the document is at `/docs/<name>`.
 */
import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Cause, Context, Data, Duration, Effect, JSONSchema, Option, Predicate, Schedule, Stream } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Authentication } from "../api/Authentication.ts"
import { RequiredScope } from "../api/Operation.ts"
import { Problem } from "../api/Problem.ts"
import { detailOf, isProblem, respond } from "../middleware/Problems.ts"
import { Sse } from "../Sse.ts"
import * as Channel from "./Channel.ts"

export interface Definition<Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E>
  extends Omit<Channel.Definition<Id, Groups, E>, "errors" | "options" | "respond" | "title">
{
  readonly title?: string
}

/** An endpoint that is neither said to be open nor asks who is there would be open without anybody having meant it. */
const unguarded = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E>(
  api: HttpApi.HttpApi<Id, Groups, E, never>
): string | undefined => {
  let found: string | undefined
  HttpApi.reflect(api, {
    onGroup: () => {},
    onEndpoint: ({ endpoint, mergedAnnotations, middleware }) => {
      const scope = Context.getOption(mergedAnnotations as Context.Context<RequiredScope>, RequiredScope)
      const isSafe = scope._tag === "Some" &&
        (scope.value === null) !== [...middleware].some(({ key }) => key === Authentication.key)
      if (!isSafe) found ??= `${endpoint.method} ${endpoint.path}`
    }
  })
  return found
}

export const make = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E>(
  definition: Definition<Id, Groups, E>
): Channel.Channel => {
  const place = unguarded(definition.api)
  if (place !== undefined) {
    throw new TypeError(
      `${place} of ${definition.name} must say which scope it needs, by operation({ scope }), and its group have `
        + "middleware(Authentication); or say that it is open, by scope: null, in a group without it."
    )
  }
  const { $defs: _, $schema: __, ...schema } = JSONSchema.make(Problem)
  return Channel.make({
    title: definition.name,
    ...definition,
    // Nothing of a request reaches an agent but what the program itself hands on.
    options: "all",
    respond,
    errors: { statusOf: (status) => status, schema }
  })
}

/** A stream cannot go on. Its reader sees the message; of all other errors it only sees that there was one. */
export class StreamFailed extends Data.TaggedError("StreamFailed")<{ readonly message: string }> {}

const heartbeat = Duration.seconds(15)

const encoder = new TextEncoder()

const frame = (value: unknown) => `data: ${JSON.stringify(value) ?? "null"}\n\n`

/** How long an iterator may take to come to its end when its reader has left. */
const grace = Duration.seconds(1)

/** An iterator that waits for something hears of its end only when that has come: it is told, and then left alone. */
const iterated = <A>(items: AsyncIterable<A>): Stream.Stream<A, unknown> =>
  Stream.unwrapScoped(Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => items[Symbol.asyncIterator]()),
      (iterator) =>
        Effect.promise(async () => {
          await iterator.return?.()
        }).pipe(
          Effect.interruptible,
          Effect.timeoutOption(grace),
          Effect.catchAllCause((cause) => Effect.logWarning("A stream of the program could not be ended", cause))
        )
    ),
    (iterator) =>
      Stream.repeatEffectOption(Effect.flatMap(
        Effect.tryPromise({ try: async () => iterator.next(), catch: Option.some }),
        ({ done, value }) => done === true ? Effect.fail(Option.none()) : Effect.succeed(value as A)
      ))
  ))

const failureOf = (error: unknown) => ({
  error: error instanceof StreamFailed
    ? error.message
    : isProblem(error)
    ? detailOf(error)
    : "The stream failed; the cause is in the server's log.",
  error_type: Predicate.isTagged(error, "StreamFailed") || isProblem(error) ? error._tag : "Internal",
  message: "Error in streaming generator"
})

const gone = Effect.flatMap(
  Sse,
  ({ whileValid }) =>
    Effect.map(Effect.serviceOption(CurrentPrincipal), (principal) =>
      Option.match(principal, {
        // Nobody had to say who asks.
        onNone: () => Effect.never,
        onSome: (principal) =>
          Effect.ignore(Effect.provideService(whileValid(Effect.never), CurrentPrincipal, principal))
      }))
)

/**
 * A stream, or an async iterable, as server-sent events: each item is one frame of JSON. An error becomes a last frame
 * `{error, error_type, message}`. Who leaves ends the stream, and so does a key that is no longer valid.
 */
export const stream = <A>(
  items: Stream.Stream<A, unknown> | AsyncIterable<A>
): Effect.Effect<HttpServerResponse.HttpServerResponse, never, Sse> =>
  Effect.map(gone, (gone) => {
    const source: Stream.Stream<A, unknown> = Predicate.hasProperty(items, Stream.StreamTypeId)
      ? items as Stream.Stream<A, unknown>
      : iterated(items as AsyncIterable<A>)
    const frames = Stream.map(source, frame).pipe(
      Stream.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause)
          ? Stream.empty
          : Stream.fromEffect(
            Effect.as(Effect.logWarning("A stream of the program failed", cause), frame(failureOf(Cause.squash(cause))))
          )
      )
    )
    const beats = Stream.fromSchedule(Schedule.spaced(heartbeat)).pipe(Stream.as(": heartbeat\n\n"))
    return HttpServerResponse.stream(
      Stream.make(": ok\n\n").pipe(
        Stream.concat(Stream.merge(frames, beats, { haltStrategy: "left" })),
        Stream.interruptWhen(gone),
        Stream.map((text) => encoder.encode(text))
      ),
      {
        contentType: "text/event-stream",
        headers: { "cache-control": "no-cache", "x-accel-buffering": "no" }
      }
    )
  })

export { Authentication }
export { EventStream } from "../api/EventStream.ts"
export { operation } from "../api/Operation.ts"
