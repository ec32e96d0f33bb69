/** Incoming webhooks of Slack, and of what understands the same: https://api.slack.com/messaging/webhooks. */
import { Effect } from "effect"
import { Outbound } from "../../services/Outbound.ts"
import { post } from "./Http.ts"
import type { Sender } from "./Sender.ts"

/** The three characters by which Slack recognises links and mentions: nobody is paged by what a model says. */
const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

export const make = Effect.map(
  Outbound,
  (outbound): Sender => ({ text }, { url = "" }) => post(outbound, url, JSON.stringify({ text: escaped(text) }), {})
)
