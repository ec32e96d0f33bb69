/** Schedules with their fires, and the loop that claims what is due. */
import { Effect, Layer } from "effect"
import { Conflict } from "../../domain/Errors.ts"
import type { Fire } from "../../domain/Fire.ts"
import { FireId, type ScheduleId, type UserId } from "../../domain/Ids.ts"
import { isDefined, minIntervalSeconds, type Schedule } from "../../domain/Schedule.ts"
import type { Catalog } from "../../services/Catalog.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import type { OwnAgents } from "../../services/OwnAgents.ts"
import type { Peers } from "../../services/Peers.ts"
import type { Rooms } from "../../services/Rooms.ts"
import { Scheduler } from "../../services/Scheduler.ts"
import { Schedules } from "../../services/Schedules.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import * as Defined from "./Defined.ts"
import { type Options, usable } from "./Stored.ts"
import * as Ticking from "./Ticking.ts"

/** Sessions of a schedule that are read together when it is removed. */
const removeBatch = 50

/** It would be there again after the next start. */
const lasting = ({ data: { definition, name } }: Schedule) =>
  new Conflict({
    code: "cannot_delete_workspace_schedule",
    detail:
      `The schedule '${name}' is defined by the operator, in agents/${definition?.agent}/AGENT.md. It can be paused.`
  })

export const make = Effect.fnUntraced(function*(options: Options) {
  const storage = yield* Storage
  const store = yield* ScheduleStore
  const schedules = yield* Schedules
  const hub = yield* SessionHub
  const newId = yield* NewId
  const { run, wake } = yield* Ticking.make
  const follow = yield* Defined.make(options)

  /** Removes the sessions that its fires made. */
  const forgetSessions = Effect.fnUntraced(function*(owner: UserId, schedule_id: ScheduleId) {
    for (let more = true; more;) {
      const page = { limit: removeBatch, cursor: undefined }
      const { items } = yield* Effect.orDie(storage.sessions.list(owner, page, { schedule_id }))
      yield* Effect.forEach(items, (session) =>
        Effect.zipRight(
          hub.forget(session),
          Effect.catchTag(storage.sessions.remove(owner, session.id), "NotFound", () => Effect.void)
        ), { concurrency: 4, discard: true })
      more = items.length === removeBatch
    }
  })

  return Scheduler.of({
    ...schedules,
    change: (owner, id, patch) => Effect.zipLeft(schedules.change(owner, id, patch), wake),
    remove: Effect.fnUntraced(function*(owner, id) {
      const schedule = yield* storage.schedules.get(owner, id)
      if (isDefined(schedule)) return yield* lasting(schedule)
      // No new session may be made while those that are there go.
      yield* store.put({ id: schedule.id, owner, status: "paused", reason: null, slot: null, next: null })
      yield* forgetSessions(owner, schedule.id)
      yield* storage.schedules.remove(owner, schedule.id)
      // A fire that was on its way may have made one more.
      yield* forgetSessions(owner, schedule.id)
    }),
    trigger: Effect.fnUntraced(function*(owner, id) {
      const schedule = yield* Effect.flatMap(storage.schedules.get(owner, id), usable)
      const now = yield* store.now
      const at = timestampOf(now)
      const fire: Fire = {
        id: FireId.make(newId.record(now)),
        user_id: owner,
        schedule_id: schedule.id,
        agent_id: schedule.agent_id,
        created_at: at,
        updated_at: at,
        trigger: "manual",
        number: null,
        slot_at: at,
        due_at: at,
        status: "pending",
        reason: null,
        missed: 0,
        sent_at: null,
        lateness_ms: null,
        session_id: null,
        run_id: null,
        error: null,
        usage: null,
        started_at: null,
        ended_at: null,
        duration_ms: null
      }
      yield* store.add(fire)
      return fire
    }),
    fires: Effect.fnUntraced(function*(owner, id, page, status) {
      const schedule = yield* storage.schedules.get(owner, id)
      const where = { schedule_id: schedule.id, ...(status !== undefined && { status }) }
      return yield* storage.fires.list(owner, page, where, "newest")
    }),
    sessions: Effect.fnUntraced(function*(owner, id, page) {
      const schedule = yield* storage.schedules.get(owner, id)
      return yield* storage.sessions.list(owner, page, { schedule_id: schedule.id }, "newest")
    }),
    wake,
    run: Effect.raceFirst(run, follow)
  })
})

type Needed = Catalog | OwnAgents | Peers | Rooms | Schedules | ScheduleStore | SessionHub | Storage

export const layerWith = (options: Options): Layer.Layer<Scheduler, never, Needed> =>
  Layer.effect(Scheduler, make(options))

export const layer: Layer.Layer<Scheduler, never, Needed> = layerWith({ schedule_min_seconds: minIntervalSeconds })
