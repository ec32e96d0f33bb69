import { Context, Data, type Effect } from "effect"
import type { BackgroundTask } from "../domain/BackgroundTask.ts"
import type { Claim } from "../domain/Claim.ts"
import type { PlacedCompaction } from "../domain/Context.ts"
import type { MessageId, RunId, SessionId, Timestamp, UserId } from "../domain/Ids.ts"
import type { Job } from "../domain/Job.ts"
import type { LedgerEntry } from "../domain/Ledger.ts"
import type { Message } from "../domain/Message.ts"
import type { Run, RunStatus } from "../domain/Run.ts"

/** A range of a session's events, encoded once, in the form that every subscriber gets. */
export interface Frames {
  /** 1-based and gapless within a session. */
  readonly first_seq: number
  readonly last_seq: number
  /** Whole SSE frames, `id: <seq>\ndata: <json>\n\n` each. */
  readonly frames: string
}

/** A page is a range of events that is written at once: `first_seq` is one more than the `last_seq` of the page before. */
export interface LogPage extends Frames {
  readonly session_id: SessionId
  /** All events of a page belong to one run, or to none. */
  readonly run_id: RunId | null
  /** The page's last event ends the run's stream: its reply has ended, or it is parked. */
  readonly ends: boolean
}

/** A message with its place in the transcript: the `seq` of the event that opened it. */
export interface PlacedMessage {
  readonly session_id: SessionId
  readonly owner: UserId
  readonly seq: number
  readonly message: Message
}

/** Messages that a search has looked at. */
export interface LookedMessages {
  /** Those that may hold the text. */
  readonly messages: ReadonlyArray<PlacedMessage>
  /** The place of the last one that was looked at; undefined when there was none. */
  readonly last: number | undefined
  /** How many bytes of encoded messages were looked at, and whether there are older ones. */
  readonly bytes: number
  readonly more: boolean
}

/** The end of a session's history. */
export interface Snapshot {
  /** The last `seq`; 0 in a new session. */
  readonly last: number
  /** The runs that are not ended, oldest first. */
  readonly open: ReadonlyArray<Run>
  /** Only those from the place of the newest compaction on. */
  readonly messages: ReadonlyArray<PlacedMessage>
  readonly compaction: PlacedCompaction | undefined
}

/** A session with runs that some process must drive. */
export interface Unfinished {
  readonly session_id: SessionId
  readonly owner: UserId
  /** The process that drives the running run, or else the oldest that is queued. */
  readonly driver: string | null
  /** Whether a run is queued that no process drives. */
  readonly fresh: boolean
}

/** What one flush writes: new pages, and the runs and messages that they change. */
export interface LogBatch {
  readonly pages: ReadonlyArray<LogPage>
  readonly runs: ReadonlyArray<Run>
  readonly messages: ReadonlyArray<PlacedMessage>
  /** The claims on the keys of the inputs that this flush accepts. */
  readonly claims?: ReadonlyArray<Claim>
  /** A session's newest compaction replaces the one before. */
  readonly compactions?: ReadonlyArray<PlacedCompaction>
  /** Ledger entries of model calls that have ended. An entry that exists already stays as it is. */
  readonly usage?: ReadonlyArray<LedgerEntry>
  /** What is to be done because of it, at once. A job that exists already stays as it is. */
  readonly jobs?: ReadonlyArray<Job>
  /** Tasks that begin, and those whose results these events tell. Inserted or replaced by id. */
  readonly tasks?: ReadonlyArray<BackgroundTask>
}

/**
 * Nothing of the batch was written, and nothing will be: it collides with a page
 * or a claim that somebody else wrote, its session is gone, storage cannot hold it, or it
 * was taken back because storage did not answer.
 */
export class AppendRefused
  extends Data.TaggedError("AppendRefused")<{ readonly reason: "fenced" | "session_gone" | "broken" | "withdrawn" }>
{}

/**
 * The sessions' histories. A page's place is its key, so two writers of one
 * session cannot both go on: the slower one is refused.
 */
export class EventLog extends Context.Tag("stoa/services/EventLog")<EventLog, {
  /** Writes all of the batch or nothing; it is durable when this returns. Runs and messages are inserted or replaced by id. */
  readonly append: (batch: LogBatch) => Effect.Effect<void, AppendRefused>
  /**
   * Pages with events after that `seq`, oldest first, at most `limit`, and no more than it takes to exceed 256 KiB of
   * frames; the first may begin before it.
   */
  readonly read: (session: SessionId, after: number, limit: number) => Effect.Effect<ReadonlyArray<LogPage>>
  /** The same pages as one, but no more than it takes to exceed 256 KiB of frames; undefined when there is none. */
  readonly replay: (session: SessionId, after: number, limit: number) => Effect.Effect<Frames | undefined>
  /**
   * The `seq` of the first event after `after` that ends the run's stream: its reply has ended, or it was parked. Undefined
   * when nothing in the log does.
   */
  readonly endAfter: (session: SessionId, run: RunId, after: number) => Effect.Effect<number | undefined>
  /** The first `seq` that is still there and the last that was written; `last` is 0 and `first` 1 in a new session. */
  readonly range: (session: SessionId) => Effect.Effect<{ readonly first: number; readonly last: number }>
  /**
   * The transcript, oldest first, from the `offset`th message on; with `bytes` no
   * more than so many of encoded messages, unless the first is larger by itself.
   * In the place of one that cannot be read stands `unreadableMessage`.
   */
  readonly messages: (
    session: SessionId,
    page: { readonly offset: number; readonly limit: number; readonly bytes?: number }
  ) => Effect.Effect<ReadonlyArray<PlacedMessage>>
  /**
   * The newest messages with a place before `before`, or of all, oldest first: at most
   * `limit`, and no more of encoded messages than `bytes`, unless the newest is larger by
   * itself. `more` says whether there are older ones. Its cost does not grow with the transcript.
   */
  readonly older: (
    session: SessionId,
    before: number | undefined,
    page: { readonly limit: number; readonly bytes: number }
  ) => Effect.Effect<{ readonly messages: ReadonlyArray<PlacedMessage>; readonly more: boolean }>
  /**
   * The messages with a place after `after`, oldest first: at most `limit`, and no more of encoded messages than `bytes`,
   * unless the first is larger by itself; none at the end. Its cost does not grow with the transcript.
   */
  readonly newer: (
    session: SessionId,
    after: number,
    page: { readonly limit: number; readonly bytes: number }
  ) => Effect.Effect<ReadonlyArray<PlacedMessage>>
  /**
   * Looks at the messages with a place before `before`, or at all, newest first, within the same bounds. It may leave
   * out those whose document does not hold `anchor`, which `anchorOf` of `Find.ts` made.
   */
  readonly look: (
    session: SessionId,
    before: number | undefined,
    page: { readonly limit: number; readonly bytes: number; readonly anchor: string }
  ) => Effect.Effect<LookedMessages>
  /** The place of a message; undefined when the session has no such message. */
  readonly placeOf: (session: SessionId, id: MessageId) => Effect.Effect<number | undefined>
  /** The newest messages, oldest first: at most `limit`, and as many as fit into `maxBytes` of JSON, but at least one. */
  readonly recent: (
    session: SessionId,
    limit: number,
    maxBytes?: number
  ) => Effect.Effect<ReadonlyArray<PlacedMessage>>
  /** Everything from which a room is made, read at one moment; the messages are those of `recent` that a compaction has left. */
  readonly snapshot: (session: SessionId, maxMessages: number, maxBytes: number) => Effect.Effect<Snapshot>
  /** The newest compaction, if there was one. */
  readonly compaction: (session: SessionId) => Effect.Effect<PlacedCompaction | undefined>
  /** How many messages have a place after `after`, and the place of the last one; `after` when there is none. */
  readonly countMessages: (
    session: SessionId,
    after: number
  ) => Effect.Effect<{ readonly count: number; readonly last: number }>
  /** The sessions of all owners with runs that are queued or running, except those in which every run waits behind a parked one. */
  readonly unfinishedSessions: Effect.Effect<ReadonlyArray<Unfinished>>
  /** The last `seq` of each of these sessions that has one. */
  readonly heads: (sessions: ReadonlyArray<SessionId>) => Effect.Effect<ReadonlyMap<SessionId, number>>
  /** The session's runs that are not ended, oldest first. */
  readonly open: (session: SessionId) => Effect.Effect<ReadonlyArray<Run>>
  /** The statuses of the runs of these sessions that have not ended, oldest first; a session without such a run has no entry. */
  readonly openStatuses: (
    sessions: ReadonlyArray<SessionId>
  ) => Effect.Effect<ReadonlyMap<SessionId, ReadonlyArray<RunStatus>>>
  /** Parked runs with a greater id than `after` that have not changed since `before`, by id, of all owners, at most `limit`. */
  readonly parked: (before: Timestamp, after: RunId | undefined, limit: number) => Effect.Effect<ReadonlyArray<Run>>
  /**
   * Removes pages, at most `limit`, from the beginning of one session: as far as
   * all are of runs that ended before `before`. A session keeps its last page;
   * one that was kept so may stay until a later run's turn comes. Answers whether there may be more to remove.
   */
  readonly prune: (before: Timestamp, limit: number) => Effect.Effect<boolean>
}>() {}

/** Bytes of frames that `read` and `replay` go beyond with their last page at most. */
export const replayBytes: number = 256 * 1024

/** The frames of `page` with a `seq` above `after`. JSON holds no line break, so a blank line ends each frame. */
export const framesAfter = (page: Frames, after: number): string => {
  let from = 0
  for (let skip = after - page.first_seq + 1; skip > 0 && from < page.frames.length; skip--) {
    from = page.frames.indexOf("\n\n", from) + 2
  }
  return page.frames.slice(from)
}
