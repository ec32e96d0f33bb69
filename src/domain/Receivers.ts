/** Where the notifications of definitions go. */
import { Schema } from "effect"
import { WebhookSecret } from "./Notification.ts"

/** Most named receivers of a server. */
const maxReceivers = 64

/** Receivers that definitions name, with what is secret of them: the operator's settings say where they are. */
export const Receivers = Schema.Array(
  Schema.Struct({
    name: Schema.String.pipe(Schema.pattern(/^[\w.-]{1,64}$/)),
    url: Schema.Redacted(
      Schema.String.pipe(
        Schema.maxLength(2_048),
        Schema.pattern(/^https?:\/\/[^\s#]+$/),
        Schema.filter((url) => URL.canParse(url))
      )
    ),
    /** What a webhook's messages are signed with. */
    secret: Schema.optional(Schema.Redacted(WebhookSecret))
  }).annotations({ parseOptions: { onExcessProperty: "error" } })
).pipe(
  Schema.maxItems(maxReceivers),
  Schema.filter((all) => new Set(all.map(({ name }) => name)).size === all.length || "Expected each name once")
)
export type Receivers = typeof Receivers.Type
