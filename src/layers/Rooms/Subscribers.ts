/**
 * Who watches a session, and the newest pages for those who join. Joining and
 * publishing happen between two turns of the event loop, so that nobody gets a
 * page twice or never.
 */
import { Effect, Option, Scope } from "effect"
import { DurableSeq, type RunId, type SessionId } from "../../domain/Ids.ts"
import { type EventLog, type Frames, framesAfter, type LogPage } from "../../services/EventLog.ts"
import type { Sink, Subscription } from "../../services/Rooms.ts"

/** Most bytes, beside one page, that a subscriber may leave unread before it is cut off; it can resume from its last id. */
const maxUnread = 256 * 1024

/** Most bytes of pages that are kept in memory for new subscribers; older pages are read from the log. */
const maxTail = 128 * 1024

/** Pages read from the log at a time: of all runs, or to pick those of one. Bounded in bytes by the log itself. */
const replayPages = 1_000
const readPages = 64

/** How long a replay waits for a subscriber that reads nothing at all; then it is cut off. */
const maxSilence = "30 seconds"

const encoder = new TextEncoder()

interface Subscriber {
  readonly sink: Sink
  readonly only: RunId | undefined
  /** The last `seq` that it was given when it joined: the log may have been ahead of the room. */
  readonly joined: number
  readonly scope: Scope.Scope
}

/** A subscriber of a dead room, and the last `seq` that it has got. */
export interface Left extends Subscription {
  readonly sink: Sink
  readonly scope: Scope.Scope
}

interface Stored extends Frames {
  readonly wanted: boolean
  readonly isLast: boolean
}

export interface Options {
  readonly session_id: SessionId
  readonly head: DurableSeq
  readonly log: Pick<typeof EventLog.Service, "read" | "replay">
  /** The reason why no stream may continue here; undefined while streams may. */
  readonly closed: () => string | undefined
  readonly thrown: (error: unknown) => void
}

/** Waits until the sink takes more. False when its reader has read nothing for too long. */
const drained = Effect.fnUntraced(function*(sink: Sink) {
  for (let unread = sink.unread();;) {
    if (Option.isSome(yield* Effect.timeoutOption(sink.drained, maxSilence))) return true
    const left = sink.unread()
    if (left >= unread) return false
    unread = left
  }
})

export class Subscribers {
  readonly #options: Options
  readonly #subscribers = new Set<Subscriber>()
  #head: DurableSeq
  #tail: Array<{ readonly page: LogPage; readonly bytes: Uint8Array }> = []
  #tailSize = 0

  constructor(options: Options) {
    this.#options = options
    this.#head = options.head
  }

  /** The last `seq` that was published. */
  head = (): DurableSeq => this.#head

  attach(sink: Sink, { after, only }: Subscription): Effect.Effect<void, never, Scope.Scope> {
    return Effect.gen(this, function*() {
      const scope = yield* Effect.scope
      let cursor = after
      while (this.#options.closed() === undefined && cursor + 1 < this.#tailStart()) {
        const pages = yield* this.#stored(cursor, only)
        if (pages.length === 0) break
        // Retention has removed pages while this subscriber was reading: when it asks again, its cursor is answered as gone.
        if (cursor > 0 && pages[0]!.first_seq > cursor + 1) return sink.end("gone")
        for (const page of pages) {
          if (page.wanted) sink.write(encoder.encode(framesAfter(page, cursor)))
          if (page.isLast) return sink.end()
          cursor = page.last_seq
        }
        if (!(yield* drained(sink))) return sink.end("lagging")
      }
      // There is no wait from here on: each page now reaches the subscriber either from the tail or through the set, never both.
      const closed = this.#options.closed()
      if (closed !== undefined) return sink.end(closed)
      for (const { bytes, page } of this.#tail) {
        if (page.last_seq <= cursor || (only !== undefined && page.run_id !== only)) continue
        sink.write(page.first_seq > cursor ? bytes : encoder.encode(framesAfter(page, cursor)))
        if (only !== undefined && page.ends) return sink.end()
      }
      const subscriber = { sink, only, joined: cursor, scope }
      this.#subscribers.add(subscriber)
      // The finalizer goes straight into the scope: Effect.addFinalizer would keep the whole fiber's state in memory.
      yield* Scope.addFinalizer(scope, Effect.sync(() => this.#subscribers.delete(subscriber)))
    })
  }

  /** Gives a page that is in the log to everybody, and keeps it for those who join. */
  publish(page: LogPage) {
    const bytes = encoder.encode(page.frames)
    this.#head = DurableSeq(page.last_seq)
    this.#tail.push({ page, bytes })
    this.#tailSize += bytes.length
    while (this.#tailSize > maxTail && this.#tail.length > 1) this.#tailSize -= this.#tail.shift()!.bytes.length
    for (const subscriber of this.#subscribers) {
      try {
        this.#deliver(subscriber, page, bytes)
      } catch (error) {
        // When a sink throws, only that sink is ended.
        this.#options.thrown(error)
        this.#end(subscriber, "closing")
      }
    }
  }

  /** Ends every stream with a comment. */
  end(comment: string) {
    for (const subscriber of this.#subscribers) this.#end(subscriber, comment)
  }

  /** Hands the subscribers over to another room, with the last `seq` of each. */
  leave(): ReadonlyArray<Left> {
    const left = Array.from(this.#subscribers, ({ joined, only, scope, sink }) => ({
      sink,
      scope,
      after: Math.max(joined, this.#head),
      ...(only !== undefined && { only })
    }))
    this.#subscribers.clear()
    return left
  }

  #tailStart() {
    return this.#tail[0]?.page.first_seq ?? this.#head + 1
  }

  /** Reads what comes after `seq` in the log; `isLast` says that nothing more of the run `only` follows. */
  #stored(seq: number, only: RunId | undefined): Effect.Effect<ReadonlyArray<Stored>> {
    const { log, session_id } = this.#options
    if (only === undefined) {
      return Effect.map(
        log.replay(session_id, seq, replayPages),
        (frames) => frames === undefined ? [] : [{ ...frames, wanted: true, isLast: false }]
      )
    }
    return Effect.map(log.read(session_id, seq, readPages), (pages) =>
      pages.map((page) => {
        const wanted = page.run_id === only
        return { ...page, wanted, isLast: wanted && page.ends }
      }))
  }

  #deliver(subscriber: Subscriber, page: LogPage, bytes: Uint8Array) {
    const { joined, only, sink } = subscriber
    if (page.last_seq <= joined || (only !== undefined && page.run_id !== only)) return
    sink.write(page.first_seq > joined ? bytes : encoder.encode(framesAfter(page, joined)))
    if (only !== undefined && page.ends) this.#end(subscriber)
    else if (sink.unread() > maxUnread) this.#end(subscriber, "lagging")
  }

  #end(subscriber: Subscriber, comment?: string) {
    // It is removed first: a sink that throws must not be called again.
    this.#subscribers.delete(subscriber)
    try {
      subscriber.sink.end(comment)
    } catch (error) {
      this.#options.thrown(error)
    }
  }
}
