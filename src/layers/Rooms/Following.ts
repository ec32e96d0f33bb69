/**
 * Follows what other processes write into a session's log. While something of
 * this process waits for the log, nothing is read: its page is the one that
 * decides who owns the session, by colliding or not.
 */
import { Effect, type Scope } from "effect"
import { changesSession } from "../../domain/Event.ts"
import { eventsOf } from "../../domain/Frames.ts"
import type { SessionId } from "../../domain/Ids.ts"
import type { Run } from "../../domain/Run.ts"
import type { EventLog, LogPage } from "../../services/EventLog.ts"
import type { Kept } from "./Recent.ts"

/** Pages read from the log at a time. */
const readPages = 64

/** What was read at one moment. */
export interface Growth {
  readonly pages: ReadonlyArray<LogPage>
  /** Undefined where nothing has changed. */
  readonly open: ReadonlyArray<Run> | undefined
  readonly context: Kept | undefined
}

/** The room, as far as it is followed. */
export interface Followed {
  readonly session_id: SessionId
  readonly head: () => number
  readonly version: () => number
  /** Nothing is pending here, and the room is not dead. */
  readonly isIdle: () => boolean
  /** A run is active here, so that no other process may write. */
  readonly isDrivenHere: () => boolean
  readonly grown: Effect.Effect<Kept>
  readonly adopt: (growth: Growth) => void
  /** Another process owns the session. */
  readonly fence: () => void
}

export interface Options {
  readonly log: Pick<typeof EventLog.Service, "read" | "open">
  /** No other process can reach the log. */
  readonly alone: boolean
  readonly fork: (effect: Effect.Effect<void>) => void
}

/** Whether runs or the transcript have changed with these pages. */
const isChange = (pages: ReadonlyArray<LogPage>) =>
  pages.some(({ frames }) => eventsOf(frames).some(({ event }) => changesSession(event)))

export class Following {
  readonly #room: Followed
  readonly #options: Options
  readonly #turn = Effect.unsafeMakeSemaphore(1)
  /** How many hold the room and so need new pages at once. */
  #holders = 0
  /** Other processes may have written since it last caught up. */
  #isStale = false
  /** A fiber is about to catch up. */
  #isForked = false

  constructor(room: Followed, options: Options) {
    this.#room = room
    this.#options = options
  }

  isHeld = () => this.#holders > 0

  follow: Effect.Effect<void> = Effect.suspend(() => this.#options.alone ? Effect.void : this.#catchUp(true))

  hold: Effect.Effect<void, never, Scope.Scope> = Effect.suspend(() => {
    this.#holders++
    return Effect.addFinalizer(() => Effect.sync(() => this.#holders--))
  }).pipe(Effect.zipRight(Effect.suspend(() => this.#isStale ? this.#catchUp(false) : Effect.void)))

  /** Another process has written, or may have; a room that nobody holds looks when it is asked for. */
  catchUpSoon() {
    this.#isStale = true
    if (this.#holders === 0 || this.#isForked) return
    // This is set before the fork: one fiber is enough, however many notices come before it runs.
    this.#isForked = true
    this.#options.fork(this.#catchUp(false))
  }

  /** What was pending here is in the log: what others wrote after it may be read now. */
  idle() {
    if (this.#isStale) this.catchUpSoon()
  }

  /** Takes over pages that other processes wrote, as if they had been written here, and their runs; `runs` asks for the runs in any case. */
  #catchUp(runs: boolean): Effect.Effect<void> {
    const room = this.#room
    const { log } = this.#options
    return Effect.gen(this, function*() {
      // This is reset before reading: a notice that comes from now on may be about pages that this read misses.
      this.#isStale = false
      this.#isForked = false
      for (let isFirst = true;; isFirst = false) {
        const version = room.version()
        const head = room.head()
        const isUnchanged = () => room.isIdle() && room.version() === version && room.head() === head
        if (!isUnchanged()) return this.#later()
        const pages = yield* log.read(room.session_id, head, readPages)
        if (pages.length === 0 && !(runs && isFirst)) return
        const changed = isChange(pages)
        const open = changed || runs ? yield* log.open(room.session_id) : undefined
        const context = changed ? yield* room.grown : undefined
        // This is checked again after the last wait; there is no wait from here until all is taken over.
        if (!isUnchanged()) return this.#later()
        if (pages.length > 0 && (room.isDrivenHere() || pages[0]!.first_seq !== head + 1)) return room.fence()
        room.adopt({ pages, open, context })
        if (pages.length === 0) return
      }
    }).pipe(
      this.#turn.withPermits(1),
      Effect.catchAllCause((cause) => {
        this.#isStale = true
        return Effect.logDebug("A session's log cannot be followed now", cause)
      })
    )
  }

  #later() {
    this.#isStale = true
  }
}
