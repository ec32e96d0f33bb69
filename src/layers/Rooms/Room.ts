/**
 * One session's live end. Everything here happens between two turns of the
 * event loop, so a subscriber joins and a page goes out with nothing in between.
 */
import { type Clock, Deferred, Effect, FiberId, type PubSub, Scope } from "effect"
import type { Claim } from "../../domain/Claim.ts"
import { Unavailable } from "../../domain/Errors.ts"
import { type AgentEvent, endsStream, type EventDraft, frame } from "../../domain/Event.ts"
import { DurableSeq, type RunId, Seq, type SessionId, type Timestamp, type UserId } from "../../domain/Ids.ts"
import type { LedgerEntry } from "../../domain/Ledger.ts"
import type { Message } from "../../domain/Message.ts"
import type { Run } from "../../domain/Run.ts"
import {
  AppendRefused,
  type EventLog,
  type Frames,
  framesAfter,
  type LogBatch,
  type LogPage,
  type PlacedMessage
} from "../../services/EventLog.ts"
import type { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Room, Sink, Subscription } from "../../services/Rooms.ts"
import type { Source } from "./Flush.ts"

/** Bytes that a subscriber may leave unread before it is cut off; it resumes by its last id. */
const maxUnread = 256 * 1024

/** Messages of a session's transcript that a model is given at most: the newest. */
export const maxContext = 2_000

/** Bytes of pages kept in memory for those who join: more is read from the log. */
const maxTail = 128 * 1024

/** Characters of frames in one page, about: a flood is many pages rather than a huge one. */
const maxPage = 256 * 1024

/** Characters that may wait for the log before producers are asked to wait. */
const maxWaiting = 1024 * 1024

/** Pages read from the log at a time while following, or replaying one run; and while replaying all. */
const readPages = 64
const replayPages = 1_000

/** Messages read at first when the transcript has grown elsewhere. */
const firstMessages = 8

/** Events with which a run's row or the transcript changes. */
const lifecycle =
  /"type":"(RUN_QUEUED|RUN_RESUMED|RUN_PARKED|REPLY_START|REPLY_END|USER_CONFIRM_RESULT|EXTERNAL_EXECUTION_RESULT)"/

interface Waiting {
  readonly run: RunId | null
  readonly seq: Seq
  readonly event: AgentEvent
}

/** A subscriber whose room cannot go on, and what it has got. */
export interface Left extends Subscription {
  readonly sink: Sink
  readonly scope: Scope.Scope
}

interface Subscriber {
  readonly sink: Sink
  readonly only: RunId | undefined
  /** What it was given when it joined: the log may have been ahead of the room. */
  readonly joined: number
  readonly scope: Scope.Scope
}

interface Stored extends Frames {
  readonly wanted: boolean
  readonly isLast: boolean
}

interface Tail {
  readonly page: LogPage
  readonly bytes: Uint8Array
}

type Joinable = Extract<
  EventDraft,
  { readonly type: "TEXT_BLOCK_DELTA" | "THINKING_BLOCK_DELTA" | "TOOL_CALL_DELTA" | "TOOL_RESULT_TEXT_DELTA" }
>

/** What may be joined with what: deltas of the same block. Undefined for every other event. */
const joinKey = (draft: EventDraft): string | undefined => {
  switch (draft.type) {
    case "TEXT_BLOCK_DELTA":
    case "THINKING_BLOCK_DELTA":
      return draft.block_id
    case "TOOL_CALL_DELTA":
      return draft.tool_call_id
    case "TOOL_RESULT_TEXT_DELTA":
      return `result ${draft.tool_call_id}`
    default:
      return undefined
  }
}

/** How long an input waits for a log that takes nothing at all, and how often it looks, in milliseconds: no request waits for two seconds. */
const patience = 1_200
const impatience = 200

const encoder = new TextEncoder()

const notTaken = new Unavailable({
  code: "storage_unavailable",
  detail:
    "Storage does not take the input now. Try again, with an Idempotency-Key: in rare cases it was kept all the same.",
  retry_after: 2
})

export interface Options {
  readonly session_id: SessionId
  readonly owner: UserId
  readonly head: DurableSeq
  readonly context: ReadonlyArray<Message>
  readonly open: ReadonlyArray<Run>
  readonly lock: Effect.Semaphore
  readonly log: typeof EventLog.Service
  /** This process; undefined when there is no other. */
  readonly self: string | undefined
  readonly newId: typeof NewId.Service
  readonly clock: Clock.Clock
  readonly pages: PubSub.PubSub<LogPage>
  readonly wake: (source: Source) => void
  /** Counts what the log has taken, of any session. */
  readonly written: () => number
  /** Why no stream may begin any more, if so. */
  readonly closed: () => string | undefined
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Something that the room called has thrown. */
  readonly thrown: (error: unknown) => void
  /** The room cannot go on; the next one is made from the log, and has these subscribers. */
  readonly onDead: (left: ReadonlyArray<Left>) => void
}

export class LiveRoom implements Room, Source {
  readonly session_id: SessionId
  readonly owner: UserId
  readonly pages: PubSub.PubSub<LogPage>
  readonly #options: Options
  readonly #subscribers = new Set<Subscriber>()
  readonly #following = Effect.unsafeMakeSemaphore(1)
  readonly lock: Effect.Semaphore
  #context: Array<Message>
  #open: Map<RunId, Run>

  #seq: Seq
  #head: DurableSeq
  #waiting: Array<Waiting> = []
  #waitingSize = 0
  #joinable = new Map<string, Waiting>()
  #runs = new Map<RunId, Run>()
  #placed: Array<PlacedMessage> = []
  #claims: Array<Claim> = []
  #usage: Array<LedgerEntry> = []

  /** Counts what was emitted, recorded and placed; `#durable` is how much of that is in the log. */
  #version = 0
  #taken = 0
  #durable = 0
  #waiters: Array<{ readonly version: number; readonly done: (how: Effect.Effect<void, AppendRefused>) => void }> = []
  #calls: Array<{ readonly version: number; readonly call: () => void }> = []
  #lostCalls: Array<(refused: AppendRefused) => void> = []
  /** All that waits is one input that nobody has been promised yet. */
  #accepting = false
  #slow: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined

  #tail: Array<Tail> = []
  #tailSize = 0
  #dead: AppendRefused | undefined
  /** Somebody holds the room, and so wants to know at once. */
  #holders = 0
  /** Other processes may have written since it last caught up. */
  #stale = false
  #catching = false
  #lastMillis = 0
  #lastTimestamp = "" as Timestamp

  constructor(options: Options) {
    this.#options = options
    this.session_id = options.session_id
    this.owner = options.owner
    this.pages = options.pages
    this.#seq = options.head
    this.#head = options.head
    this.#context = [...options.context]
    this.#open = new Map(options.open.map((run) => [run.id, run]))
    this.lock = options.lock
  }

  head = () => this.#head
  last = () => this.#seq
  context = (): ReadonlyArray<Message> => this.#context

  emit(run: RunId | null, draft: EventDraft) {
    const key = joinKey(draft)
    if (key !== undefined) {
      const { delta } = draft as Joinable
      this.#waitingSize += delta.length
      const before = this.#joinable.get(key)
      if (before !== undefined) {
        const joined = before.event as { id: string; created_at: Timestamp; delta: string }
        joined.delta += delta
        this.#version++
        return { seq: before.seq, event: { id: joined.id, created_at: joined.created_at, ...draft } as AgentEvent }
      }
    }
    const event = { id: this.#options.newId.short(), created_at: this.#now(), ...draft } as AgentEvent
    this.#seq = Seq(this.#seq + 1)
    const one: Waiting = { run, seq: this.#seq, event }
    this.#waiting.push(one)
    this.#waitingSize += 256
    if (key !== undefined) this.#joinable.set(key, one)
    else if (this.#joinable.size > 0) this.#joinable.clear()
    this.#changed()
    return { seq: one.seq, event }
  }

  open = (): ReadonlyArray<Run> => [...this.#open.values()]

  record(run: Run) {
    this.#runs.set(run.id, run)
    if (run.status === "ended") this.#open.delete(run.id)
    else this.#open.set(run.id, run)
    this.#changed()
  }

  place(seq: number, message: Message) {
    this.#placed.push({ session_id: this.session_id, owner: this.owner, seq, message })
    if (this.#context.at(-1)?.id === message.id) this.#context[this.#context.length - 1] = message
    else this.#context.push(message)
    this.#changed()
  }

  claim(claim: Claim) {
    this.#claims.push(claim)
    this.#changed()
  }

  charge(entry: LedgerEntry) {
    this.#usage.push(entry)
    this.#changed()
  }

  behind = (): Promise<void> | undefined => {
    if (this.#waitingSize < maxWaiting) return undefined
    if (this.#slow === undefined) {
      let resolve = () => {}
      const promise = new Promise<void>((go) => {
        resolve = go
      })
      this.#slow = { promise, resolve }
    }
    return this.#slow.promise
  }

  durable: Effect.Effect<void, AppendRefused> = Effect.suspend(() => {
    if (this.#dead !== undefined) return Effect.fail(this.#dead)
    return this.#durable >= this.#version ? Effect.void : Deferred.await(this.#inLog<never>())
  })

  /** Done when what waits now is in the log, or never will be. */
  #inLog<E>(): Deferred.Deferred<void, AppendRefused | E> {
    const deferred = Deferred.unsafeMake<void, AppendRefused | E>(FiberId.none)
    const done = (how: Effect.Effect<void, AppendRefused>) => Deferred.unsafeDone(deferred, how)
    if (this.#dead !== undefined) done(Effect.fail(this.#dead))
    else if (this.#durable >= this.#version) done(Effect.void)
    else this.#waiters.push({ version: this.#version, done })
    return deferred
  }

  whenDurable = (call: () => void): void => {
    this.#calls.push({ version: this.#version, call })
  }

  whenRefused = (call: (refused: AppendRefused) => void): void => {
    if (this.#dead === undefined) this.#lostCalls.push(call)
    else call(this.#dead)
  }

  /** What is called is not ours: when it throws, the others are called all the same. */
  #safely(call: () => void) {
    try {
      call()
    } catch (error) {
      this.#options.thrown(error)
    }
  }

  accepted = (alone: boolean): Effect.Effect<void, AppendRefused | Unavailable> =>
    Effect.suspend(() => {
      if (alone) this.#accepting = true
      const done = this.#inLog<Unavailable>()
      const stop = this.#whenNothingIsTaken(() => {
        if (!this.withdraw()) Deferred.unsafeDone(done, Effect.fail(notTaken))
      })
      return Effect.ensuring(
        Deferred.await(done),
        Effect.sync(() => {
          stop()
          if (alone) this.#accepting = false
        })
      )
    }).pipe(
      Effect.mapError((refused) =>
        refused._tag === "AppendRefused" && (refused.reason === "withdrawn" || refused.reason === "broken")
          ? notTaken
          : refused
      )
    )

  attach(sink: Sink, { after, only }: Subscription) {
    return Effect.gen(this, function*() {
      let cursor = after
      while (this.#dead === undefined && cursor + 1 < this.#tailStart()) {
        const pages = yield* this.#stored(cursor, only)
        if (pages.length === 0) break
        // Removed while this one was reading: asked for again, the cursor gets the answer that it is gone.
        if (cursor > 0 && pages[0]!.first_seq > cursor + 1) return sink.end("gone")
        for (const page of pages) {
          if (page.wanted) sink.write(encoder.encode(framesAfter(page, cursor)))
          if (page.isLast) return sink.end()
          cursor = page.last_seq
        }
        yield* sink.drained
      }
      const closed = this.#dead === undefined ? this.#options.closed() : "closing"
      if (closed !== undefined) return sink.end(closed)
      for (const { bytes, page } of this.#tail) {
        if (page.last_seq <= cursor || (only !== undefined && page.run_id !== only)) continue
        sink.write(page.first_seq > cursor ? bytes : encoder.encode(framesAfter(page, cursor)))
        if (only !== undefined && page.ends) return sink.end()
      }
      const subscriber = { sink, only, joined: cursor, scope: yield* Effect.scope }
      this.#subscribers.add(subscriber)
      // Straight into the scope: Effect.addFinalizer keeps the whole fiber's state for its finalizer.
      yield* Scope.addFinalizer(yield* Effect.scope, Effect.sync(() => this.#subscribers.delete(subscriber)))
    })
  }

  follow: Effect.Effect<void> = Effect.suspend(() =>
    this.#options.self === undefined ? Effect.void : this.#catchUp(true)
  )

  /** Another process has written, or may have; a room that nobody holds looks when it is asked for. */
  rung() {
    this.#stale = true
    if (this.#holders === 0 || this.#catching) return
    this.#catching = true
    this.#options.fork(this.#catchUp(false))
  }

  isHeld = () => this.#holders > 0

  hold: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    this.#holders++
    return Effect.addFinalizer(() => Effect.sync(() => this.#holders--))
  }).pipe(Effect.zipRight(Effect.suspend(() => this.#stale ? this.#catchUp(false) : Effect.void)))

  /** Ends every stream; with a reason, nothing more can be written either. */
  close(comment: string, reason?: AppendRefused["reason"]) {
    for (const { sink } of this.#subscribers) this.#safely(() => sink.end(comment))
    this.#subscribers.clear()
    if (reason !== undefined) this.#die(new AppendRefused({ reason }))
  }

  take(): LogBatch {
    // What was emitted after a refused page has no place: written, it could hide the gap before it.
    if (this.#dead !== undefined) return { pages: [], runs: [], messages: [] }
    const pages = this.#pagesOf(this.#waiting)
    const batch = {
      pages,
      runs: [...this.#runs.values()],
      messages: this.#placed,
      claims: this.#claims,
      usage: this.#usage
    }
    this.#waiting = []
    this.#joinable.clear()
    this.#runs = new Map()
    this.#placed = []
    if (this.#claims.length > 0) this.#claims = []
    if (this.#usage.length > 0) this.#usage = []
    this.#taken = this.#version
    return batch
  }

  committed(batch: LogBatch) {
    // Given up meanwhile: whoever asks next finds it in the log.
    if (this.#dead !== undefined) return
    this.#durable = this.#taken
    this.#waitingSize = this.#waiting.reduce(
      (size, { event }) => size + ("delta" in event ? event.delta.length : 0) + 256,
      0
    )
    const calls = this.#calls
    this.#calls = calls.filter(({ version }) => version > this.#durable)
    for (const { call, version } of calls) if (version <= this.#durable) this.#safely(call)
    for (const page of batch.pages) this.#publish(page)
    this.#settle()
    if (this.#stale && this.#durable === this.#version) this.rung()
    if (this.#slow !== undefined && this.#waitingSize < maxWaiting) {
      this.#slow.resolve()
      this.#slow = undefined
    }
  }

  refused(error: AppendRefused) {
    this.#die(error)
  }

  /** An input that nobody was promised yet is given up; a run that is under way waits for storage to come back. */
  withdraw(): boolean {
    if (this.#accepting) this.#die(new AppendRefused({ reason: "withdrawn" }))
    return this.#dead !== undefined
  }

  /** Calls once when the log has taken nothing, of any session, for as long as anybody can be asked to wait. */
  #whenNothingIsTaken(call: () => void): () => void {
    let before = this.#options.written()
    let quiet = 0
    // @effect-diagnostics-next-line globalTimers:off -- one for each input: a fiber would cost more than the rest of it
    const timer = setInterval(() => {
      const written = this.#options.written()
      quiet = written === before ? quiet + impatience : 0
      before = written
      if (quiet < patience) return
      clearInterval(timer)
      call()
    }, impatience)
    return () => clearInterval(timer)
  }

  #now(): Timestamp {
    const millis = this.#options.clock.unsafeCurrentTimeMillis()
    if (millis !== this.#lastMillis) {
      this.#lastMillis = millis
      this.#lastTimestamp = timestampOf(millis)
    }
    return this.#lastTimestamp
  }

  /** What comes after `seq` in the log; `isLast` when nothing more of the run `only` follows. */
  #stored(seq: number, only: RunId | undefined): Effect.Effect<ReadonlyArray<Stored>> {
    const { log } = this.#options
    if (only === undefined) {
      return Effect.map(
        log.replay(this.session_id, seq, replayPages),
        (frames) => frames === undefined ? [] : [{ ...frames, wanted: true, isLast: false }]
      )
    }
    return Effect.map(log.read(this.session_id, seq, readPages), (pages) =>
      pages.map((page) => {
        const wanted = page.run_id === only
        return { ...page, wanted, isLast: wanted && page.ends }
      }))
  }

  #isQuiet(version: number, head: number) {
    return this.#dead === undefined && this.#version === version && this.#durable === version && this.#head === head
  }

  /** Pages that other processes wrote, as if they had been written here; and their runs, in any case when `runs` are asked for. */
  #catchUp(runs: boolean): Effect.Effect<void> {
    const { log } = this.#options
    return Effect.gen(this, function*() {
      this.#stale = false
      this.#catching = false
      for (let first = true;; first = false) {
        const version = this.#version
        const head = this.#head
        if (!this.#isQuiet(version, head)) return this.#later()
        const pages = yield* log.read(this.session_id, head, readPages)
        if (pages.length === 0 && !(runs && first)) return
        const changed = pages.some(({ ends, frames }) => ends || lifecycle.test(frames))
        const open = changed || runs ? yield* log.open(this.session_id) : undefined
        const context = changed ? yield* this.#grown() : undefined
        if (!this.#isQuiet(version, head)) return this.#later()
        if (pages.length > 0 && (this.#isDrivenHere() || pages[0]!.first_seq !== head + 1)) {
          return this.#die(new AppendRefused({ reason: "fenced" }))
        }
        if (context !== undefined) this.#context = context
        if (open !== undefined) this.#open = new Map(open.map((run) => [run.id, run]))
        for (const page of pages) {
          this.#seq = Seq(page.last_seq)
          this.#publish(page)
        }
        if (pages.length === 0) return
      }
    }).pipe(
      this.#following.withPermits(1),
      Effect.catchAllCause((cause) => {
        this.#stale = true
        return Effect.logDebug("A session's log cannot be followed now", cause)
      })
    )
  }

  /** Something waits here: when that is in the log, what others wrote may be read after it. */
  #later() {
    this.#stale = true
  }

  #isDrivenHere() {
    for (const { driver, status } of this.#open.values()) {
      if (status === "running" && driver === this.#options.self) return true
    }
    return false
  }

  /** The context with what the transcript has gained; only its last message may have changed. */
  #grown() {
    const more = (limit: number): Effect.Effect<Array<Message>> =>
      Effect.flatMap(this.#options.log.recent(this.session_id, limit), (placed) => {
        const messages = placed.map(({ message }) => message)
        const known = messages.length === 0 ? -1 : this.#context.findLastIndex(({ id }) => id === messages[0]!.id)
        if (known >= 0) return Effect.succeed([...this.#context.slice(0, known), ...messages])
        return messages.length < limit || limit >= maxContext ? Effect.succeed(messages) : more(limit * 4)
      })
    return more(firstMessages)
  }

  #tailStart() {
    return this.#tail[0]?.page.first_seq ?? this.#head + 1
  }

  #changed() {
    this.#version++
    if (this.#dead === undefined) this.#options.wake(this)
  }

  /** Consecutive events of one run make a page; it ends with the event that ends the run's stream. */
  #pagesOf(waiting: ReadonlyArray<Waiting>): ReadonlyArray<LogPage> {
    const pages: Array<LogPage> = []
    for (let i = 0; i < waiting.length;) {
      const { run, seq: first_seq } = waiting[i]!
      let frames = ""
      let ends = false
      let last_seq = first_seq
      for (; i < waiting.length && waiting[i]!.run === run && !ends && frames.length < maxPage; i++) {
        const { event, seq } = waiting[i]!
        frames += frame(seq, JSON.stringify(event))
        ends = endsStream(event.type)
        last_seq = seq
      }
      pages.push({ session_id: this.session_id, first_seq, last_seq, run_id: run, ends, frames })
    }
    return pages
  }

  #publish(page: LogPage) {
    const bytes = encoder.encode(page.frames)
    this.#head = DurableSeq(page.last_seq)
    this.#tail.push({ page, bytes })
    this.#tailSize += bytes.length
    while (this.#tailSize > maxTail && this.#tail.length > 1) this.#tailSize -= this.#tail.shift()!.bytes.length
    for (const subscriber of this.#subscribers) this.#guarded(subscriber, () => this.#deliver(subscriber, page, bytes))
    this.pages.unsafeOffer(page)
  }

  /** A sink that throws is ended alone. */
  #guarded(subscriber: Subscriber, act: () => void) {
    try {
      act()
    } catch (error) {
      this.#subscribers.delete(subscriber)
      this.#options.thrown(error)
      this.#safely(() => subscriber.sink.end("closing"))
    }
  }

  #deliver(subscriber: Subscriber, page: LogPage, bytes: Uint8Array) {
    const { joined, only, sink } = subscriber
    if (page.last_seq <= joined || (only !== undefined && page.run_id !== only)) return
    sink.write(page.first_seq > joined ? bytes : encoder.encode(framesAfter(page, joined)))
    if (only !== undefined && page.ends) {
      this.#subscribers.delete(subscriber)
      sink.end()
    } else if (sink.unread() > maxUnread) {
      this.#subscribers.delete(subscriber)
      sink.end("lagging")
    }
  }

  #settle() {
    const waiters = this.#waiters
    this.#waiters = waiters.filter(({ version }) => version > this.#durable)
    for (const { done, version } of waiters) if (version <= this.#durable) done(Effect.void)
  }

  #die(error: AppendRefused) {
    if (this.#dead !== undefined) return
    this.#dead = error
    const calls = this.#lostCalls
    this.#lostCalls = []
    this.#calls = []
    for (const call of calls) this.#safely(() => call(error))
    const waiters = this.#waiters
    this.#waiters = []
    for (const { done } of waiters) done(Effect.fail(error))
    this.#slow?.resolve()
    // Another process goes on with the session, and they with it.
    const stays = error.reason === "fenced" && this.#options.self !== undefined
    const left = stays ? [...this.#subscribers] : []
    if (stays) this.#subscribers.clear()
    this.close("closing")
    this.#options.onDead(left.map(({ joined, only, scope, sink }) => ({
      sink,
      scope,
      after: Math.max(joined, this.#head),
      ...(only !== undefined && { only })
    })))
  }
}
