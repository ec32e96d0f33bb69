/** Brings messages to their receivers, again and again for about a day, and writes down how each attempt went. */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { DeliveryId, type UserId } from "../../domain/Ids.ts"
import type { Job } from "../../domain/Job.ts"
import {
  type Delivery,
  type DeliveryStatus,
  maxAttempts,
  type Notification,
  type NotificationKind
} from "../../domain/Notification.ts"
import { done, type JobHandler, type Outcome } from "../../services/Jobs.ts"
import { timestampOf } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"
import * as Email from "./Email.ts"
import { deliveryKind } from "./Noticing.ts"
import * as Sealed from "./Sealed.ts"
import type { Sender, Sent } from "./Sender.ts"
import * as Slack from "./Slack.ts"
import * as Webhook from "./Webhook.ts"

/** The pauses between attempts: ten attempts over a bit more than a day. */
const pauses = [
  Duration.seconds(5),
  Duration.seconds(30),
  Duration.minutes(5),
  Duration.minutes(30),
  Duration.hours(1),
  Duration.hours(2),
  Duration.hours(4),
  Duration.hours(8),
  Duration.hours(10)
]

/** Longer than any sender takes. */
const timeout = Duration.minutes(1)

const Payload = Schema.Struct({ delivery_id: DeliveryId })
const decodePayload = Schema.decodeUnknownOption(Payload)

const unreadable: Sent = {
  result: "refused",
  status: null,
  error: "The stored address cannot be opened with this server's key: give it again."
}

const statusOf = (job: Job, { result }: Sent): DeliveryStatus =>
  result === "delivered" ? "delivered" : result === "refused" ? "refused" : job.status === "dead" ? "failed" : "pending"

const results = { delivered: "done", failed: "again", refused: "dead" } as const

export const make = Effect.gen(function*() {
  const { deliveries, notifications } = yield* Storage
  const { open } = yield* Sealed.make
  const senders: Record<NotificationKind, Sender> = {
    webhook: yield* Webhook.make,
    slack: yield* Slack.make,
    email: yield* Email.make
  }

  const send = (notification: Notification, delivery: Delivery): Effect.Effect<Sent> =>
    Effect.matchEffect(open(notification), {
      onFailure: () => Effect.succeed(unreadable),
      onSuccess: (target) => senders[notification.kind](delivery, target)
    })

  /** One that a receiver has no use for any more is switched off, unless its owner has changed it meanwhile. */
  const switchOff = ({ id, updated_at, user_id }: Notification) =>
    Effect.ignore(
      notifications.modify(user_id, id, (now) =>
        now.updated_at === updated_at
          ? { ...now, enabled: false, disabled_reason: "The receiver answered 410: it wants no more messages." }
          : now)
    )

  const attempted = (
    owner: UserId,
    id: DeliveryId,
    attempt: Delivery["attempts"][number],
    status: DeliveryStatus,
    job: Job
  ) =>
    Effect.ignore(deliveries.modify(owner, id, (now) => ({
      ...now,
      status,
      attempts: [...now.attempts, attempt].slice(-maxAttempts),
      next_attempt_at: status === "pending" ? job.run_at : null,
      delivered_at: status === "delivered" ? attempt.at : null,
      updated_at: job.updated_at
    })))

  const handler: JobHandler = {
    kind: deliveryKind,
    timeout,
    pauses,
    work: Effect.fnUntraced(function*({ payload, user_id: owner }) {
      const named = Option.getOrUndefined(decodePayload(payload))
      if (named === undefined) return { result: "dead", error: "Its payload cannot be read." }
      const delivery = Option.getOrUndefined(yield* Effect.option(deliveries.get(owner, named.delivery_id)))
      // With its notification it is gone; and one that was delivered was sent by another job. One that was given up goes
      // on when somebody tries its job again.
      if (delivery === undefined || delivery.status === "delivered") return done
      const found = yield* Effect.option(notifications.get(owner, delivery.notification_id))
      if (Option.isNone(found)) return done
      const began = yield* Clock.currentTimeMillis
      const sent = yield* send(found.value, delivery)
      const duration_ms = Math.max(0, (yield* Clock.currentTimeMillis) - began)
      const attempt = { at: timestampOf(began), duration_ms, status: sent.status, error: sent.error }
      return {
        result: results[sent.result],
        ...(sent.error !== null && { error: sent.error }),
        ...(sent.retryAfter !== undefined && { pause: sent.retryAfter }),
        write: (job) =>
          Effect.zipRight(
            attempted(owner, delivery.id, attempt, statusOf(job, sent), job),
            sent.isGone === true ? switchOff(found.value) : Effect.void
          )
      } satisfies Outcome
    }),
    unended: (job) => {
      const named = Option.getOrUndefined(decodePayload(job.payload))
      if (named === undefined) return Effect.void
      const attempt = { at: job.updated_at, duration_ms: 0, status: null, error: job.error }
      const status = job.status === "dead" ? "failed" : "pending"
      return attempted(job.user_id, named.delivery_id, attempt, status, job)
    }
  }
  return handler
})
