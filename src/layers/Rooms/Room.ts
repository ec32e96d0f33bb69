/**
 * A room is one session's live end: what is pending for the log, what is in it, and who watches.
 *
 * ```
 *           emit, record, place            the writer takes
 *   ┌──────┐ ─────────────────▶ ┌─────────┐ ─────────────▶ ┌─────────┐
 *   │ idle │                    │ pending │                │ writing │ ─┐ emit …:
 *   └──────┘ ◀───┐              └─────────┘ ◀─────────────┐└─────────┘ ◀┘ more is pending
 *     │          │                   │                    │   │    │
 *     │ another  │                   │                    │   │    │ the log refuses
 *     │ process  │ written, and      │ cannot be encoded, │   │    │
 *     │ owns the │ nothing is        │ input withdrawn    │   │    │
 *     │ session  │ pending           │   written, and more│   │    │
 *     │          └───────────────────┼───────┬─is pending─┘   │    │
 *     │                              │       └────────────────┘    │
 *     ▼                              ▼                             ▼
 *   ┌──────────────────────────────────────────────────────────────────┐
 *   │ dead: takes nothing more; the next room is made from the log     │
 *   └──────────────────────────────────────────────────────────────────┘
 * ```
 *
 * Only while it is idle does it follow what other processes write. Subscribers
 * get a page when it is written, and not before. A room dies once: `fenced`
 * (another process owns the session), `session_gone`, `broken` (what waits here
 * cannot be written) or `withdrawn` (an input that storage did not take in time).
 */
import { type Clock, Effect, type Scope } from "effect"
import type { BackgroundTask } from "../../domain/BackgroundTask.ts"
import type { Claim } from "../../domain/Claim.ts"
import type { Compacted } from "../../domain/Context.ts"
import type { Unavailable } from "../../domain/Errors.ts"
import type { EventDraft } from "../../domain/Event.ts"
import { type DurableSeq, type RunId, Seq, type SessionId, type UserId } from "../../domain/Ids.ts"
import type { LedgerEntry } from "../../domain/Ledger.ts"
import type { Message } from "../../domain/Message.ts"
import type { Run } from "../../domain/Run.ts"
import { AppendRefused, type EventLog, type LogBatch } from "../../services/EventLog.ts"
import type { NewId } from "../../services/NewId.ts"
import type { Room, Sink, Subscription } from "../../services/Rooms.ts"
import { accepted } from "./Acceptance.ts"
import { Durability } from "./Durability.ts"
import type { Source } from "./Flush.ts"
import { Following, type Growth } from "./Following.ts"
import { Pending } from "./Pending.ts"
import { type Kept, Recent } from "./Recent.ts"
import { type Left, Subscribers } from "./Subscribers.ts"

export interface Options {
  readonly session_id: SessionId
  readonly owner: UserId
  readonly head: DurableSeq
  readonly context: Kept
  readonly open: ReadonlyArray<Run>
  readonly lock: Effect.Semaphore
  readonly log: typeof EventLog.Service
  /** The id of this process; undefined when no other process can exist. */
  readonly self: string | undefined
  readonly newId: typeof NewId.Service
  readonly clock: Clock.Clock
  readonly wake: (source: Source) => void
  /** Counts the flushes that the log has written, of any session. */
  readonly written: () => number
  /** The reason why no stream may begin any more; undefined while streams may. */
  readonly closed: () => string | undefined
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Reports an error that a callback of the room has thrown. */
  readonly thrown: (error: unknown) => void
  /** The room is dead; the next one is made from the log and takes over these subscribers. */
  readonly onDead: (left: ReadonlyArray<Left>) => void
}

const nothing: LogBatch = { pages: [], runs: [], messages: [] }

export class LiveRoom implements Room, Source {
  readonly session_id: SessionId
  readonly owner: UserId
  readonly lock: Effect.Semaphore
  readonly #options: Options
  readonly #pending: Pending
  readonly #durability: Durability
  readonly #subscribers: Subscribers
  readonly #following: Following
  readonly #recent: Recent
  #open: Map<RunId, Run>
  /** Whether the only pending thing is one input that no client has been promised yet. */
  #isAccepting = false

  constructor(options: Options) {
    const { clock, closed, context, fork, head, log, newId, open, owner, self, session_id, thrown } = options
    this.#options = options
    this.session_id = session_id
    this.owner = owner
    this.lock = options.lock
    this.#open = new Map(open.map((run) => [run.id, run]))
    this.#recent = new Recent(context)
    this.#pending = new Pending(session_id, head, newId, clock)
    const durability = this.#durability = new Durability(thrown)
    this.#subscribers = new Subscribers({
      session_id,
      head,
      log,
      thrown,
      closed: () => durability.refused() === undefined ? closed() : "closing"
    })
    this.#following = new Following({
      session_id,
      head: this.head,
      version: durability.version,
      isIdle: () => durability.refused() === undefined && durability.isIdle(),
      isDrivenHere: () => this.open().some(({ driver, status }) => status === "running" && driver === self),
      grown: Effect.suspend(() => this.#recent.grown(log, session_id)),
      adopt: (growth) => this.#adopt(growth),
      fence: () => this.refused(new AppendRefused({ reason: "fenced" }))
    }, { log, alone: self === undefined, fork })
  }

  head = (): DurableSeq => this.#subscribers.head()
  last = (): Seq => this.#pending.last()
  context = (): ReadonlyArray<Message> => this.#recent.all()
  compaction = (): Compacted | undefined => this.#recent.compaction()
  open = (): ReadonlyArray<Run> => [...this.#open.values()]

  emit(run: RunId | null, draft: EventDraft) {
    const emitted = this.#pending.emit(run, draft)
    this.#changed()
    return emitted
  }

  record(run: Run) {
    this.#pending.record(run)
    if (run.status === "ended") this.#open.delete(run.id)
    else this.#open.set(run.id, run)
    this.#changed()
  }

  place(seq: number, message: Message) {
    this.#pending.place({ session_id: this.session_id, owner: this.owner, seq, message })
    this.#recent.place(seq, message)
    this.#changed()
  }

  compact(event: Compacted, reply: number) {
    const { owner, session_id } = this
    const seq = this.#recent.placeOf(event.value.keeps_from) ?? reply
    const compaction = { session_id, owner, seq, event }
    this.#pending.compact(compaction)
    this.#recent.compact(compaction)
    this.#changed()
  }

  claim(claim: Claim) {
    this.#pending.claim(claim)
    this.#changed()
  }

  charge(entry: LedgerEntry) {
    this.#pending.charge(entry)
    this.#changed()
  }

  keepTask(task: BackgroundTask) {
    this.#pending.keepTask(task)
    this.#changed()
  }

  behind = (): Promise<void> | undefined =>
    this.#durability.refused() === undefined ? this.#pending.behind() : undefined

  durable: Effect.Effect<void, AppendRefused> = Effect.suspend(() => this.#durability.durable)

  whenDurable = (call: () => void): void => this.#durability.whenDurable(call)

  whenRefused = (call: (refused: AppendRefused) => void): () => void => this.#durability.whenRefused(call)

  /** Callbacks that the room still has to call. */
  registered = (): number => this.#durability.registered()

  accepted = (alone: boolean): Effect.Effect<void, AppendRefused | Unavailable> =>
    Effect.suspend(() => {
      if (alone) this.#isAccepting = true
      return Effect.ensuring(
        accepted(this.#durability.whenSettled<Unavailable>(), this.#options.written, () => this.withdraw()),
        Effect.sync(() => {
          if (alone) this.#isAccepting = false
        })
      )
    })

  attach(sink: Sink, subscription: Subscription): Effect.Effect<void, never, Scope.Scope> {
    return this.#subscribers.attach(sink, subscription)
  }

  follow: Effect.Effect<void> = Effect.suspend(() => this.#following.follow)

  hold: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => this.#following.hold)

  isHeld = (): boolean => this.#following.isHeld()

  catchUpSoon() {
    this.#following.catchUpSoon()
  }

  /** Ends every stream; with a reason, nothing more can be written either. */
  close(comment: string, reason?: AppendRefused["reason"]) {
    this.#subscribers.end(comment)
    if (reason !== undefined) this.refused(new AppendRefused({ reason }))
  }

  take(): LogBatch {
    // Events that were emitted after a refused page must not be written: they would hide the gap before them.
    if (this.#durability.refused() !== undefined) return nothing
    const batch = this.#pending.take()
    // This comes after the batch is made: when that throws, nothing counts as taken.
    this.#durability.take()
    return batch
  }

  committed(batch: LogBatch) {
    // The room has died meanwhile: the next room finds the batch in the log.
    if (this.#durability.refused() !== undefined) return
    // This comes before publishing: a client that sees a run end finds the session idle, or the next run active.
    this.#durability.written()
    this.#pending.written()
    for (const page of batch.pages) this.#subscribers.publish(page)
    this.#durability.settle()
    if (this.#durability.isIdle()) this.#following.idle()
  }

  refused(error: AppendRefused) {
    if (this.#durability.refused() !== undefined) return
    this.#durability.refuse(error)
    this.#pending.abandon()
    // Another process continues the session, and its subscribers stay.
    const left = error.reason === "fenced" && this.#options.self !== undefined ? this.#subscribers.leave() : []
    this.#subscribers.end("closing")
    this.#options.onDead(left)
  }

  /** An input that no client was promised yet is given up; an active run waits for storage to come back. */
  withdraw(): boolean {
    if (this.#isAccepting) this.refused(new AppendRefused({ reason: "withdrawn" }))
    return this.#durability.refused() !== undefined
  }

  #changed() {
    this.#durability.change()
    if (this.#durability.refused() === undefined) this.#options.wake(this)
    // A run may emit events until it has been stopped: they are discarded.
    else this.#pending.abandon()
  }

  /** Takes over what other processes wrote. It may be called only while the room is idle. */
  #adopt({ context, open, pages }: Growth) {
    // This comes before the pages are published: a client that sees a run end finds it ended here.
    if (context !== undefined) this.#recent.replace(context)
    if (open !== undefined) this.#open = new Map(open.map((run) => [run.id, run]))
    for (const page of pages) {
      this.#pending.goOnAfter(Seq(page.last_seq))
      this.#subscribers.publish(page)
    }
  }
}
