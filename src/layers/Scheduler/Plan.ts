/** How a schedule goes on whose time has come: which of its slots fire, which are left out, and when the next one is. */
import { Either } from "effect"
import type { Fire, FireStatus } from "../../domain/Fire.ts"
import type { FireId } from "../../domain/Ids.ts"
import type { Schedule, ScheduleStatus } from "../../domain/Schedule.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Advance, Due } from "../../services/ScheduleStore.ts"
import * as Slots from "../Slots.ts"

/** A slot that is claimed later than this, in milliseconds, was missed; its schedule says what becomes of it. */
export const missedAfter = 60_000

/** Slots that are looked at to find those that were missed. */
const lookedAt = 101

/** A number from 0 to 1 that is the same for this slot in every process. */
const fraction = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0
  return hash / 0x1_0000_0000
}

/** When a slot fires: later by the jitter, but before the slot after it. */
const dueOf = ({ data, id }: Schedule, slots: Slots.Slots, slot: number): number => {
  if (data.jitter_seconds === 0) return slot
  const gap = (slots.next(slot) ?? Infinity) - slot - 1
  return slot + Math.floor(fraction(`${id} ${slot}`) * Math.min(data.jitter_seconds * 1000, gap))
}

export interface Place {
  readonly status: ScheduleStatus
  readonly reason: string | null
  readonly slot: number | null
  readonly next: number | null
}

export const nowhere = (status: ScheduleStatus, reason: string | null): Place => ({
  status,
  reason,
  slot: null,
  next: null
})

/** Where a schedule is that has fired so often and whose last slot was at `after`. */
export const placeOf = (schedule: Schedule, fires: number, after: number): Place => {
  const { data } = schedule
  if (!data.enabled) return nowhere("paused", null)
  if (data.max_fires !== null && fires >= data.max_fires) {
    return nowhere("ended", "It has fired as often as its max_fires allow.")
  }
  return Either.match(Slots.of(data), {
    onLeft: (message) => nowhere("broken", `Its times cannot be read: ${message}`),
    onRight: (slots) => {
      const slot = slots.next(after)
      return slot === undefined
        ? nowhere("ended", "It has no later time.")
        : { status: "active", reason: null, slot, next: dueOf(schedule, slots, slot) }
    }
  })
}

/** The slots that fire, oldest first, and how many are left out before the first of them. */
const choose = (
  { data }: Schedule,
  due: ReadonlyArray<{ readonly slot: number; readonly at: number }>,
  now: number
) => {
  const timely = due.filter(({ at }) => now - at <= missedAfter)
  const madeUp = due.filter(({ at }) => now - at > missedAfter && now - at <= data.missed_grace_seconds * 1000)
  const chosen = data.missed === "all"
    ? [...madeUp.slice(-data.missed_limit), ...timely]
    : timely.length > 0
    ? timely.slice(-1)
    : data.missed === "once"
    ? madeUp.slice(-1)
    : []
  return { chosen, left: due.length - chosen.length }
}

export const planOf = (due: Due, now: number, newId: (millis: number) => FireId): Advance => {
  const { fires: before, schedule } = due
  if (schedule === undefined) return { due, fires: [], ...nowhere("broken", "Its record cannot be read.") }
  return Either.match(Slots.of(schedule.data), {
    onLeft: (message) => ({ due, fires: [], ...nowhere("broken", `Its times cannot be read: ${message}`) }),
    onRight: (slots) => {
      const at = timestampOf(now)
      const named = slots.last(now, lookedAt).filter((slot) => slot >= due.slot)
      const ready = named.map((slot) => ({ slot, at: dueOf(schedule, slots, slot) })).filter(({ at }) => at <= now)
      const { chosen, left } = choose(schedule, ready, now)
      const room = schedule.data.max_fires === null ? Infinity : schedule.data.max_fires - before
      const fireOf = (
        { at: due_at, slot }: { readonly slot: number; readonly at: number },
        status: FireStatus,
        number: number | null,
        missed: number
      ): Fire => ({
        id: newId(now),
        user_id: due.owner,
        schedule_id: due.id,
        agent_id: schedule.agent_id,
        created_at: at,
        updated_at: at,
        trigger: "clock",
        number,
        slot_at: timestampOf(slot),
        due_at: timestampOf(due_at),
        status,
        reason: status === "missed" ? "No process could do it in time." : null,
        missed,
        sent_at: null,
        lateness_ms: null,
        session_id: null,
        run_id: null,
        error: null,
        usage: null,
        started_at: null,
        ended_at: status === "missed" ? at : null,
        duration_ms: null
      })
      const newest = ready.at(-1)
      const fires = chosen.length > 0
        ? chosen.slice(0, room).map((one, i) => fireOf(one, "pending", before + i + 1, i === 0 ? left : 0))
        : newest === undefined
        ? []
        : [fireOf(newest, "missed", null, left - 1)]
      const counted = before + (chosen.length > 0 ? fires.length : 0)
      // A jitter may still run: then its slot is the next one. A clock that was set back finds nothing ready at all.
      return { due, fires, ...placeOf(schedule, counted, newest?.slot ?? due.slot - 1) }
    }
  })
}
