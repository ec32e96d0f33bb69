import { Context, Data, type Effect } from "effect"

export interface Mail {
  /** Goes into its `Message-ID`: a mail that is sent again has the same. */
  readonly id: string
  readonly to: string
  readonly subject: string
  readonly text: string
}

/** A mail was not taken. `message` is of our own words. */
export class MailFailed extends Data.TaggedError("MailFailed")<{
  readonly message: string
  /** What the mail server answered; null when it did not. */
  readonly status: number | null
  /** It will not be taken later either. */
  readonly isFinal: boolean
}> {}

/** Sends e-mails. */
export class Mailer extends Context.Tag("stoa/services/Mailer")<Mailer, {
  /** Whether there is a server for mails. */
  readonly isThere: boolean
  readonly send: (mail: Mail) => Effect.Effect<void, MailFailed>
}>() {}
