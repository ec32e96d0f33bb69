/** Hooks as webhooks: what an operator's settings say of them. */
import { Schema } from "effect"

/** Points that a webhook can be asked at, or told of. */
export const WebhookPoint = Schema.Literal(
  "run.before",
  "run.after",
  "model.before",
  "model.after",
  "tool.before",
  "tool.after",
  "session.created",
  "server.start",
  "server.stop"
)
export type WebhookPoint = typeof WebhookPoint.Type

/** Most webhooks of a server. */
const maxWebhooks = 32

/** Longest time for one answer, in seconds, and the usual one. */
const maxSeconds = 10
export const defaultSeconds = 5

/** Signs what is sent, as the Standard Webhooks specification says: the base64 of 24 to 64 bytes. */
const secret = Schema.String.pipe(Schema.pattern(/^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/))

const webhook = Schema.Struct({
  /** For the log; the address's host without it. */
  name: Schema.optional(Schema.String.pipe(Schema.pattern(/^[\w .-]{1,64}$/))),
  url: Schema.Redacted(Schema.String.pipe(
    Schema.pattern(/^https?:\/\/[^\s#]{1,2000}$/),
    Schema.filter((url) => URL.canParse(url))
  )),
  secret: Schema.Redacted(secret),
  points: Schema.Array(WebhookPoint).pipe(Schema.minItems(1), Schema.maxItems(WebhookPoint.literals.length)),
  /** Without its answer the run, the model call or the tool call is refused. */
  required: Schema.optional(Schema.Boolean),
  /** Seconds that it may take for one answer. */
  timeout: Schema.optional(Schema.Number.pipe(Schema.between(0.1, maxSeconds)))
}).annotations({ parseOptions: { onExcessProperty: "error" } })

export const Webhooks = Schema.Array(webhook).pipe(Schema.maxItems(maxWebhooks))
export type Webhook = typeof webhook.Type
