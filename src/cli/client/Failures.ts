/** Why a server gives no answer, or none of the kind that was asked for. */
import { Data } from "effect"

/** The server refused the request. */
export class Refused extends Data.TaggedError("Refused")<{
  /** From 400 to 599. */
  readonly status: number
  /** The server's word for it, such as `not_found`; `http_<status>` when it says none. */
  readonly code: string
  /** A sentence for people, which names the fields that are wrong. */
  readonly message: string
  /** Seconds, when the server named them. */
  readonly retryAfter: number | undefined
}> {}

/** There was no answer. */
export class Unreachable extends Data.TaggedError("Unreachable")<{
  /** Whether nothing listens at the address. */
  readonly isRefused: boolean
  /** The system's code, such as `ECONNRESET`; `closed` for a host of this process that has been closed. */
  readonly code?: string | undefined
  readonly message: string
}> {}
