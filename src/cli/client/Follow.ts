/** The client's streams and inputs as effects. */
import { Effect, Option, Queue, Schema, type Scope } from "effect"
import { type Accepted, type ChatRequest } from "../../domain/Chat.ts"
import { AgentEvent } from "../../domain/Event.ts"
import type { JsonObject } from "../../domain/Json.ts"
import * as Older from "../../domain/Older.ts"
import * as Client from "../../http/client/Follow.ts"
import * as Sending from "../../http/client/Sending.ts"
import { asStoaError } from "../../http/client/StoaError.ts"
import type { Connection } from "./Connection.ts"
import type { Refused, Unreachable } from "./Failures.ts"

export interface Followed {
  readonly seq: number
  /** The event as it came, with `seq` in front. */
  readonly json: JsonObject
  /** None when this program does not know such an event. */
  readonly event: Option.Option<AgentEvent>
}

type Connected = Pick<Connection, "failureOf" | "requests">

const decode = Schema.decodeUnknownOption(AgentEvent)

const read = (seen: Client.Seen): Followed => {
  const { seq, ...event } = seen
  return { seq, json: { ...seen }, event: decode(Older.event(event)) }
}

/** Runs the effect whenever the function is called, as long as the scope is open. */
const calledBack = <R>(effect: Effect.Effect<void, never, R>): Effect.Effect<() => void, never, R | Scope.Scope> =>
  Effect.gen(function*() {
    const calls = yield* Queue.sliding<void>(1)
    yield* Effect.forkScoped(Effect.forever(Effect.zipRight(Queue.take(calls), effect)))
    return () => void Queue.unsafeOffer(calls, undefined)
  })

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
  { failureOf, requests }: Connected,
  { after, isExpected, onEvent, onLost, session }: FollowOptions<R>
): Effect.Effect<void, Refused | Unreachable, R> =>
  Effect.scoped(Effect.gen(function*() {
    const lost = yield* calledBack(onLost)
    // However this ends, the connection is closed with it.
    const leaving = yield* Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    const events = Client.follow(requests, {
      session,
      after: Option.getOrUndefined(after),
      isExpected,
      onLost: lost,
      signal: leaving.signal
    })
    const next = Effect.tryPromise({ try: () => events.next(), catch: (error) => failureOf(asStoaError(error)) })
    while (true) {
      const { value } = yield* next
      if (yield* onEvent(read(value))) return
    }
  }))

export interface SendOptions<R> {
  /** 1 to 255 characters; the same key with the same input gives the same run. */
  readonly key: string
  /** There was no answer; it will be sent again. */
  readonly onLost: Effect.Effect<void, never, R>
}

/** Resolves once the input is durable. The server decodes the request, and says what is wrong with it. */
export const send = <R>(
  { failureOf, requests }: Connected,
  request: typeof ChatRequest.Encoded,
  { key, onLost }: SendOptions<R>
): Effect.Effect<Accepted, Refused | Unreachable, R> =>
  Effect.scoped(Effect.gen(function*() {
    const lost = yield* calledBack(onLost)
    return yield* Effect.tryPromise({
      try: (signal) => Sending.send(requests, request, { key, onLost: lost, signal }),
      catch: (error) => failureOf(asStoaError(error))
    })
  }))
