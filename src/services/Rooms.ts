import { Context, type Effect, type Scope } from "effect"
import type { BackgroundTask } from "../domain/BackgroundTask.ts"
import type { Claim } from "../domain/Claim.ts"
import type { Compacted } from "../domain/Context.ts"
import type { Unavailable } from "../domain/Errors.ts"
import type { AgentEvent, EventDraft } from "../domain/Event.ts"
import type { DurableSeq, RunId, Seq, SessionId, UserId } from "../domain/Ids.ts"
import type { LedgerEntry } from "../domain/Ledger.ts"
import type { Message } from "../domain/Message.ts"
import type { Run } from "../domain/Run.ts"
import type { AppendRefused } from "./EventLog.ts"

/** Where one subscriber's frames go: a socket, or anything else that takes bytes at its own pace. */
export interface Sink {
  /** Takes whole frames. Never blocks. */
  readonly write: (frames: Uint8Array) => void
  /** Bytes taken and not yet gone out. */
  readonly unread: () => number
  /** Resolves when `unread` is low enough to write more. */
  readonly drained: Effect.Effect<void>
  /** Ends the stream after what was written, with a last comment if one is given. */
  readonly end: (comment?: string) => void
}

export interface Subscription {
  /** Frames with a greater `seq` than this. */
  readonly after: number
  /** Only the frames of this run, ending with its last; else everything, without end. */
  readonly only?: RunId
}

/**
 * A room is the live end of one session's log. Events are emitted into it at once, get
 * their place, and reach subscribers when they are in the log and not before.
 */
export interface Room {
  readonly session_id: SessionId
  readonly owner: UserId
  /** The last `seq` in the log. */
  readonly head: () => DurableSeq
  /** The last `seq` that was assigned. Its event may still wait for the log, so it is no cursor for a client. */
  readonly last: () => Seq
  /** The newest messages of the transcript, oldest first, as many as a model may be given. A parked reply is its last message; a reply that is being written is not in it. */
  readonly context: () => ReadonlyArray<Message>
  /** The newest compaction. What its summary stands for is not in `context` any more. */
  readonly compaction: () => Compacted | undefined
  /** The session's runs that have not ended, oldest first. */
  readonly open: () => ReadonlyArray<Run>
  /** Catches up with what other processes wrote into the log, unless something waits here. Cheap where there are none. */
  readonly follow: Effect.Effect<void>
  /** The lock to hold while deciding about a parked run or recovering runs. */
  readonly lock: Effect.Semaphore
  /**
   * Adds an event of a run and answers the event with its `seq`. A delta of a
   * block whose last delta still waits for the log joins that one.
   */
  readonly emit: (run: RunId | null, draft: EventDraft) => { readonly seq: Seq; readonly event: AgentEvent }
  /** Writes the run's row with the events emitted so far. */
  readonly record: (run: Run) => void
  /** Puts a message into the transcript and the context, with the events emitted so far, or replaces it there. `seq` opened it. */
  readonly place: (seq: number, message: Message) => void
  /**
   * Keeps a compaction with the events emitted so far; it holds from then on. `reply` is the place of the reply that
   * goes on, which may be what is given beside the summary.
   */
  readonly compact: (event: Compacted, reply: number) => void
  /** Writes the claim on an input's key with the events emitted so far. */
  readonly claim: (claim: Claim) => void
  /** Enters a call of a model into the ledger with the events emitted so far. */
  readonly charge: (entry: LedgerEntry) => void
  /** Writes the task's row with the events emitted so far. */
  readonly keepTask: (task: BackgroundTask) => void
  /**
   * Waits until everything emitted, recorded and placed so far is durable.
   * `AppendRefused`: another writer owns the session now, or it is deleted.
   */
  readonly durable: Effect.Effect<void, AppendRefused>
  /** Calls once when all that is durable, before any subscriber sees it; never when it is refused. */
  readonly whenDurable: (call: () => void) => void
  /**
   * Calls once when nothing more can be written here, and says why. Answers with
   * a function that removes the callback; call it when you are done with the room.
   */
  readonly whenRefused: (call: (refused: AppendRefused) => void) => () => void
  /**
   * The same for an input that may still be refused: it fails with `Unavailable`
   * when storage does not write it in time. `alone`: nothing but it is pending here, so
   * that nothing of it stays in the room; storage may have kept it all the same.
   */
  readonly accepted: (alone: boolean) => Effect.Effect<void, AppendRefused | Unavailable>
  /** A promise while too much waits for the log; producers of events wait for it. */
  readonly behind: () => Promise<void> | undefined
  /** Replays from the log, then goes live, without a gap. Detaches when the scope closes. */
  readonly attach: (sink: Sink, subscription: Subscription) => Effect.Effect<void, never, Scope.Scope>
}

/** Rooms are caches: one is made from the log when it is first asked for, and dropped when nobody has held it for a while. */
export class Rooms extends Context.Tag("stoa/services/Rooms")<Rooms, {
  readonly get: (
    session: { readonly id: SessionId; readonly user_id: UserId }
  ) => Effect.Effect<Room, never, Scope.Scope>
  /** This process has just made the session, so its log is known to be empty: the next `get` need not ask. */
  readonly created: (session: SessionId) => void
  /** Ends every subscriber's stream with a comment, and refuses new ones with the same. */
  readonly close: (comment: string) => Effect.Effect<void>
  /** Drops a deleted session's room and ends its streams. */
  readonly forget: (session: SessionId) => Effect.Effect<void>
  /** False while the log does not take what is written to it, or something has waited for it for more than three seconds. */
  readonly healthy: Effect.Effect<boolean>
  /** Something has waited for the log for so long that new inputs are refused. */
  readonly isHeldUp: () => boolean
}>() {}
