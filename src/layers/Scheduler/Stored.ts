/** Schedules as their owners and their agents make, see and change them. */
import { Effect, Either, Layer } from "effect"
import { Conflict, type Invalid, LimitReached, type NotFound } from "../../domain/Errors.ts"
import { AgentId, ScheduleId, type UserId } from "../../domain/Ids.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import {
  isReadable,
  maxSchedules,
  minIntervalSeconds,
  type NextFires,
  type Schedule,
  type SchedulePatch,
  type ScheduleState,
  type ScheduleView
} from "../../domain/Schedule.ts"
import { Models } from "../../services/Models.ts"
import { NewId } from "../../services/NewId.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Author, Schedules } from "../../services/Schedules.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { Storage } from "../../services/Storage.ts"
import { definedScheduleId } from "../SameId.ts"
import * as Slots from "../Slots.ts"
import * as Changing from "./Changing.ts"
import { placeOf } from "./Plan.ts"

export interface Options {
  /** Shortest time between two fires of one schedule, in seconds. */
  readonly schedule_min_seconds: number
}

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

const unreadable = new Conflict({
  code: "schedule_unreadable",
  detail: "The schedule cannot be read. Delete it."
})

const gone = new Conflict({
  code: "schedule_undefined",
  detail: "The schedule is not defined any more, or not for you. It can only be removed."
})

/** Of what a definition says, its owner may change whether it fires. */
const refusalOf = ({ data: { definition, name } }: Schedule, patch: SchedulePatch): Conflict | undefined => {
  if (definition === undefined) return undefined
  if (definition.is_gone) return gone
  const isMore = Object.entries(patch).some(([field, value]) => field !== "enabled" && value !== undefined)
  return isMore
    ? new Conflict({
      code: "schedule_defined",
      detail: `The schedule '${name}' is defined by the operator, in agents/${definition.agent}/AGENT.md: `
        + "you may pause it, resume it and trigger it."
    })
    : undefined
}

/** Whether the schedule may fire: it can be read, and the operator has not taken it back. */
export const usable = (schedule: Schedule): Effect.Effect<Schedule, Conflict> =>
  !isReadable(schedule) ? unreadable : schedule.data.definition?.is_gone === true ? gone : Effect.succeed(schedule)

const nothing = (timezone: string): NextFires => ({ timezone, next: [], clock_changes: [] })

export const make = Effect.fnUntraced(function*({ schedule_min_seconds }: Options) {
  const storage = yield* Storage
  const store = yield* ScheduleStore
  const models = yield* Models
  const newId = yield* NewId

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

  return Schedules.of({
    plan: Effect.fnUntraced(function*(owner, draft, author = person) {
      const now = yield* store.now
      const { timing } = yield* Changing.read(draft, now, schedule_min_seconds)
      const agent = yield* inBody("agent_id")(storage.agents.get(owner, draft.agent_id))
      const config = yield* Changing.modelOf(draft, agent)
      if (config !== null) yield* checkModel(owner, config)
      const at = timestampOf(now)
      const schedule: Schedule = {
        id: ScheduleId.make(newId.record(now)),
        user_id: owner,
        agent_id: AgentId.make(draft.agent_id),
        created_at: at,
        updated_at: at,
        data: Changing.dataOf(draft, config, timing, author)
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
    defined: definedScheduleId,
    get: (owner, id) => Effect.flatMap(storage.schedules.get(owner, id), view),
    list: Effect.fnUntraced(function*(owner, page, of) {
      const { items, ...rest } = yield* storage.schedules.list(owner, page, of)
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
        const refusal = refusalOf(current, patch)
        if (refusal !== undefined) return yield* refusal
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
      return yield* view(after)
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
    })
  })
})

type Needed = Storage | ScheduleStore | Models

export const layerWith = (options: Options): Layer.Layer<Schedules, never, Needed> =>
  Layer.effect(Schedules, make(options))

export const layer: Layer.Layer<Schedules, never, Needed> = layerWith({ schedule_min_seconds: minIntervalSeconds })
