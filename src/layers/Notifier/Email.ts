/** E-mails through the server that the settings name. */
import { Effect } from "effect"
import { Mailer } from "../../services/Mailer.ts"
import type { Sender, Sent } from "./Sender.ts"

const delivered: Sent = { result: "delivered", status: 250, error: null }

export const make = Effect.map(
  Mailer,
  (mailer): Sender => ({ id, subject, text }, { to = "" }) =>
    mailer.send({ id, to, subject, text }).pipe(
      Effect.as(delivered),
      Effect.catchAll(({ isFinal, message, status }) =>
        Effect.succeed<Sent>({ result: isFinal ? "refused" : "failed", status, error: message })
      )
    )
)
