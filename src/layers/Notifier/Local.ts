/** Notifications as their owners make, change and try them. */
import { Clock, Effect, Layer } from "effect"
import { Conflict, type Invalid, LimitReached, NotFound } from "../../domain/Errors.ts"
import { DeliveryId, NotificationId, type UserId } from "../../domain/Ids.ts"
import {
  defaultEvents,
  type Delivery,
  maxNotifications,
  type Notification,
  type NotificationDraft
} from "../../domain/Notification.ts"
import { Jobs } from "../../services/Jobs.ts"
import { JobStore } from "../../services/JobStore.ts"
import { Mailer } from "../../services/Mailer.ts"
import { NewId } from "../../services/NewId.ts"
import { Notifier } from "../../services/Notifier.ts"
import { timestampOf } from "../../services/Now.ts"
import { Outbound } from "../../services/Outbound.ts"
import { Storage } from "../../services/Storage.ts"
import type { Vault } from "../../services/Vault.ts"
import { check, invalid } from "./Checking.ts"
import { deliveryOf, jobOf, ownIn } from "./Noticing.ts"
import * as Sealed from "./Sealed.ts"
import { Wanting } from "./Wanting.ts"

type Scope = Pick<NotificationDraft, "agent_id" | "schedule_id" | "session_id">

export const make = Effect.gen(function*() {
  const storage = yield* Storage
  const jobs = yield* JobStore
  const { wake } = yield* Jobs
  const { opened, seal } = yield* Sealed.make
  const wanting = yield* Wanting
  const newId = yield* NewId
  const reach = { mailer: yield* Mailer, outbound: yield* Outbound }

  /** What a request's body names is wrong in the body, so it is `Invalid` and says where. */
  const inBody = (path: string, found: Effect.Effect<unknown, NotFound>): Effect.Effect<void, Invalid> =>
    Effect.asVoid(Effect.catchTag(found, "NotFound", ({ detail }) => Effect.fail(invalid(path, detail))))

  const checkScope = ({ agent_id, schedule_id, session_id }: Scope, owner: UserId) =>
    Effect.all([
      agent_id == null ? Effect.void : inBody("agent_id", storage.agents.get(owner, agent_id)),
      schedule_id == null ? Effect.void : inBody("schedule_id", storage.schedules.get(owner, schedule_id)),
      session_id == null ? Effect.void : inBody("session_id", storage.sessions.get(owner, session_id))
    ], { discard: true })

  const own = ownIn(storage)

  const now = Effect.map(Clock.currentTimeMillis, timestampOf)

  /** One that the owner has made. */
  const mine = (owner: UserId, id: string) =>
    Effect.flatMap(
      storage.notifications.get(owner, id),
      (found): Effect.Effect<Notification, Conflict> =>
        found.definition === undefined ? Effect.succeed(found) : new Conflict({
          code: "notification_defined",
          detail: `The notification is defined by the operator, in agents/${found.definition}/AGENT.md.`
        })
    )

  /** It is sent beside the jobs that there were for it. */
  const queue = (delivery: Delivery) =>
    Effect.flatMap(
      Clock.currentTimeMillis,
      (millis) => jobs.add([jobOf(delivery, newId.record(millis), delivery.updated_at)])
    )

  return Notifier.of({
    plan: Effect.fnUntraced(function*(owner, draft) {
      yield* checkScope(draft, owner)
      const { shown, target } = yield* check(reach, draft.kind, draft)
      const millis = yield* Clock.currentTimeMillis
      const at = timestampOf(millis)
      const id = NotificationId.make(newId.record(millis))
      const notification: Notification = {
        id,
        user_id: owner,
        created_at: at,
        updated_at: at,
        name: draft.name,
        kind: draft.kind,
        events: draft.events ?? defaultEvents,
        agent_id: draft.agent_id ?? null,
        schedule_id: draft.schedule_id ?? null,
        session_id: draft.session_id ?? null,
        template: draft.template ?? null,
        enabled: draft.enabled ?? true,
        disabled_reason: null,
        target: shown,
        sealed: yield* seal({ id, user_id: owner }, target)
      }
      const add = Effect.gen(function*() {
        const total = (yield* own(owner)).length
        if (total >= maxNotifications) {
          return yield* new LimitReached({
            code: "too_many_notifications",
            detail: `You have ${total} notifications, and may have ${maxNotifications}. Delete some first.`
          })
        }
        yield* Effect.orDie(storage.notifications.insert(notification))
      })
      return { notification, secret: ("secret" in target ? target.secret : undefined) ?? null, add }
    }),
    added: wanting.add,
    change: Effect.fnUntraced(function*(owner, id, { secret, to, url, ...patch }) {
      const before = yield* mine(owner, id)
      yield* checkScope(patch, owner)
      const isMoved = secret !== undefined || to !== undefined || url !== undefined
      const moved = isMoved
        ? yield* check(reach, before.kind, { secret, to, url }, yield* opened(before))
        : undefined
      const sealed = moved === undefined ? undefined : yield* seal(before, moved.target)
      const at = yield* now
      return yield* storage.notifications.modify(owner, id, (current) => ({
        ...current,
        ...(patch.name !== undefined && { name: patch.name }),
        ...(patch.events !== undefined && { events: patch.events }),
        ...(patch.agent_id !== undefined && { agent_id: patch.agent_id }),
        ...(patch.schedule_id !== undefined && { schedule_id: patch.schedule_id }),
        ...(patch.session_id !== undefined && { session_id: patch.session_id }),
        ...(patch.template !== undefined && { template: patch.template }),
        // Switched on again, or sent somewhere else, it begins anew.
        ...(patch.enabled !== undefined && { enabled: patch.enabled, disabled_reason: null }),
        ...(moved !== undefined && sealed !== undefined && { target: moved.shown, sealed }),
        updated_at: at
      }))
    }),
    remove: (owner, id) => Effect.zipRight(mine(owner, id), storage.notifications.remove(owner, id)),
    test: Effect.fnUntraced(function*(owner, id) {
      const notification = yield* mine(owner, id)
      const millis = yield* Clock.currentTimeMillis
      const delivery = deliveryOf(notification, DeliveryId.make(newId.record(millis)), {
        event: "test",
        at: timestampOf(millis),
        agent: undefined,
        run: undefined,
        reply: undefined,
        schedule: undefined,
        fire: undefined
      })
      yield* storage.transaction(
        Effect.zipRight(Effect.catchTag(storage.deliveries.insert(delivery), "Conflict", Effect.die), queue(delivery))
      )
      // Not before it is there for the loop to find.
      yield* wake
      return delivery
    }),
    resend: Effect.fnUntraced(function*(owner, id, delivery_id) {
      const at = yield* now
      const sent = yield* storage.transaction(Effect.gen(function*() {
        const before = yield* storage.deliveries.get(owner, delivery_id)
        // Whose path it is asked for under must be its own.
        yield* storage.notifications.get(owner, id)
        if (before.notification_id !== id) return yield* NotFound.of("Delivery", delivery_id)
        if (before.status === "pending") {
          return yield* new Conflict({
            code: "delivery_pending",
            detail: "The message is on its way already. Wait until it is delivered or given up."
          })
        }
        const delivery = yield* storage.deliveries.modify(owner, delivery_id, (current) => ({
          ...current,
          status: "pending",
          next_attempt_at: at,
          delivered_at: null,
          updated_at: at
        }))
        yield* queue(delivery)
        return delivery
      }))
      yield* wake
      return sent
    })
  })
})

export const layer: Layer.Layer<
  Notifier,
  never,
  Storage | JobStore | Jobs | Vault | Wanting | Mailer | Outbound
> = Layer.effect(Notifier, make)
