import { Context, type Effect } from "effect"
import type { AnswerInput } from "../domain/Chat.ts"
import type { Claim } from "../domain/Claim.ts"
import type { Conflict, LimitReached, NotFound, Unavailable } from "../domain/Errors.ts"
import type { DurableSeq, RunId, SessionId, Timestamp, UserId } from "../domain/Ids.ts"
import type { Message } from "../domain/Message.ts"
import type { Run } from "../domain/Run.ts"
import type { AppendRefused } from "./EventLog.ts"
import type { Room } from "./Rooms.ts"

/** What a session is doing here and now. */
export interface Activity {
  readonly run: Run
  /** The reply so far. */
  readonly reply: Message
  readonly queued: number
}

/** A session, and whose it is. */
export interface OwnedSession {
  readonly id: SessionId
  readonly user_id: UserId
}

/** The claim on the input's key, which is written with its first events. */
export type ClaimOf = (place: { readonly seq: DurableSeq; readonly run_id: RunId }) => Claim

/**
 * Drives runs, one at a time per session, in fibers of its own: a run outlives
 * the request that started it, and always reaches a terminal event.
 */
export class RunOwner extends Context.Tag("stoa/services/RunOwner")<RunOwner, {
  /**
   * Starts the run, or lets it wait for its turn, as its `on_busy` says. `seq` is
   * a place before its first event that is in the log, so that it is a cursor. `alone`: the session was idle; `waits`: it was
   * not; in both, the first events are in the room when this returns, and nothing
   * is durable yet. `stored`: the input is in storage already, for this process or
   * for another one that drives the session.
   */
  readonly submit: (
    room: Room,
    run: Run,
    agentName: string,
    claim?: ClaimOf
  ) => Effect.Effect<
    { readonly seq: DurableSeq; readonly place: "alone" | "waits" | "stored" },
    Conflict | LimitReached | Unavailable | AppendRefused
  >
  /** Takes back a run that waits for its turn, when storage did not take it in time: it ends and has never run. */
  readonly revoke: (room: Room, run: RunId) => Effect.Effect<void>
  /**
   * Gives a parked run what it waits for, and goes on with it. An answer to
   * nothing that is asked, or to something answered already, is `Conflict` and
   * changes nothing.
   */
  readonly answer: (
    room: Room,
    input: AnswerInput,
    claim?: ClaimOf
  ) => Effect.Effect<{ readonly seq: DurableSeq; readonly run_id: RunId }, Conflict | NotFound | Unavailable>
  /**
   * Stops the session's run, in whichever process it goes on, and returns when its
   * end is durable. An idle session is fine; a parked run closes what it asks.
   * `drop` ends the waiting runs too, which then never begin. `Unavailable` within
   * two seconds when storage does not write: the stop stays asked for.
   */
  readonly interrupt: (session: OwnedSession, queue: "keep" | "drop") => Effect.Effect<void, Unavailable>
  /** The same for one run, also one that waits for its turn or is parked. One that has ended stays as it is. */
  readonly cancel: (session: OwnedSession, run: RunId) => Effect.Effect<void, Unavailable>
  /** Ends a parked run that nobody has answered since `before`. One that goes on or has ended stays as it is. */
  readonly expire: (room: Room, run: RunId, before: Timestamp) => Effect.Effect<void>
  /**
   * Tells those who follow the session how its rules are now, once they are stored. Returns when the event is durable,
   * or after a second: while another process drives the session, or storage does not write, it is told later.
   */
  readonly tellState: (session: OwnedSession) => Effect.Effect<void>
  /** What this process drives there. */
  readonly activity: (session: SessionId) => Activity | undefined
  /** The reply of a run that has begun, as far as the log tells of it. */
  readonly replyInLog: (run: Run) => Effect.Effect<Message | undefined>
  /** Finds what a crash left behind and drives it on. What lost its process later is found by itself. */
  readonly recover: Effect.Effect<void>
  /**
   * Begins no run any more, and lets those that go on end by themselves for so
   * many seconds; then leaves the rest for the next start to recover. Returns three
   * seconds after that at the latest, whatever runs and storage do.
   */
  readonly drain: (seconds: number) => Effect.Effect<void>
}>() {}
