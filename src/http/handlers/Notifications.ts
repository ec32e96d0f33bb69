import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { present, presentDelivery } from "../../domain/Notification.ts"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { Notifier } from "../../services/Notifier.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import { NotificationCreated } from "../api/Notifications.ts"
import { created } from "./Created.ts"

export const layer = HttpApiBuilder.group(Api, "notifications", (handlers) =>
  Effect.gen(function*() {
    const { deliveries, notifications } = yield* Storage
    const notifier = yield* Notifier
    const { once } = yield* Idempotency
    const owner = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams }) {
          const { items, ...rest } = yield* notifications.list(yield* owner, urlParams)
          return { notifications: items.map(present), ...rest }
        })
      )
      .handle(
        "create",
        Effect.fnUntraced(function*({ headers, payload }) {
          const user_id = yield* owner
          const answer = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: "POST /notification",
              body: payload,
              answer: NotificationCreated,
              isSecret: true
            },
            Effect.fnUntraced(function*({ keep }) {
              const { add, notification, secret } = yield* notifier.plan(user_id, payload)
              return yield* keep(Effect.as(add, {
                notification_id: notification.id,
                // One that was given is known already.
                secret: payload.secret === undefined ? secret : null
              }))
            })
          )
          yield* notifier.added(user_id)
          return created(answer, `/notification/${answer.notification_id}`)
        })
      )
      .handle(
        "get",
        ({ path }) =>
          Effect.flatMap(owner, (user_id) => Effect.map(notifications.get(user_id, path.notification_id), present))
      )
      .handle("update", ({ path, payload }) =>
        Effect.flatMap(owner, (user_id) =>
          Effect.map(notifier.change(user_id, path.notification_id, payload), present)))
      .handle(
        "remove",
        ({ path }) =>
          Effect.flatMap(owner, (user_id) => notifier.remove(user_id, path.notification_id))
      )
      .handle("test", ({ path }) =>
        Effect.flatMap(owner, (user_id) =>
          Effect.map(notifier.test(user_id, path.notification_id), ({ id }) => ({ delivery_id: id }))))
      .handle(
        "deliveries",
        Effect.fnUntraced(function*({ path: { notification_id }, urlParams: { status, ...page } }) {
          const user_id = yield* owner
          yield* notifications.get(user_id, notification_id)
          const where = { notification_id, ...(status !== undefined && { status }) }
          const { items, ...rest } = yield* deliveries.list(user_id, page, where, "newest")
          return { deliveries: items.map(presentDelivery), ...rest }
        })
      )
      .handle(
        "resend",
        ({ path: { delivery_id, notification_id } }) =>
          Effect.flatMap(owner, (user_id) =>
            Effect.map(notifier.resend(user_id, notification_id, delivery_id), ({ id }) => ({ delivery_id: id })))
      )
  }))
