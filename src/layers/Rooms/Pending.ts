/**
 * What one session has that is not in the log yet: events, in the order in which
 * they got their places, and the rows that are written with them.
 */
import type { Clock } from "effect"
import type { BackgroundTask } from "../../domain/BackgroundTask.ts"
import type { Claim } from "../../domain/Claim.ts"
import type { PlacedCompaction } from "../../domain/Context.ts"
import { type AgentEvent, type EventDraft, frame } from "../../domain/Event.ts"
import { type RunId, Seq, type SessionId, type Timestamp } from "../../domain/Ids.ts"
import type { LedgerEntry } from "../../domain/Ledger.ts"
import type { Run } from "../../domain/Run.ts"
import { endsStream } from "../../domain/RunOf.ts"
import type { LogBatch, LogPage, PlacedMessage } from "../../services/EventLog.ts"
import type { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"

/** About the most characters of frames in one page, and of text in one joined delta. A flood becomes many pages instead of a huge one. */
const maxPage = 256 * 1024

/** Most characters that may wait for the log before producers have to wait. */
const maxPending = 1024 * 1024

/** An event's size beside its text, in characters. */
const eventSize = 256

export interface PendingEvent {
  readonly run: RunId | null
  readonly seq: Seq
  readonly event: AgentEvent
}

type Delta = Extract<EventDraft, { readonly delta: string }>

/** Deltas with the same key are of the same block, and may be joined. */
const keyOf = (draft: Delta): string => {
  switch (draft.type) {
    case "TEXT_BLOCK_DELTA":
    case "THINKING_BLOCK_DELTA":
      return draft.block_id
    case "TOOL_CALL_DELTA":
      return draft.tool_call_id
    case "TOOL_RESULT_TEXT_DELTA":
      return `result ${draft.tool_call_id}`
  }
}

export class Pending {
  readonly #session_id: SessionId
  readonly #newId: typeof NewId.Service
  readonly #clock: Clock.Clock
  #last: Seq
  #events: Array<PendingEvent> = []
  /** The size of the events above and of those that are being written. */
  #size = 0
  #joinable = new Map<string, PendingEvent>()
  #runs = new Map<RunId, Run>()
  #placed: Array<PlacedMessage> = []
  #claims: Array<Claim> = []
  #usage: Array<LedgerEntry> = []
  #tasks: Array<BackgroundTask> = []
  #compaction: PlacedCompaction | undefined
  #space: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined
  #lastMillis = 0
  #lastTimestamp = "" as Timestamp

  constructor(session_id: SessionId, last: Seq, newId: typeof NewId.Service, clock: Clock.Clock) {
    this.#session_id = session_id
    this.#last = last
    this.#newId = newId
    this.#clock = clock
  }

  last = (): Seq => this.#last

  /** Moves on to the place up to which other processes have written. Call it only while nothing is pending here. */
  goOnAfter(seq: Seq) {
    this.#last = seq
  }

  /** Gives the event its `seq`, or joins the delta to the one before, which keeps its own `seq`. */
  emit(run: RunId | null, draft: EventDraft) {
    if (!("delta" in draft)) {
      // From here on deltas must not join earlier ones: their text would move to a place before this event.
      if (this.#joinable.size > 0) this.#joinable.clear()
      return this.#add(run, draft)
    }
    const key = keyOf(draft)
    this.#size += draft.delta.length
    const before = this.#joinable.get(key)
    const joined = before?.event as { id: string; created_at: Timestamp; delta: string } | undefined
    // Without a bound, a flood would become a text that is longer than a string can be.
    if (before === undefined || joined === undefined || joined.delta.length + draft.delta.length > maxPage) {
      const added = this.#add(run, draft)
      this.#joinable.set(key, added)
      return added
    }
    joined.delta += draft.delta
    return {
      run,
      seq: before.seq,
      event: { id: joined.id, created_at: joined.created_at, ...draft } as AgentEvent
    }
  }

  record(run: Run) {
    this.#runs.set(run.id, run)
  }

  place(message: PlacedMessage) {
    this.#placed.push(message)
  }

  /** The newest one is the only one that counts. */
  compact(compaction: PlacedCompaction) {
    this.#compaction = compaction
  }

  claim(claim: Claim) {
    this.#claims.push(claim)
  }

  charge(entry: LedgerEntry) {
    this.#usage.push(entry)
  }

  keepTask(task: BackgroundTask) {
    this.#tasks.push(task)
  }

  /** A promise while too much is pending; it resolves when producers may continue. */
  behind(): Promise<void> | undefined {
    if (this.#size < maxPending) return undefined
    if (this.#space === undefined) {
      let resolve = () => {}
      const promise = new Promise<void>((go) => {
        resolve = go
      })
      this.#space = { promise, resolve }
    }
    return this.#space.promise
  }

  /** Takes what is pending. It throws, and takes nothing, when that cannot be encoded. */
  take(): LogBatch {
    // The events are encoded first: only what has become a page may be removed here.
    const pages = this.#pages()
    const batch = {
      pages,
      runs: [...this.#runs.values()],
      messages: this.#placed,
      claims: this.#claims,
      usage: this.#usage,
      tasks: this.#tasks,
      ...(this.#compaction !== undefined && { compactions: [this.#compaction] })
    }
    this.#events = []
    // What is being written must not change any more.
    this.#joinable.clear()
    this.#runs = new Map()
    this.#placed = []
    this.#compaction = undefined
    if (this.#claims.length > 0) this.#claims = []
    if (this.#usage.length > 0) this.#usage = []
    if (this.#tasks.length > 0) this.#tasks = []
    return batch
  }

  /** What was taken is in the log: only what came since then is pending. */
  written() {
    this.#size = this.#events.reduce(
      (size, { event }) => size + ("delta" in event ? event.delta.length : 0) + eventSize,
      0
    )
    if (this.#size < maxPending) this.#release()
  }

  /** Discards what is pending: it will never be written. */
  abandon() {
    this.#events = []
    this.#joinable.clear()
    this.#runs.clear()
    this.#placed = []
    this.#claims = []
    this.#usage = []
    this.#tasks = []
    this.#compaction = undefined
    this.#size = 0
    this.#release()
  }

  /** Lets waiting producers continue. */
  #release() {
    this.#space?.resolve()
    this.#space = undefined
  }

  #add(run: RunId | null, draft: EventDraft): PendingEvent {
    const event = { id: this.#newId.short(), created_at: this.#now(), ...draft } as AgentEvent
    this.#last = Seq(this.#last + 1)
    const added: PendingEvent = { run, seq: this.#last, event }
    this.#events.push(added)
    this.#size += eventSize
    return added
  }

  /** Consecutive events of one run make a page; it ends with the event that ends the run's stream. */
  #pages(): ReadonlyArray<LogPage> {
    const events = this.#events
    const pages: Array<LogPage> = []
    for (let i = 0; i < events.length;) {
      const { run, seq: first_seq } = events[i]!
      let frames = ""
      let ends = false
      let last_seq = first_seq
      for (; i < events.length && events[i]!.run === run && !ends && frames.length < maxPage; i++) {
        const { event, seq } = events[i]!
        frames += frame(seq, JSON.stringify(event))
        ends = endsStream(event)
        last_seq = seq
      }
      pages.push({ session_id: this.#session_id, first_seq, last_seq, run_id: run, ends, frames })
    }
    return pages
  }

  #now(): Timestamp {
    const millis = this.#clock.unsafeCurrentTimeMillis()
    if (millis !== this.#lastMillis) {
      this.#lastMillis = millis
      this.#lastTimestamp = timestampOf(millis)
    }
    return this.#lastTimestamp
  }
}
