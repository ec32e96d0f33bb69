/** Schedules to put into a host, and what becomes of them. */
import { Effect, Schema } from "effect"
import { type Fire, isOpen } from "../../src/domain/Fire.ts"
import type { Schedule } from "../../src/domain/Schedule.ts"
import { ScheduleDraft } from "../../src/domain/Schedule.ts"
import type { Session } from "../../src/domain/Session.ts"
import { timestampOf } from "../../src/services/Now.ts"
import { Scheduler } from "../../src/services/Scheduler.ts"
import { ScheduleStore } from "../../src/services/ScheduleStore.ts"
import { conversation } from "./hub.ts"
import { eventually } from "./live.ts"

/** An owner with an agent, a credential and a session of its own. */
export type Owner = Session

export const owner: ReturnType<typeof conversation> = conversation()

type Changes = Partial<typeof ScheduleDraft.Encoded>

/** Once a day, the last time a second ago, unless `changes` say otherwise; it tells the agent `say hello`. */
export const scheduled = Effect.fnUntraced(function*(who: Owner, changes: Changes = {}) {
  const scheduler = yield* Scheduler
  const store = yield* ScheduleStore
  const daily = {
    interval_seconds: 86_400,
    started_at: timestampOf((yield* store.now) - 864_000_000 - 1_000)
  }
  const draft = yield* Schema.decode(ScheduleDraft)({
    name: "Digest",
    description: "say hello",
    agent_id: who.agent_id,
    chat_model_config: who.config.chat_model_config!,
    ...(changes.interval_seconds === undefined && changes.cron_expression === undefined && daily),
    ...changes
  })
  const { add, schedule } = yield* scheduler.plan(who.user_id, draft)
  yield* add
  return schedule
})

/** Makes it look as if nobody had looked at it for so many milliseconds. */
export const overdue = (schedule: Schedule, millis = 50_000) =>
  Effect.flatMap(ScheduleStore, (store) =>
    Effect.flatMap(store.now, (now) =>
      store.put({
        id: schedule.id,
        owner: schedule.user_id,
        status: "active",
        reason: null,
        slot: now - millis,
        next: now - millis
      })))

/** All its fires, oldest first. */
export const firesOf = (schedule: Schedule) =>
  Effect.flatMap(Scheduler, (scheduler) =>
    Effect.map(
      scheduler.fires(schedule.user_id, schedule.id, { limit: 200, cursor: undefined }),
      ({ items }) => items.toReversed()
    ))

/** Its fires once there are so many and none is open. */
export const settled = (schedule: Schedule, count: number) =>
  eventually(
    `${count} fires have ended`,
    firesOf(schedule),
    (fires: ReadonlyArray<Fire>) => fires.length >= count && !fires.some(isOpen)
  )

export const viewOf = (schedule: Schedule) =>
  Effect.flatMap(Scheduler, (scheduler) => scheduler.get(schedule.user_id, schedule.id))
