/** Many changes, told once: before the page is painted next, or soon where nothing is painted. */
// @effect-diagnostics globalTimers:off -- plain timers: pages load this without Effect

/** Milliseconds between two tellings where nothing is painted: one frame. */
const frame = 16

interface Page {
  readonly document?: { readonly visibilityState: string }
  readonly requestAnimationFrame?: (call: () => void) => unknown
}

const page = globalThis as Page

/** Calls once, however often it is asked to before that. A page that is hidden is not painted, and is told all the same. */
export const inNextFrame = (call: () => void): () => void => {
  let isAsked = false
  const run = () => {
    if (!isAsked) return
    isAsked = false
    call()
  }
  return () => {
    if (isAsked) return
    isAsked = true
    if (page.document?.visibilityState === "visible") page.requestAnimationFrame?.(run)
    // A page that is hidden in this moment is never painted.
    setTimeout(run, page.document?.visibilityState === "visible" ? frame * 10 : frame)
  }
}
