/** No server for mails is known. */
import { Effect, Layer } from "effect"
import { Mailer, MailFailed } from "../../services/Mailer.ts"

export const layer: Layer.Layer<Mailer> = Layer.succeed(Mailer, {
  isThere: false,
  send: () => Effect.fail(new MailFailed({ message: "This server sends no e-mails.", status: null, isFinal: false }))
})
