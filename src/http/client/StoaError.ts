/** The one error that the promises of a client and of an embedded host are rejected with. */
import type { Reply } from "./Run.ts"

interface Details {
  readonly status?: number | undefined
  readonly retryAfter?: number | undefined
  readonly reply?: Reply | undefined
  readonly cause?: unknown
}

/** `message` is a sentence for people. */
export class StoaError extends Error {
  override readonly name = "StoaError"
  /**
   * The server's word, such as `not_found` and `session_busy`; of a run that failed its own, such as `context_length`. Of
   * this side: `unreachable`, `aborted`, `timeout`, `closed`, `unexpected_answer`, `misused`, `internal`.
   */
  readonly code: string
  /** The HTTP status of a refusal; undefined for what is none. */
  readonly status: number | undefined
  /** Seconds after which another attempt makes sense, when the server has named them. */
  readonly retryAfter: number | undefined
  /** What there is of the reply of a run that failed. */
  readonly reply: Reply | undefined

  constructor(code: string, message: string, { cause, reply, retryAfter, status }: Details = {}) {
    super(message, cause === undefined ? {} : { cause })
    this.code = code
    this.status = status
    this.retryAfter = retryAfter
    this.reply = reply
  }
}

export const aborted = (reason: unknown): StoaError =>
  new StoaError("aborted", "The call was aborted by its signal.", { cause: reason })

/** An answer that breaks the protocol. */
export const unexpected = (cause: unknown): StoaError =>
  new StoaError("unexpected_answer", "The answer is not what a Stoa server of this version says.", { cause })

/** Every failure of a client as a `StoaError`. */
export const asStoaError = (error: unknown): StoaError =>
  error instanceof StoaError
    ? error
    : new StoaError(
      "internal",
      error instanceof Error && error.message !== "" ? error.message : "Something unexpected happened.",
      { cause: error }
    )
