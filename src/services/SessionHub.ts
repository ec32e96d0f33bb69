import { Context, type Effect, type Scope } from "effect"
import type { Accepted, ChatRequest } from "../domain/Chat.ts"
import type { Claim } from "../domain/Claim.ts"
import type { Conflict, Gone, Invalid, LimitReached, Malformed, NotFound, Unavailable } from "../domain/Errors.ts"
import type { MessageId, RunId, UserId } from "../domain/Ids.ts"
import type { Message } from "../domain/Message.ts"
import type { Origin } from "../domain/Run.ts"
import type { Session, SessionStatus } from "../domain/Session.ts"
import type { Sink, Subscription } from "./Rooms.ts"

/** Why an input was refused. Nothing of it was stored. */
export type SendFailure = NotFound | Conflict | Invalid | LimitReached | Unavailable

/** Messages, oldest first, no more than about `pageBytes` of them, the unfinished reply last; `total` counts all that there are. */
export interface TranscriptPage {
  readonly messages: ReadonlyArray<Message>
  readonly total: number
  readonly is_running: boolean
  readonly has_more: boolean
}

/**
 * Live sessions: one run at a time, watched by any number of subscribers. Every
 * channel sends, watches and stops through here.
 */
export class SessionHub extends Context.Tag("stoa/services/SessionHub")<SessionHub, {
  /**
   * The request with its files looked at and stored, so that what is left of it is
   * small. `send` does it too, for whoever has not: the second time changes nothing.
   */
  readonly take: (owner: UserId, request: ChatRequest) => Effect.Effect<ChatRequest, NotFound | Invalid | LimitReached>
  /**
   * Accepts an input. When this returns, the input is durable, and its run goes on
   * even if all clients leave. The `claim` on its key is durable too: both are written at once.
   * Without an `origin` it comes from a user.
   */
  readonly send: (
    owner: UserId,
    request: ChatRequest,
    claim?: (accepted: Accepted) => Claim,
    origin?: Origin
  ) => Effect.Effect<Accepted, SendFailure>
  /**
   * Replays, then follows, until the scope closes or `only`'s run ends. A cursor
   * beyond the head is `Conflict`, one before what retention kept is `Gone`.
   */
  readonly attach: (
    session: Session,
    sink: Sink,
    subscription: Subscription
  ) => Effect.Effect<void, Malformed | Conflict | Gone, Scope.Scope>
  /** The `seq` of the next event after `after` that ends the run's stream, in the log; undefined when there is none yet. */
  readonly endAfter: (session: Session, run: RunId, after: number) => Effect.Effect<number | undefined>
  /** The `seq` before the active run: subscribers without a cursor get frames after it. The head when the session is idle. */
  readonly liveEdge: (session: Session) => Effect.Effect<number>
  /**
   * Waits for a run to end or to park, and answers with its reply: for an input that
   * steered, with the one it went into, as far as that is; for one that was stopped
   * before it began, with an empty one that says so.
   */
  readonly reply: (session: Session, run: RunId, after: number) => Effect.Effect<Message>
  /**
   * Stops the run, from anywhere, and with `drop` the inputs that wait; idle is
   * fine. When this returns, their ends are durable. `Unavailable` within two
   * seconds when storage does not write: the stop stays asked for.
   */
  readonly interrupt: (session: Session, queue: "keep" | "drop") => Effect.Effect<void, Unavailable>
  /** The same for one run, which may also be queued or parked. A run that has ended stays as it is. */
  readonly cancel: (session: Session, run: RunId) => Effect.Effect<void, Unavailable>
  /** Tells those who follow the session that its permissions, which are stored, have changed. */
  readonly tellState: (session: Session) => Effect.Effect<void>
  readonly status: (session: Session) => Effect.Effect<SessionStatus>
  /** What the session's run waits for, without a look into storage where the session is in use; undefined when none waits. */
  readonly waitsFor: (session: Session) => Effect.Effect<"awaiting_permission" | "awaiting_external_result" | undefined>
  /** The statuses of many sessions, for one query to storage. */
  readonly statuses: (sessions: ReadonlyArray<Session>) => Effect.Effect<ReadonlyArray<SessionStatus>>
  /** The transcript from the `offset`th message on. `has_more` says whether there are later ones. */
  readonly messages: (
    session: Session,
    page: { readonly offset: number; readonly limit: number }
  ) => Effect.Effect<TranscriptPage>
  /**
   * The newest messages, or the newest of those before a message, which may be the
   * reply in the making. `has_more` says whether there are older ones. `NotFound`
   * when the session has no message `before`.
   */
  readonly newest: (
    session: Session,
    page: { readonly before?: MessageId | undefined; readonly limit: number }
  ) => Effect.Effect<TranscriptPage, NotFound>
  /** The reply in the making, as far as it has come, while it is not stored; it comes after all messages that are. */
  readonly unfinished: (session: Session) => Effect.Effect<Message | undefined>
  /** Stops what runs in a session that is about to be deleted, and ends its streams. */
  readonly forget: (session: Session) => Effect.Effect<void, Unavailable>
}>() {}
