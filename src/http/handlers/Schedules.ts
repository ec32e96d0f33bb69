import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { CurrentPrincipal } from "../../domain/Principal.ts"
import { Idempotency } from "../../services/Idempotency.ts"
import { Scheduler } from "../../services/Scheduler.ts"
import { Api } from "../Api.ts"
import { ScheduleCreated, ScheduleTriggered } from "../api/Schedules.ts"
import { created } from "./Created.ts"

export const layer = HttpApiBuilder.group(Api, "schedules", (handlers) =>
  Effect.gen(function*() {
    const scheduler = yield* Scheduler
    const { once } = yield* Idempotency
    const owner = Effect.map(CurrentPrincipal, ({ user_id }) => user_id)

    const enable = (enabled: boolean) => ({ path }: { readonly path: { readonly schedule_id: string } }) =>
      Effect.flatMap(owner, (user_id) => scheduler.change(user_id, path.schedule_id, { enabled }))

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ urlParams }) {
          const { items, ...rest } = yield* scheduler.list(yield* owner, urlParams)
          return { schedules: items, ...rest }
        })
      )
      .handle(
        "create",
        Effect.fnUntraced(function*({ headers, payload }) {
          const user_id = yield* owner
          const { schedule_id } = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: "POST /schedule",
              body: payload,
              answer: ScheduleCreated
            },
            Effect.fnUntraced(function*({ keep }) {
              const { add, schedule } = yield* scheduler.plan(user_id, payload)
              return yield* keep(Effect.as(add, { schedule_id: schedule.id }))
            })
          )
          // The loop must not sleep beyond the first time of a schedule that it has not seen.
          yield* scheduler.wake
          return created({ schedule_id }, `/schedule/${schedule_id}`)
        })
      )
      .handle("preview", ({ urlParams: { count, ...timing } }) => scheduler.preview(timing, count))
      .handle("get", ({ path }) => Effect.flatMap(owner, (user_id) => scheduler.get(user_id, path.schedule_id)))
      .handle(
        "update",
        ({ path, payload }) => Effect.flatMap(owner, (user_id) => scheduler.change(user_id, path.schedule_id, payload))
      )
      .handle("remove", ({ path }) => Effect.flatMap(owner, (user_id) => scheduler.remove(user_id, path.schedule_id)))
      .handle(
        "sessions",
        Effect.fnUntraced(function*({ path, urlParams }) {
          const { items, ...rest } = yield* scheduler.sessions(yield* owner, path.schedule_id, urlParams)
          return { sessions: items, ...rest }
        })
      )
      .handle("pause", enable(false))
      .handle("resume", enable(true))
      .handle(
        "trigger",
        Effect.fnUntraced(function*({ headers, path: { schedule_id } }) {
          const user_id = yield* owner
          const triggered = yield* once(
            {
              owner: user_id,
              key: headers["idempotency-key"],
              request: `POST /schedule/${schedule_id}/trigger`,
              body: null,
              answer: ScheduleTriggered
            },
            ({ keep }) =>
              keep(Effect.map(scheduler.trigger(user_id, schedule_id), ({ id }) => ({ schedule_id, fire_id: id })))
          )
          yield* scheduler.wake
          return triggered
        })
      )
      .handle(
        "next",
        ({ path, urlParams }) =>
          Effect.flatMap(owner, (user_id) => scheduler.next(user_id, path.schedule_id, urlParams.count))
      )
      .handle(
        "fires",
        Effect.fnUntraced(function*({ path, urlParams: { status, ...page } }) {
          const { items, ...rest } = yield* scheduler.fires(yield* owner, path.schedule_id, page, status)
          return { fires: items, ...rest }
        })
      )
  }))
