/** An input that arrives once, however often it has to be sent. */
// oxlint-disable eslint/no-await-in-loop -- one attempt after the other
import type { Accepted, ChatRequest } from "../../domain/Chat.ts"
import { isNobody, isPassing, pause, pauseBefore } from "./Follow.ts"
import type { Requests } from "./Requests.ts"
import { asStoaError } from "./StoaError.ts"

/** How many times an input is sent at most, and for how many milliseconds. */
const maxSends = 8
const sendTimeout = 60_000

/** A key that no other input has. Pages without TLS have no `randomUUID`. */
export const newKey = (): string =>
  Array.from(globalThis.crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join(
    ""
  )

export interface SendOptions {
  /** 1 to 255 characters; the same key with the same input gives the same run. */
  readonly key: string
  /** There was no answer; it will be sent again. */
  readonly onLost?: (() => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Resolves once the input is durable. It is sent again when there was no answer: whether it has arrived is not known
 * then, and its key makes that harmless. A server that is not there at all is not waited for, and neither is a full queue.
 */
export const send = async (
  { asked }: Pick<Requests, "asked">,
  body: typeof ChatRequest.Encoded,
  { key, onLost, signal }: SendOptions
): Promise<Accepted> => {
  const since = performance.now()
  for (let attempt = 1;; attempt++) {
    try {
      return await asked<Accepted>("POST", "/chat", {
        headers: { prefer: "respond-async", "idempotency-key": key },
        body,
        signal
      })
    } catch (cause) {
      const error = asStoaError(cause)
      const isOver = attempt === maxSends || performance.now() - since > sendTimeout
      if (isOver || !isPassing(error) || error.status === 429 || (attempt === 1 && isNobody(error))) throw error
      if (attempt === 1) onLost?.()
      await pause(pauseBefore(attempt, error), signal)
    }
  }
}
