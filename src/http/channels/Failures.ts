/** What went wrong with a run, as the errors that every answer can tell of. */
import {
  type Conflict,
  Gone,
  Internal,
  Invalid,
  LimitReached,
  Malformed,
  ProviderFailed,
  Unauthenticated,
  Unavailable
} from "../../domain/Errors.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import type { RunError } from "../../domain/RunError.ts"

/** What a run can end with beside an answer. */
export type Failure = Conflict | Internal | Invalid | LimitReached | ProviderFailed | Unavailable

/** What the run itself came to, and not the reading of it. */
export const isFailure = (error: Failure | Gone | Malformed | Unauthenticated): error is Failure =>
  !(error instanceof Gone || error instanceof Malformed || error instanceof Unauthenticated)

const ofError = ({ code, message: detail, type }: RunError): Failure => {
  switch (type) {
    case "rate_limit":
      return new LimitReached({ code, detail })
    case "invalid_request":
    case "setup":
      return new Invalid({ code, detail })
    case "internal":
      return new Internal({ code, detail })
    default:
      return new ProviderFailed({ code, detail })
  }
}

const stopped = new Invalid({ code: "cancelled", detail: "The run was stopped before its end." })

/** The failure that the end of a run tells of; undefined when it has an answer. */
export const problemOf = (event: AgentEvent): Failure | undefined => {
  if (event.type !== "REPLY_END") return undefined
  if (event.error !== null && event.finished_reason === "error") return ofError(event.error)
  return event.finished_reason === "interrupted" ? stopped : undefined
}

/** The stream was ended before its run: by the server, or because the client did not read. */
export const cutShort = (comment: string | undefined) =>
  new Unavailable({
    code: comment === "lagging" ? "lagging" : "interrupted",
    detail: comment === "lagging"
      ? "The stream was ended because it was not read."
      : "The server ended the stream before its run: it is stopping, or another process goes on with the run.",
    retry_after: 2
  })
