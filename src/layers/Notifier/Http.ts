/** Posts a message to an address that a tenant has named, through the guard. */
import { Data, Duration, Effect, Predicate } from "effect"
import type { Outbound } from "../../services/Outbound.ts"
import { OutboundRefused } from "../../services/Outbound.ts"
import type { Sent } from "./Sender.ts"

/** Longest time for an answer. */
const timeout = Duration.seconds(15)

/** Longest pause that a receiver may ask for. */
const maxRetryAfter = Duration.hours(1)

class Unreached extends Data.TaggedError("Unreached")<{ readonly cause: unknown }> {}

/** What is wrong now may be right later: a timeout, a conflict, too early, too many, and everything of the receiver's own. */
const isPassing = (status: number) =>
  status === 408 || status === 409 || status === 425 || status === 429 || status >= 500

/** In seconds, as receivers say it; a date is not looked at. */
const retryAfterOf = (response: Response): Pick<Sent, "retryAfter"> => {
  const [, seconds] = /^(\d{1,6})$/.exec(response.headers.get("retry-after") ?? "") ?? []
  return seconds === undefined ? {} : { retryAfter: Duration.min(Duration.seconds(Number(seconds)), maxRetryAfter) }
}

const sentOf = (response: Response): Sent => {
  const { status } = response
  if (status >= 200 && status < 300) return { result: "delivered", status, error: null }
  if (status === 410) return { result: "refused", status, error: "The receiver wants no more messages.", isGone: true }
  return isPassing(status)
    ? { result: "failed", status, error: `The receiver answered ${status}.`, ...retryAfterOf(response) }
    : { result: "refused", status, error: `The receiver refused the message with ${status}.` }
}

/** A wrong address or a redirect stays wrong; what a name leads to is nobody's business. */
const refusalOf = ({ cause }: Unreached): Sent => {
  const inner = Predicate.hasProperty(cause, "cause") ? cause.cause : undefined
  if (!(inner instanceof OutboundRefused)) {
    return { result: "failed", status: null, error: "The receiver could not be reached." }
  }
  switch (inner.code) {
    case "address_not_allowed":
      return { result: "refused", status: null, error: "The address is not allowed by this server." }
    case "redirect_not_followed":
      return { result: "refused", status: null, error: "The receiver answered with a redirect, which is not followed." }
    case "response_too_large":
      return { result: "failed", status: null, error: "The receiver's answer was too large." }
  }
}

/** The answer's body is not read: its status says everything. */
export const post = (
  { fetch }: typeof Outbound.Service,
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>
): Effect.Effect<Sent> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(url, {
        method: "POST",
        body,
        signal,
        headers: { "content-type": "application/json", "user-agent": "Stoa", ...headers }
      })
      await response.body?.cancel()
      return sentOf(response)
    },
    catch: (cause) => new Unreached({ cause })
  }).pipe(
    Effect.catchTag("Unreached", (error) => Effect.succeed(refusalOf(error))),
    Effect.timeoutTo({
      duration: timeout,
      onSuccess: (sent) => sent,
      onTimeout: (): Sent => ({
        result: "failed",
        status: null,
        error: `The receiver did not answer within ${Duration.toSeconds(timeout)} seconds.`
      })
    })
  )
