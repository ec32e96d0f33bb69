/** Keeps where schedules are in this process. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { Fire, isOpen } from "../../domain/Fire.ts"
import { type FireId, ScheduleId, SessionId, type Timestamp, UserId } from "../../domain/Ids.ts"
import { StoredRun } from "../../domain/Older.ts"
import { Schedule, type ScheduleState } from "../../domain/Schedule.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Advance, ScheduleStore, type StateInput } from "../../services/ScheduleStore.ts"
import { type Row, tables } from "../../services/Storage.ts"
import { fairly } from "../Fair.ts"
import * as Listeners from "../Listeners.ts"
import { type Store, Tables } from "../Memory/Tables.ts"

/** A state as it is kept; times are in milliseconds. */
interface Kept extends StateInput {
  readonly revision: number
  readonly last: number | null
  readonly fires: number
}

const isKept = (data: object): data is Kept => "revision" in data

const rowOf = (kept: Kept): Row => ({
  id: kept.id,
  owner: kept.owner,
  created_at: "",
  updated_at: "",
  columns: { schedule_id: kept.id },
  data: kept
})

const fireRow = (fire: Fire): Row => ({
  id: fire.id,
  owner: fire.user_id,
  created_at: fire.created_at,
  updated_at: fire.updated_at,
  columns: { schedule_id: fire.schedule_id, status: fire.status },
  data: fire
})

const timeOf = (millis: number | null): Timestamp | null => millis === null ? null : timestampOf(millis)

const decodeFire = Schema.decodeUnknownOption(Fire)
const decodeSchedule = Schema.decodeUnknownOption(Schedule)
const decodeRun = Schema.decodeUnknownOption(StoredRun)

const make = Effect.map(Tables, (store: Store) => {
  /** Who sends a pending fire, and when it may be taken. */
  const sending = new Map<FireId, { readonly sender: string | undefined; readonly at: number }>()

  const statesIn = () => store.rows("schedule_states").where({}).flatMap(({ data }) => isKept(data) ? [data] : [])
  const stateIn = (id: ScheduleId): Kept | undefined => {
    const data = store.rows("schedule_states").byId.get(id)?.data
    return data !== undefined && isKept(data) ? data : undefined
  }
  const putState = (kept: Kept) => store.put(tables.schedule_states, rowOf(kept))
  const putFire = (fire: Fire) => store.put(tables.fires, fireRow(fire))
  const firesIn = (filter: Readonly<Record<string, string>>): ReadonlyArray<Fire> =>
    store.rows("fires").where(filter).flatMap(({ data }) => Option.toArray(decodeFire(data)))
      .toSorted((a, b) => a.id < b.id ? -1 : 1)
  const pending = () => firesIn({ status: "pending" })
  const sendAt = ({ id }: Fire) => sending.get(id)?.at ?? 0
  const open = () => [...firesIn({ status: "running" }), ...firesIn({ status: "waiting" })]
  const runOf = ({ run_id }: Fire) =>
    run_id === null ? undefined : Option.getOrUndefined(decodeRun(store.rows("runs").byId.get(run_id)?.data))

  const minimum = (numbers: ReadonlyArray<number>) =>
    numbers.length === 0 ? undefined : numbers.reduce((a, b) => Math.min(a, b))

  const advance = ({ due, fires, next, reason, slot, status }: Advance): boolean => {
    const kept = stateIn(due.id)
    if (kept?.status !== "active" || kept.next !== due.next || kept.revision !== due.revision) return false
    const counted = fires.filter(({ number }) => number !== null)
    const last = counted.at(-1)
    putState({
      ...kept,
      status,
      reason,
      slot,
      next,
      last: last === undefined ? kept.last : Date.parse(last.slot_at),
      fires: kept.fires + counted.length
    })
    const known = new Set(
      firesIn({ schedule_id: due.id }).filter(({ trigger }) => trigger === "clock").map(({ slot_at }) => slot_at)
    )
    for (const fire of fires) if (!known.has(fire.slot_at)) putFire(fire)
    return true
  }

  const changed = Listeners.make()

  return ScheduleStore.of({
    now: Clock.currentTimeMillis,
    states: (ids) =>
      store.run(() =>
        new Map(ids.flatMap((id): ReadonlyArray<readonly [ScheduleId, ScheduleState]> => {
          const kept = stateIn(id)
          return kept === undefined ? [] : [[id, {
            status: kept.status,
            status_reason: kept.reason,
            next_slot_at: timeOf(kept.slot),
            next_fire_at: timeOf(kept.next),
            last_fire_at: timeOf(kept.last),
            fire_count: kept.fires
          }]]
        }))
      ),
    put: (state) =>
      store.run(() => {
        const kept = stateIn(state.id)
        putState({ last: null, fires: 0, ...kept, ...state, revision: (kept?.revision ?? 0) + 1 })
        changed.call()
      }),
    break: (id, reason) =>
      store.run(() => {
        const kept = stateIn(id)
        if (kept?.status === "active") putState({ ...kept, status: "broken", reason, slot: null, next: null })
      }),
    listen: changed.listen,
    look: Effect.flatMap(Clock.currentTimeMillis, (now) =>
      store.run(() => ({
        now,
        next_fire: minimum(
          statesIn().flatMap(({ next, status }) => status === "active" && next !== null ? [next] : [])
        ),
        next_send: minimum(pending().map(sendAt)),
        has_open: open().length > 0,
        senders: [...new Set(pending().flatMap(({ id }) => sending.get(id)?.sender ?? []))]
      }))),
    due: (limit) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        store.run(() => {
          const due = statesIn()
            .flatMap((kept) =>
              kept.status === "active" && kept.next !== null && kept.next <= now
                ? [{ ...kept, next: kept.next, slot: kept.slot ?? kept.next }]
                : []
            )
            .toSorted((a, b) => a.next - b.next)
          return fairly(due, limit, limit).map(({ fires, id, next, owner, revision, slot }) => ({
            id: ScheduleId.make(id),
            owner: UserId.make(owner),
            schedule: Option.getOrUndefined(decodeSchedule(store.rows("schedules").byId.get(id)?.data)),
            slot,
            next,
            revision,
            fires
          }))
        })),
    advance: (moves) => store.transaction(store.run(() => new Set(moves.filter(advance).map(({ due }) => due.id)))),
    add: (fire) => Effect.map(store.run(() => putFire(fire)), changed.call),
    take: ({ lease, limit, maxRunning, perOwner, sender, without }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        store.run(() => {
          const running = new Map<UserId, number>()
          for (const { user_id } of firesIn({ status: "running" })) {
            running.set(user_id, (running.get(user_id) ?? 0) + 1)
          }
          const ready = pending()
            .filter((fire) =>
              sendAt(fire) <= now && !without.includes(fire.user_id) &&
              (running.get(fire.user_id) ?? 0) < maxRunning
            )
            .map((fire) => ({ owner: fire.user_id, fire }))
          const taken = fairly(ready, limit, perOwner).map(({ fire }) => fire)
          for (const { id } of taken) sending.set(id, { sender, at: now + lease })
          return taken
        })),
    release: (senders) =>
      store.run(() => {
        for (const [id, { sender }] of sending) if (sender !== undefined && senders.includes(sender)) sending.delete(id)
      }),
    postpone: (id, millis) =>
      Effect.flatMap(
        Clock.currentTimeMillis,
        (now) => Effect.sync(() => void sending.set(id, { sender: undefined, at: now + millis }))
      ),
    write: (fire, before) =>
      store.run(() => {
        if (store.rows("fires").byId.get(fire.id)?.columns["status"] !== before) return false
        if (fire.status !== "pending") sending.delete(fire.id)
        putFire(fire)
        return true
      }),
    ahead: ({ id, schedule_id }, limit) =>
      store.run(() =>
        firesIn({ schedule_id }).filter((fire) => fire.id < id && fire.trigger === "clock" && isOpen(fire)).slice(
          0,
          limit
        )
      ),
    before: ({ id, schedule_id }) =>
      store.run(() => firesIn({ schedule_id }).findLast((fire) => fire.id < id && !isOpen(fire))),
    changed: (limit) =>
      store.run(() =>
        open().flatMap((fire) => {
          const run = runOf(fire)
          const isParked = run?.status.startsWith("awaiting") === true
          const isSame = run !== undefined && run.status !== "ended" && isParked === (fire.status === "waiting")
          return isSame ? [] : [{ fire, run }]
        }).slice(0, limit)
      ),
    surplus: (schedule_id, keep, limit) =>
      store.run(() =>
        store.rows("sessions").where({ schedule_id }).toSorted((a, b) => a.id < b.id ? 1 : -1).slice(keep)
          .filter(({ id }) =>
            store.rows("runs").where({ session_id: id }).every(({ columns }) => columns["status"] === "ended")
          )
          .slice(0, limit).map(({ id }) => SessionId.make(id))
      ),
    prune: (schedule_id, keep) =>
      store.run(() => {
        const old = firesIn({ schedule_id }).toReversed().slice(keep).filter((fire) => !isOpen(fire))
        for (const fire of old) store.drop(tables.fires, fireRow(fire))
      })
  })
})

export const layer: Layer.Layer<ScheduleStore, never, Tables> = Layer.effect(ScheduleStore, make)
