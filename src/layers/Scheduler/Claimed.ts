/** Schedules as their owners make, see and change them, and the loop that claims what is due. */
import { Effect, Either, Layer } from "effect"
import { Conflict, type Invalid, LimitReached, type NotFound } from "../../domain/Errors.ts"
import type { Fire } from "../../domain/Fire.ts"
import { AgentId, FireId, ScheduleId, type UserId } from "../../domain/Ids.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import {
  isReadable,
  maxSchedules,
  minIntervalSeconds,
  type NextFires,
  type Schedule,
  type ScheduleState,
  type ScheduleView
} from "../../domain/Schedule.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Peers } from "../../services/Peers.ts"
import type { Rooms } from "../../services/Rooms.ts"
import { type Author, Scheduler } from "../../services/Scheduler.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import * as Changing from "./Changing.ts"
import { placeOf } from "./Plan.ts"
import * as Slots from "./Slots.ts"
import * as Ticking from "./Ticking.ts"

export interface Options {
  /** Shortest time between two fires of one schedule, in seconds. */
  readonly schedule_min_seconds: number
}

/** Sessions of a schedule that are read together when it is removed. */
const removeBatch = 50

const person: Author = { source: "USER", source_session_id: null }

const lost: ScheduleState = {
  status: "broken",
  status_reason: "Its record cannot be read. It can only be removed.",
  next_slot_at: null,
  next_fire_at: null,
  last_fire_at: null,
  fire_count: 0
}

const viewOf = (schedule: Schedule, state: ScheduleState | undefined): ScheduleView => ({
  ...schedule,
  ...(isReadable(schedule) && state !== undefined ? state : lost)
})

const unreadable = new Conflict({ code: "schedule_unreadable", detail: "The schedule cannot be read. Delete it." })

const nothing = (timezone: string): NextFires => ({ timezone, next: [], clock_changes: [] })

export const make = Effect.fnUntraced(function*({ schedule_min_seconds }: Options) {
  const storage = yield* Storage
  const store = yield* ScheduleStore
  const hub = yield* SessionHub
  const models = yield* Models
  const newId = yield* NewId
  const { run, wake } = yield* Ticking.make

  /** What a request's body names is wrong in the body, so it is `Invalid` and says where. */
  const inBody = (path: string) => <A>(found: Effect.Effect<A, NotFound | Invalid>): Effect.Effect<A, Invalid> =>
    Effect.catchTag(found, "NotFound", ({ detail }) => Changing.invalid({ path, message: detail }))

  const checkModel = (owner: UserId, config: ChatModelConfig) =>
    inBody("chat_model_config.credential_id")(models.check(owner, config, "chat_model_config"))

  const view = (schedule: Schedule) =>
    Effect.map(store.states([schedule.id]), (states) => viewOf(schedule, states.get(schedule.id)))

  const put = (schedule: Schedule, fires: number, now: number) => {
    const { next, reason, slot, status } = placeOf(schedule, fires, now)
    return store.put({ id: schedule.id, owner: schedule.user_id, status, reason, slot, next })
  }

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
    plan: Effect.fnUntraced(function*(owner, draft, author = person) {
      const now = yield* store.now
      const { timing } = yield* Changing.read(draft, now, schedule_min_seconds)
      yield* inBody("agent_id")(storage.agents.get(owner, draft.agent_id))
      yield* checkModel(owner, draft.chat_model_config)
      const at = timestampOf(now)
      const schedule: Schedule = {
        id: ScheduleId.make(newId.record(now)),
        user_id: owner,
        agent_id: AgentId.make(draft.agent_id),
        created_at: at,
        updated_at: at,
        data: Changing.dataOf(draft, timing, author)
      }
      const add = Effect.gen(function*() {
        const { total } = yield* Effect.orDie(storage.schedules.list(owner, { limit: 1, cursor: undefined }))
        if (total >= maxSchedules) {
          return yield* new LimitReached({
            code: "too_many_schedules",
            detail: `You have ${total} schedules, and may have ${maxSchedules}. Delete some first.`
          })
        }
        // The agent may go in this moment; then nothing is left of the schedule either.
        yield* Effect.orDie(storage.schedules.insert(schedule))
        yield* put(schedule, 0, now)
      })
      return { schedule, add }
    }),
    get: (owner, id) => Effect.flatMap(storage.schedules.get(owner, id), view),
    list: Effect.fnUntraced(function*(owner, page) {
      const { items, ...rest } = yield* storage.schedules.list(owner, page)
      const states = yield* store.states(items.map(({ id }) => id))
      return { items: items.map((schedule) => viewOf(schedule, states.get(schedule.id))), ...rest }
    }),
    change: Effect.fnUntraced(function*(owner, id, patch) {
      const before = yield* storage.schedules.get(owner, id)
      if (!isReadable(before)) return yield* unreadable
      if (patch.chat_model_config != null) yield* checkModel(owner, patch.chat_model_config)
      const now = yield* store.now
      yield* Changing.patched(before.data, patch, now, schedule_min_seconds)
      const after = yield* storage.transaction(Effect.gen(function*() {
        // Read again inside: another change may have come in between, and this one adds to it.
        const current = yield* storage.schedules.get(owner, id)
        const data = yield* Changing.patched(current.data, patch, now, schedule_min_seconds)
        const changed = yield* storage.schedules.modify(owner, id, (schedule) => ({
          ...schedule,
          updated_at: timestampOf(now),
          data
        }))
        const state = (yield* store.states([changed.id])).get(changed.id)
        // A slot that is due just now and not claimed yet must not be lost by a change that has nothing to do with it.
        const isStill = state?.status === "active" && !Changing.movesIt(current.data, data)
        if (!isStill) yield* put(changed, state?.fire_count ?? 0, now)
        return changed
      }))
      yield* wake
      return yield* view(after)
    }),
    remove: Effect.fnUntraced(function*(owner, id) {
      const schedule = yield* storage.schedules.get(owner, id)
      // No new session may be made while those that are there go.
      yield* store.put({ id: schedule.id, owner, status: "paused", reason: null, slot: null, next: null })
      yield* forgetSessions(owner, schedule.id)
      yield* storage.schedules.remove(owner, schedule.id)
      // A fire that was on its way may have made one more.
      yield* forgetSessions(owner, schedule.id)
    }),
    trigger: Effect.fnUntraced(function*(owner, id) {
      const schedule = yield* storage.schedules.get(owner, id)
      if (!isReadable(schedule)) return yield* unreadable
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
    next: Effect.fnUntraced(function*(owner, id, count) {
      const schedule = yield* storage.schedules.get(owner, id)
      const { fire_count, next_slot_at, status } = yield* view(schedule)
      const { data } = schedule
      const slots = Either.getOrUndefined(Slots.of(data))
      if (status !== "active" || next_slot_at === null || slots === undefined) return nothing(data.timezone)
      const left = data.max_fires === null ? count : Math.min(count, data.max_fires - fire_count)
      // From the slot that is not claimed yet, whatever the clock says.
      return Slots.preview(data, slots, Date.parse(next_slot_at) - 1, left)
    }),
    preview: Effect.fnUntraced(function*(input, count) {
      const now = yield* store.now
      const { slots, timing } = yield* Changing.read(input, now, schedule_min_seconds)
      return Slots.preview(timing, slots, now, count)
    }),
    wake,
    run
  })
})

type Needed = Storage | ScheduleStore | SessionHub | Models | Rooms | Peers

export const layerWith = (options: Options): Layer.Layer<Scheduler, never, Needed> =>
  Layer.effect(Scheduler, make(options))

export const layer: Layer.Layer<Scheduler, never, Needed> = layerWith({ schedule_min_seconds: minIntervalSeconds })
