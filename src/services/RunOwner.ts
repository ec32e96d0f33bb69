import { Context, type Effect } from "effect"
import type { AnswerInput, OnBusy } from "../domain/Chat.ts"
import type { Claim } from "../domain/Claim.ts"
import type { Conflict, LimitReached, NotFound, Unavailable } from "../domain/Errors.ts"
import type { DurableSeq, RunId, SessionId, Timestamp } from "../domain/Ids.ts"
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

/** The claim on the input's key, which is written with its first events. */
export type ClaimOf = (place: { readonly seq: DurableSeq; readonly run_id: RunId }) => Claim

/**
 * Drives runs, one at a time per session, in fibers of its own: a run outlives
 * the request that started it, and always reaches a terminal event.
 */
export class RunOwner extends Context.Tag("stoa/services/RunOwner")<RunOwner, {
  /**
   * Starts the run, or lets it wait its turn. The decision is made at once and
   * its first events are in the room when this returns; `seq` is one before them
   * that is in the log, so that it is a cursor. `alone`: the session was idle; `waits`: it was not. `kept`: the input is
   * in storage already, for this process or for another one that drives the session.
   */
  readonly submit: (
    room: Room,
    run: Run,
    agentName: string,
    onBusy: OnBusy,
    claim?: ClaimOf
  ) => Effect.Effect<
    { readonly seq: DurableSeq; readonly place: "alone" | "waits" | "kept" },
    Conflict | LimitReached | Unavailable | AppendRefused
  >
  /** Takes back a run that waits its turn, when storage did not take it in time: it ends and has never run. */
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
  /** Stops the session's run until its terminal event is durable. Idle is fine; parked closes what it asks. `drop` ends the waiting runs too. */
  readonly interrupt: (room: Room, queue: "keep" | "drop") => Effect.Effect<void>
  /** Stops one run, also one that waits its turn or is parked. One that has ended stays as it is. */
  readonly cancel: (room: Room, run: RunId) => Effect.Effect<void>
  /** Ends a parked run that nobody has answered since `before`. One that goes on or has ended stays as it is. */
  readonly expire: (room: Room, run: RunId, before: Timestamp) => Effect.Effect<void>
  /** What this process drives there. */
  readonly activity: (session: SessionId) => Activity | undefined
  /** The reply of a run that has begun, as far as the log tells of it. */
  readonly told: (run: Run) => Effect.Effect<Message | undefined>
  /** Finds what a crash left behind and drives it on. What lost its process later is found by itself. */
  readonly recover: Effect.Effect<void>
  /** Lets runs end by themselves for so long, then leaves the rest for the next start to recover. */
  readonly drain: (seconds: number) => Effect.Effect<void>
}>() {}
