/** What is asked for again and again while somebody looks: a list that tells no events of its own. */
// @effect-diagnostics globalTimers:off -- plain timers: pages load this without Effect
import type { Calling } from "./Requests.ts"
import { asStoaError, type StoaError } from "./StoaError.ts"

/** Longest pause after answers that failed, in milliseconds. */
const longestPause = 30_000

export interface PolledSnapshot<A> {
  /** The last answer that came. */
  readonly value: A | undefined
  /** Why the last question failed; undefined when it did not. */
  readonly error: StoaError | undefined
}

interface Page {
  readonly document?: {
    readonly visibilityState: string
    readonly addEventListener: (type: string, listener: () => void) => void
    readonly removeEventListener: (type: string, listener: () => void) => void
  }
}

/** Asks at once and then `every` so many milliseconds, one question at a time; a page that is hidden asks nothing. */
export const polled = <A>(ask: (calling: Calling) => Promise<A>, every: number) => {
  const { document } = globalThis as Page
  const listeners = new Set<() => void>()
  let snapshot: PolledSnapshot<A> = { value: undefined, error: undefined }
  let failures = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let asking: AbortController | undefined

  const tell = (next: PolledSnapshot<A>) => {
    snapshot = next
    for (const listener of listeners) listener()
  }

  const refresh = async (): Promise<void> => {
    clearTimeout(timer)
    asking?.abort()
    const own = new AbortController()
    asking = own
    try {
      const value = await ask({ signal: own.signal })
      if (own.signal.aborted) return
      failures = 0
      tell({ value, error: undefined })
    } catch (error) {
      if (own.signal.aborted) return
      failures++
      tell({ value: snapshot.value, error: asStoaError(error) })
    }
    asking = undefined
    if (listeners.size > 0) timer = setTimeout(look, Math.min(every * 2 ** failures, Math.max(every, longestPause)))
  }

  const look = () => {
    if (asking === undefined && document?.visibilityState !== "hidden") void refresh()
  }

  const onVisibility = () => {
    if (document?.visibilityState === "visible") look()
  }

  return {
    getSnapshot: (): PolledSnapshot<A> => snapshot,

    subscribe: (listener: () => void): () => void => {
      const own = () => listener()
      listeners.add(own)
      if (listeners.size === 1) {
        document?.addEventListener("visibilitychange", onVisibility)
        look()
      }
      return () => {
        listeners.delete(own)
        if (listeners.size > 0) return
        document?.removeEventListener("visibilitychange", onVisibility)
        clearTimeout(timer)
        asking?.abort()
        asking = undefined
      }
    },

    /** Asks now. */
    refresh
  }
}
