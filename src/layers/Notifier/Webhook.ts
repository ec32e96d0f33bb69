/** Webhooks, signed as the Standard Webhooks specification says: https://github.com/standard-webhooks/standard-webhooks. */
import { Clock, DateTime, Effect } from "effect"
import { Webhook } from "standardwebhooks"
import { Outbound } from "../../services/Outbound.ts"
import { post } from "./Http.ts"
import type { Sender } from "./Sender.ts"

export const make = Effect.map(
  Outbound,
  (outbound): Sender => ({ body, id }, { secret = "", url = "" }) =>
    Effect.flatMap(Clock.currentTimeMillis, (millis) =>
      post(outbound, url, body, {
        "webhook-id": id,
        "webhook-timestamp": String(Math.floor(millis / 1000)),
        "webhook-signature": new Webhook(secret).sign(id, DateTime.toDate(DateTime.unsafeMake(millis)), body)
      }))
)
