/** Whom to tell when something happens to a run or a schedule, and what became of each message. */
import { Schema } from "effect"
import { AgentId, DeliveryId, FireId, NotificationId, RunId, ScheduleId, SessionId, Timestamp, UserId } from "./Ids.ts"
import type { Run } from "./Run.ts"

/** Notifications that an owner may have. */
export const maxNotifications = 50

/** What a message is about. A run waits for a person's answer or for a client's tool; a fire of a schedule is missed when it has no run. */
export const NotificationEvent = Schema.Literal(
  "run.completed",
  "run.failed",
  "run.interrupted",
  "run.waiting",
  "schedule.missed"
)
export type NotificationEvent = typeof NotificationEvent.Type

export const NotificationKind = Schema.Literal("webhook", "slack", "email")
export type NotificationKind = typeof NotificationKind.Type

const name = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(200))
const events = Schema.Array(NotificationEvent).pipe(Schema.minItems(1), Schema.maxItems(5))
const template = Schema.String.pipe(Schema.maxLength(4_000))
const url = Schema.String.pipe(Schema.maxLength(2_048))
export const MailAddress = Schema.String.pipe(
  Schema.pattern(/^[^\s@<>,;:"()[\]\\\u0000-\u001f]{1,64}@[A-Za-z0-9.-]{1,253}$/, {
    message: () => "Expected an e-mail address such as ada@example.com"
  })
)
/** What a webhook's messages are signed with. */
export const WebhookSecret = Schema.String.pipe(
  Schema.pattern(/^whsec_[A-Za-z0-9+/]{32,86}={0,2}$/, {
    message: () => "Expected whsec_ and the base64 of 24 to 64 bytes"
  })
)

/** What narrows a notification: to an agent, a schedule, a session. Null is all of them. */
const scope = {
  agent_id: Schema.NullOr(AgentId),
  schedule_id: Schema.NullOr(ScheduleId),
  session_id: Schema.NullOr(SessionId)
}

const record = {
  id: NotificationId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  name,
  kind: NotificationKind,
  events,
  ...scope,
  /** The text of its messages; without it each event has one of its own. */
  template: Schema.NullOr(template),
  enabled: Schema.Boolean,
  /** Why the server has switched it off. */
  disabled_reason: Schema.NullOr(Schema.String),
  /** Where its messages go, without what is secret: no query of an address, and no path of Slack's. */
  target: Schema.String,
  /** The agent whose definition says it; left out of those that somebody has made. */
  definition: Schema.optionalWith(Schema.String, { exact: true })
}

/** As it is stored: the whole address, and what messages are signed with, are sealed. */
export const Notification = Schema.Struct({ ...record, sealed: Schema.String })
export interface Notification extends Schema.Schema.Type<typeof Notification> {}

export const NotificationRecord = Schema.Struct(record).annotations({ identifier: "NotificationRecord" })
export type NotificationRecord = typeof NotificationRecord.Type

export const present = ({ sealed: _, ...rest }: Notification): NotificationRecord => rest

/** What is sealed. */
export const Target = Schema.Struct({
  /** Of a webhook, and of Slack. */
  url: Schema.optional(Schema.String),
  /** What a webhook's messages are signed with. */
  secret: Schema.optional(Schema.String),
  /** Of an e-mail. */
  to: Schema.optional(Schema.String)
})
export type Target = typeof Target.Type

const draft = {
  name,
  kind: NotificationKind,
  url: Schema.optional(url),
  to: Schema.optional(MailAddress),
  secret: Schema.optional(WebhookSecret),
  events: Schema.optional(events),
  agent_id: Schema.optional(scope.agent_id),
  schedule_id: Schema.optional(scope.schedule_id),
  session_id: Schema.optional(scope.session_id),
  template: Schema.optional(Schema.NullOr(template)),
  enabled: Schema.optional(Schema.Boolean)
}

/** A webhook and Slack have a `url`, an e-mail an address in `to`. */
export const NotificationDraft = Schema.Struct(draft).annotations({ identifier: "NotificationDraft" })
export type NotificationDraft = typeof NotificationDraft.Type

export const NotificationPatch = Schema.partial(Schema.Struct(draft).omit("kind")).annotations({
  identifier: "NotificationPatch"
})
export type NotificationPatch = typeof NotificationPatch.Type

/** What one is told of that names no events: all but what somebody stopped. */
export const defaultEvents: ReadonlyArray<NotificationEvent> = [
  "run.completed",
  "run.failed",
  "run.waiting",
  "schedule.missed"
]

/**
 * `pending` will be tried, or tried again. `delivered` was taken by the receiver. `failed` was tried as often as
 * messages are, and can be sent again by hand. `refused` was refused for good: by the receiver, or by this server.
 */
export const DeliveryStatus = Schema.Literal("pending", "delivered", "failed", "refused")
export type DeliveryStatus = typeof DeliveryStatus.Type

const DeliveryAttempt = Schema.Struct({
  at: Timestamp,
  duration_ms: Schema.Int,
  /** The receiver's answer: a status of HTTP or of SMTP; null when there was none. */
  status: Schema.NullOr(Schema.Int),
  /** Why it is no success, in words of ours. */
  error: Schema.NullOr(Schema.String)
}).annotations({ identifier: "DeliveryAttempt" })

/** Attempts that a delivery remembers; older ones are left out. */
export const maxAttempts = 20

const delivery = {
  id: DeliveryId,
  user_id: UserId,
  created_at: Timestamp,
  updated_at: Timestamp,
  notification_id: NotificationId,
  event: Schema.Union(NotificationEvent, Schema.Literal("test")),
  agent_id: Schema.NullOr(AgentId),
  session_id: Schema.NullOr(SessionId),
  run_id: Schema.NullOr(RunId),
  schedule_id: Schema.NullOr(ScheduleId),
  fire_id: Schema.NullOr(FireId),
  /** As the notification had it. */
  target: Schema.String,
  status: DeliveryStatus,
  /** Oldest first. */
  attempts: Schema.Array(DeliveryAttempt),
  next_attempt_at: Schema.NullOr(Timestamp),
  delivered_at: Schema.NullOr(Timestamp)
}

/** One message to one receiver, as it is stored: each attempt sends the same bytes. */
export const Delivery = Schema.Struct({
  ...delivery,
  subject: Schema.String,
  text: Schema.String,
  /** The body of a webhook. */
  body: Schema.String
})
export interface Delivery extends Schema.Schema.Type<typeof Delivery> {}

export const DeliveryRecord = Schema.Struct({
  ...delivery,
  /** What it says. */
  text: Schema.String
}).annotations({ identifier: "DeliveryRecord" })
export type DeliveryRecord = typeof DeliveryRecord.Type

export const presentDelivery = ({ body: _, subject: __, ...rest }: Delivery): DeliveryRecord => rest

/** What there is to tell of a run as it is now; undefined while it goes on. */
export const eventOf = ({ error, finished_reason, status }: Run): NotificationEvent | undefined => {
  if (status === "awaiting_permission" || status === "awaiting_external_result") return "run.waiting"
  if (status !== "ended") return undefined
  if (finished_reason === "interrupted") return "run.interrupted"
  return error !== null || finished_reason === "error" ? "run.failed" : "run.completed"
}
