/**
 * A session's stream that is kept open for as long as somebody wants it: through restarts of the server, a network that
 * goes and comes, a computer that slept. It ends only with what the server refuses for good.
 */
// oxlint-disable eslint/no-await-in-loop -- one connection after the other
// @effect-diagnostics globalTimers:off globalDate:off -- plain timers and the clock on the wall: pages load this without Effect
import { follow, isPassing, pause, type Seen } from "./Follow.ts"
import type { Requests } from "./Requests.ts"
import { asStoaError, type StoaError } from "./StoaError.ts"

/** Between the attempts of `follow`, which are quick and few, and the next ones: at first, and later on. */
const firstPause = 500
const longestPause = 30_000

/** A page that was hidden for longer comes back with a new connection: a computer that slept has lost the old one without a word. */
const longHidden = 30_000

export interface LinkState {
  /** `waiting` tries again by itself; `ended` does not. */
  readonly state: "connecting" | "live" | "waiting" | "ended"
  /** Why it is not live. */
  readonly error: StoaError | undefined
}

interface LinkOptions {
  readonly session: string
  readonly onEvent: (event: Seen) => void
  /** A connection is open that has no cursor: what was known before is not what it goes on from. */
  readonly onFresh: () => void
  readonly onState: (state: LinkState) => void
}

/** Reasons for which this side leaves a connection. */
const again = Symbol("again")

/** What a page has, and Node has not. */
interface Page {
  readonly addEventListener?: (type: string, listener: () => void) => void
  readonly removeEventListener?: (type: string, listener: () => void) => void
  readonly document?: {
    readonly visibilityState: string
    readonly addEventListener: (type: string, listener: () => void) => void
    readonly removeEventListener: (type: string, listener: () => void) => void
  }
}

const page = globalThis as Page

/** Calls when the network is back, and when the page is seen again after a while. */
const onWaking = (wake: () => void): () => void => {
  const { document } = page
  let hiddenAt: number | undefined
  const look = () => {
    if (document?.visibilityState === "hidden") hiddenAt = Date.now()
    else if (hiddenAt !== undefined && Date.now() - hiddenAt > longHidden) wake()
  }
  page.addEventListener?.("online", wake)
  document?.addEventListener("visibilitychange", look)
  return () => {
    page.removeEventListener?.("online", wake)
    document?.removeEventListener("visibilitychange", look)
  }
}

/** The server does not have the events after the cursor, so all is to be read anew. */
const isCursorRefused = ({ code }: StoaError) => code === "cursor_gone" || code === "cursor_ahead"

export class Link {
  private readonly requests: Pick<Requests, "open" | "url">
  private readonly options: LinkOptions
  private connection = new AbortController()
  private leaving: AbortController | undefined
  private cursor: number | undefined
  /** Connections in a row that brought nothing. */
  private failures = 0

  constructor(requests: Pick<Requests, "open" | "url">, options: LinkOptions) {
    this.requests = requests
    this.options = options
  }

  /** Goes on after the last event that came. */
  start() {
    if (this.leaving !== undefined) return
    const leaving = new AbortController()
    this.leaving = leaving
    const sleepless = onWaking(() => this.connection.abort(again))
    void this.keep(leaving.signal).finally(() => {
      sleepless()
      if (this.leaving === leaving) this.leaving = undefined
    })
  }

  stop() {
    this.leaving?.abort()
    this.leaving = undefined
  }

  /** Makes the connection again, after this event. */
  restart(after: number) {
    this.cursor = after
    this.connection.abort(again)
  }

  /** What was seen counts for nothing: the next connection has no cursor. */
  forget() {
    this.cursor = undefined
  }

  /** What has to go with the connection has failed: it is lost with it. */
  fail(error: StoaError) {
    this.forget()
    this.connection.abort(error)
  }

  private async keep(leaving: AbortSignal) {
    const { onState } = this.options
    onState({ state: "connecting", error: undefined })
    while (!leaving.aborted) {
      const error = await this.connect(leaving)
      if (error === undefined) continue
      if (this.cursor !== undefined && isCursorRefused(error)) {
        this.cursor = undefined
        continue
      }
      if (!isPassing(error)) {
        onState({ state: "ended", error })
        return
      }
      onState({ state: "waiting", error })
      this.connection = new AbortController()
      const millis = Math.min(firstPause * 2 ** this.failures++, longestPause)
      // Whoever wakes it ends the wait.
      await pause(millis, AbortSignal.any([leaving, this.connection.signal])).catch(() => {})
    }
  }

  /** Resolves with what ended the connection; undefined when this side did. */
  private async connect(leaving: AbortSignal): Promise<StoaError | undefined> {
    const { onEvent, onFresh, onState, session } = this.options
    const connection = new AbortController()
    this.connection = connection
    try {
      const events = follow(this.requests, {
        session,
        after: this.cursor,
        isExpected: true,
        signal: AbortSignal.any([leaving, connection.signal]),
        onOpen: () => {
          if (this.cursor === undefined) onFresh()
          onState({ state: "live", error: undefined })
        },
        onLost: (error) => onState({ state: "waiting", error })
      })
      for await (const event of events) {
        // Some may be here already when the connection is left: the next one brings them again.
        if (leaving.aborted || connection.signal.aborted) break
        this.cursor = event.seq
        this.failures = 0
        onEvent(event)
      }
      throw connection.signal.reason
    } catch (cause) {
      const reason: unknown = connection.signal.aborted ? connection.signal.reason : cause
      return leaving.aborted || reason === again ? undefined : asStoaError(reason)
    }
  }
}
