/** Turns what happened into messages: one for each notification that is about it. */
import { Duration, Effect, Option, Schema } from "effect"
import type { NotFound } from "../../domain/Errors.ts"
import type { Fire } from "../../domain/Fire.ts"
import { DeliveryId, FireId, RunId, type Timestamp, type UserId } from "../../domain/Ids.ts"
import { type Job, newJob } from "../../domain/Job.ts"
import { type Delivery, type Notification, NotificationEvent } from "../../domain/Notification.ts"
import type { Receivers } from "../../domain/Receivers.ts"
import type { Run } from "../../domain/Run.ts"
import { EventLog } from "../../services/EventLog.ts"
import { done, type JobHandler } from "../../services/Jobs.ts"
import { JobStore } from "../../services/JobStore.ts"
import { Storage } from "../../services/Storage.ts"
import * as Defined from "./Defined.ts"
import { messageOf, type Subject, type Words } from "./Message.ts"

export const noticeKind = "notice"
export const deliveryKind = "delivery"

/** What a job of this kind says. */
const Notice = Schema.Struct({
  event: NotificationEvent,
  run_id: Schema.optional(RunId),
  fire_id: Schema.optional(FireId)
})

/** Notifications that are read together. */
const batch = 100

/** What can fail here is storage; it comes back. */
const pauses = [Duration.seconds(5), Duration.seconds(30), Duration.minutes(5), Duration.hours(1), Duration.hours(6)]

const decode = Schema.decodeUnknownOption(Notice)

/** The job that brings a message; `name` is another one each time that it is sent. */
export const jobOf = ({ id, user_id }: Delivery, name: string, at: Timestamp): Job =>
  newJob(`${id}.${name}`, user_id, deliveryKind, { delivery_id: id }, at)

/** A message that was not sent yet. */
export const deliveryOf = (
  notification: Notification,
  id: DeliveryId,
  subject: Subject,
  words: Words = {}
): Delivery => {
  const { at, event, fire, run, schedule } = subject
  return {
    id,
    user_id: notification.user_id,
    created_at: at,
    updated_at: at,
    notification_id: notification.id,
    event,
    agent_id: run?.agent_id ?? fire?.agent_id ?? null,
    session_id: run?.session_id ?? null,
    run_id: run?.id ?? null,
    schedule_id: schedule?.id ?? fire?.schedule_id ?? null,
    fire_id: fire?.id ?? null,
    target: notification.target,
    status: "pending",
    attempts: [],
    next_attempt_at: at,
    delivered_at: null,
    ...messageOf(notification, subject, words)
  }
}

/** Those that the owner has made. */
export const ownIn = ({ notifications }: Pick<typeof Storage.Service, "notifications">) =>
  Effect.fnUntraced(function*(owner: UserId) {
    const found: Array<Notification> = []
    let cursor: string | undefined
    do {
      const page = yield* Effect.orDie(notifications.list(owner, { limit: batch, cursor }))
      found.push(...page.items.filter(({ definition }) => definition === undefined))
      cursor = page.next_cursor ?? undefined
    } while (cursor !== undefined)
    return found
  })

const isAbout = (notification: Notification, { event, fire, run, schedule }: Subject): boolean => {
  const { agent_id, enabled, events, schedule_id, session_id } = notification
  return enabled && event !== "test" && events.includes(event)
    && (agent_id === null || agent_id === (run?.agent_id ?? fire?.agent_id))
    && (schedule_id === null || schedule_id === (schedule?.id ?? fire?.schedule_id))
    && (session_id === null || session_id === run?.session_id)
}

export const make = Effect.fnUntraced(function*(receivers: Receivers) {
  const storage = yield* Storage
  const defined = yield* Defined.make(receivers)
  const own = ownIn(storage)
  const log = yield* EventLog
  const jobs = yield* JobStore

  /** What is gone by now is left out. */
  const some = <A>(found: Effect.Effect<A, NotFound>) => Effect.map(Effect.option(found), Option.getOrUndefined)

  const replyOf = Effect.fnUntraced(function*({ reply_id, session_id }: Run) {
    const seq = yield* log.placeOf(session_id, reply_id)
    if (seq === undefined) return undefined
    const { messages } = yield* log.older(session_id, seq + 1, { limit: 1, bytes: 1 })
    return messages[0]?.message
  })

  const aboutRun = Effect.fnUntraced(function*(owner: UserId, event: NotificationEvent, id: RunId, at: Timestamp) {
    const run = yield* some(storage.runs.get(owner, id))
    if (run === undefined) return undefined
    const fire = run.source === "schedule" && run.source_id !== null
      ? yield* some(storage.fires.get(owner, run.source_id))
      : undefined
    return yield* withNames(owner, { event, at, run, fire, reply: yield* replyOf(run) })
  })

  const aboutFire = Effect.fnUntraced(function*(owner: UserId, event: NotificationEvent, id: FireId, at: Timestamp) {
    const fire = yield* some(storage.fires.get(owner, id))
    return fire === undefined
      ? undefined
      : yield* withNames(owner, { event, at, run: undefined, reply: undefined, fire })
  })

  const withNames = Effect.fnUntraced(function*(
    owner: UserId,
    subject: Omit<Subject, "agent" | "schedule" | "fire"> & { readonly fire: Fire | undefined }
  ) {
    const { fire, run } = subject
    const agent_id = run?.agent_id ?? fire?.agent_id
    return {
      ...subject,
      agent: agent_id === undefined ? undefined : yield* some(storage.agents.get(owner, agent_id)),
      schedule: fire === undefined ? undefined : yield* some(storage.schedules.get(owner, fire.schedule_id))
    } satisfies Subject
  })

  const handler: JobHandler = {
    kind: noticeKind,
    timeout: Duration.seconds(30),
    pauses,
    work: Effect.fnUntraced(function*({ created_at: at, id, payload, user_id: owner }) {
      const notice = Option.getOrUndefined(decode(payload))
      if (notice === undefined) return { result: "dead", error: "Its payload cannot be read." }
      const { event, fire_id, run_id } = notice
      const subject = run_id !== undefined
        ? yield* aboutRun(owner, event, run_id, at)
        : fire_id !== undefined
        ? yield* aboutFire(owner, event, fire_id, at)
        : undefined
      // Its session or its schedule was deleted meanwhile: there is nothing to tell.
      if (subject === undefined) return done
      const wanted = (yield* own(owner)).filter((notification) => isAbout(notification, subject))
      const all = [...wanted.map((notification) => ({ notification })), ...yield* defined(owner, subject)]
      const deliveries = all.map(({ notification, ...rest }) =>
        deliveryOf(notification, DeliveryId.make(`${id}.${notification.id}`), subject, rest)
      )
      if (deliveries.length === 0) return done
      return {
        result: "done",
        write: () =>
          Effect.forEach(deliveries, (delivery) =>
            storage.deliveries.insert(delivery).pipe(
              Effect.zipRight(jobs.add([jobOf(delivery, "first", at)])),
              // It is there from an earlier attempt, or its notification was deleted just now.
              Effect.catchTags({ Conflict: () => Effect.void, NotFound: () => Effect.void })
            ), { discard: true })
      }
    })
  }
  return handler
})
