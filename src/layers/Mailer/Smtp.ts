/** Sends e-mails over SMTP, by nodemailer: https://nodemailer.com/smtp/. */
import { Data, Duration, Effect, Layer, Predicate, Redacted } from "effect"
import { Mailer, MailFailed } from "../../services/Mailer.ts"

export interface Options {
  /** `smtp://user:password@host:port`, or `smtps`. */
  readonly url: Redacted.Redacted
  /** The sender: an address, or `Name <address>`. */
  readonly from: string
}

/** Connections that are open at once, and how long each step may take. */
const maxConnections = 2
const stepTimeout = Duration.toMillis("10 seconds")
const timeout = Duration.seconds(40)

class Refused extends Data.TaggedError("Refused")<{ readonly cause: unknown }> {}

const statusOf = ({ cause }: Refused): number | null =>
  Predicate.hasProperty(cause, "responseCode") && typeof cause.responseCode === "number" ? cause.responseCode : null

/** Of SMTP's answers those from 500 on are for good, but not when it is the sender that is not let in. */
const failed = (refused: Refused): MailFailed => {
  const status = statusOf(refused)
  const isOurs = Predicate.hasProperty(refused.cause, "code") && refused.cause.code === "EAUTH"
  return new MailFailed({
    message: status === null
      ? "The mail server could not be reached."
      : isOurs
      ? "The mail server does not let this server in."
      : `The mail server refused the message with ${status}.`,
    status,
    isFinal: !isOurs && status !== null && status >= 500
  })
}

/** The domain of a sender's address, for ids of messages. */
const domainOf = (from: string): string => /@([A-Za-z0-9.-]+)>?$/.exec(from)?.[1] ?? "localhost"

/** Loads nodemailer with the first mail. */
const load = async (url: string) => {
  const { createTransport } = await import("nodemailer")
  return createTransport({
    url,
    pool: true,
    maxConnections,
    connectionTimeout: stepTimeout,
    greetingTimeout: stepTimeout,
    socketTimeout: stepTimeout,
    dnsTimeout: stepTimeout,
    // A mail is what we say, never a file or a page that its text names.
    disableFileAccess: true,
    disableUrlAccess: true
  })
}

const make = ({ from, url }: Options) =>
  Effect.gen(function*() {
    let loading: ReturnType<typeof load> | undefined
    yield* Effect.addFinalizer(() => Effect.promise(async () => loading && (await loading).close()))
    return Mailer.of({
      isThere: true,
      send: ({ id, subject, text, to }) =>
        Effect.tryPromise({
          try: async () => {
            const transport = await (loading ??= load(Redacted.value(url)))
            await transport.sendMail({ from, to, subject, text, messageId: `<${id}@${domainOf(from)}>` })
          },
          catch: (cause) => new Refused({ cause })
        }).pipe(
          Effect.mapError(failed),
          Effect.timeoutFail({
            duration: timeout,
            onTimeout: () =>
              new MailFailed({ message: "The mail server did not answer in time.", status: null, isFinal: false })
          })
        )
    })
  })

export const layer = (options: Options): Layer.Layer<Mailer> => Layer.scoped(Mailer, make(options))
