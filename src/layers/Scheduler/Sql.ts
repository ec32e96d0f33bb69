/**
 * Keeps where schedules are in PostgreSQL. Whoever moves a schedule on writes its fires in the same statement, and
 * only while it is where it was seen: of several processes one succeeds. Every time is the database's.
 */
import { Effect, Layer, Option, Schema } from "effect"
import { Fire } from "../../domain/Fire.ts"
import type { ScheduleId, SessionId, UserId } from "../../domain/Ids.ts"
import { StoredRun } from "../../domain/Older.ts"
import { Schedule, type ScheduleState, type ScheduleStatus } from "../../domain/Schedule.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Advance, ScheduleStore } from "../../services/ScheduleStore.ts"
import * as Listeners from "../Listeners.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { orDie, retryDeadlock } from "../Sql/SqlState.ts"

/** Milliseconds since 1970 of a time, and the other way round. */
const millisOf = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`
const timeOf = (millis: string) => `to_timestamp(${millis} / 1000.0)`

/** Whole milliseconds, as everywhere. */
const nowText = `select floor(${millisOf("clock_timestamp()")})::float8 as now`

const statesText = `
  select id, status, reason, ${millisOf("slot_at")} as slot, ${millisOf("next_fire_at")} as next,
    ${millisOf("last_fire_at")} as last, fires
  from schedule_states where id = any(string_to_array($1, ' '))`

const putText = `
  insert into schedule_states (id, owner, status, reason, slot_at, next_fire_at)
  values ($1, $2, $3, $4, ${timeOf("$5::float8")}, ${timeOf("$6::float8")})
  on conflict (id) do update set status = excluded.status, reason = excluded.reason, slot_at = excluded.slot_at,
    next_fire_at = excluded.next_fire_at, revision = schedule_states.revision + 1`

const breakText = `
  update schedule_states set status = 'broken', reason = $2, slot_at = null, next_fire_at = null
  where id = $1 and status = 'active'`

/** Each is a look into an index. */
const lookText = `
  select floor(${millisOf("clock_timestamp()")})::float8 as now,
    (select ${millisOf("min(next_fire_at)")} from schedule_states where status = 'active' and next_fire_at is not null)
      as next_fire,
    (select ${millisOf("min(send_at)")} from fires where status = 'pending') as next_send,
    exists (select from fires where status in ('running', 'waiting')) as has_open,
    (select string_agg(distinct sender, ' ') from fires where status = 'pending' and sender is not null) as senders`

const dueText = `
  select s.id, s.owner, d.data, ${millisOf("s.slot_at")} as slot, ${
  millisOf("s.next_fire_at")
} as next, s.revision, s.fires
  from (
    select id, next_fire_at, row_number() over (partition by owner order by next_fire_at, id) as place
    from schedule_states
    where status = 'active' and next_fire_at is not null and next_fire_at <= clock_timestamp()
    order by place, next_fire_at limit $1::int
  ) chosen join schedule_states s on s.id = chosen.id join schedules d on d.id = s.id
  order by chosen.place, chosen.next_fire_at`

/** Rows that somebody else is moving are passed over, so nobody waits for anybody. */
const advanceText = `
  with moves as materialized (
    select * from json_to_recordset($1::json) as m(id text, expected float8, revision integer, status text, reason text,
      slot float8, next float8, last float8, fires integer)
  ), locked as materialized (
    select s.id from schedule_states s join moves m on m.id = s.id
    where s.status = 'active' and s.revision = m.revision and s.next_fire_at = ${timeOf("m.expected")}
    order by s.id for update of s skip locked
  ), advanced as (
    update schedule_states s set status = m.status, reason = m.reason, slot_at = ${timeOf("m.slot")},
      next_fire_at = ${timeOf("m.next")}, last_fire_at = coalesce(${timeOf("m.last")}, s.last_fire_at),
      fires = s.fires + m.fires
    from moves m join locked l on l.id = m.id where s.id = m.id
    returning s.id
  ), written as (
    insert into fires (id, owner, created_at, updated_at, data, schedule_id, status, is_manual, slot_at, send_at)
    select f.id, f.owner, f.at, f.at, f.data, f.schedule_id, f.status, false, f.slot, f.at
    from json_to_recordset($2::json) as f(id text, owner text, at timestamptz, data text, schedule_id text, status text,
      slot timestamptz) join advanced a on a.id = f.schedule_id
    on conflict (schedule_id, slot_at) where not is_manual do nothing
  )
  select id from advanced`

const addText = `
  insert into fires (id, owner, created_at, updated_at, data, schedule_id, status, is_manual, slot_at, send_at)
  values ($1, $2, $3::timestamptz, $3::timestamptz, $4, $5, $6, true, $7::timestamptz, $3::timestamptz)`

const takeText = `
  with busy as (
    select owner from fires where status = 'running' group by owner having count(*) >= $6::int
  ), ready as (
    select id, send_at, row_number() over (partition by owner order by send_at, id) as place
    from fires
    where status = 'pending' and send_at <= clock_timestamp() and owner <> all(string_to_array($5, ' '))
      and owner not in (select owner from busy)
  ), chosen as materialized (
    select id, send_at from ready where place <= $4::int order by place, send_at limit $3::int
  )
  update fires f set sender = $1, send_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000)
  from chosen where f.id = chosen.id and f.status = 'pending' and f.send_at = chosen.send_at
  returning f.id, f.data`

const releaseText = `
  update fires set sender = null, send_at = clock_timestamp()
  where status = 'pending' and sender = any(string_to_array($1, ' '))`

const postponeText = `
  update fires set sender = null, send_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000)
  where id = $1 and status = 'pending'`

const writeText = `
  update fires set status = $3, data = $4, run_id = $5, updated_at = $6::timestamptz,
    sender = case when $3 = 'pending' then sender end
  where id = $1 and status = $2 returning id`

const aheadText = `
  select data from fires
  where schedule_id = $1 and id < $2 and not is_manual and status in ('pending', 'running', 'waiting')
  order by id limit $3::int`

const beforeText = `
  select data from fires where schedule_id = $1 and id < $2 and status not in ('pending', 'running', 'waiting')
  order by id desc limit 1`

const changedText = `
  select f.data, r.data as run from fires f left join runs r on r.id = f.run_id
  where f.status in ('running', 'waiting')
    and (r.id is null or r.status = 'ended' or (f.status = 'waiting') <> (r.status like 'awaiting%'))
  limit $1::int`

const surplusText = `
  select id from (
    select id from sessions where schedule_id = $1 and schedule_id <> '' order by id desc offset $2::int limit $3::int
  ) old where not exists (select from runs r where r.session_id = old.id and r.status <> 'ended')`

const pruneText = `
  delete from fires where schedule_id = $1 and status not in ('pending', 'running', 'waiting') and id < (
    select id from fires where schedule_id = $1 order by id desc offset $2::int limit 1
  )`

interface Document {
  readonly data: string
}

interface StateRow {
  readonly id: ScheduleId
  readonly status: ScheduleStatus
  readonly reason: string | null
  readonly slot: number | null
  readonly next: number | null
  readonly last: number | null
  readonly fires: number
}

interface DueRow extends Document {
  readonly id: ScheduleId
  readonly owner: UserId
  readonly slot: number | null
  readonly next: number
  readonly revision: number
  readonly fires: number
}

interface LookRow {
  readonly now: number
  readonly next_fire: number | null
  readonly next_send: number | null
  readonly has_open: boolean
  readonly senders: string | null
}

const decodeFire = Schema.decodeOption(Schema.parseJson(Fire))
const decodeSchedule = Schema.decodeOption(Schema.parseJson(Schedule))
const decodeRun = Schema.decodeOption(Schema.parseJson(StoredRun))

const timestampOrNull = (millis: number | null) => millis === null ? null : timestampOf(Math.round(millis))

const moveOf = ({ due, fires, next, reason, slot, status }: Advance) => {
  const counted = fires.filter(({ number }) => number !== null)
  const last = counted.at(-1)
  return {
    id: due.id,
    expected: due.next,
    revision: due.revision,
    status,
    reason,
    slot,
    next,
    last: last === undefined ? null : Date.parse(last.slot_at),
    fires: counted.length
  }
}

const rowOf = (fire: Fire) => ({
  id: fire.id,
  owner: fire.user_id,
  at: fire.created_at,
  data: JSON.stringify(fire),
  schedule_id: fire.schedule_id,
  status: fire.status,
  slot: fire.slot_at
})

export const make = Effect.map(Prepared, ({ execute }) => {
  const rows = <Row extends object>(...statement: Parameters<typeof execute>) => orDie(execute<Row>(...statement))
  const firesOf = (documents: ReadonlyArray<Document>) =>
    documents.flatMap(({ data }) => Option.toArray(decodeFire(data)))

  const changed = Listeners.make()

  return ScheduleStore.of({
    now: Effect.map(rows<{ readonly now: number }>(nowText, []), ([row]) => row!.now),
    states: (ids) =>
      ids.length === 0 ? Effect.succeed(new Map()) : Effect.map(
        rows<StateRow>(statesText, [ids.join(" ")]),
        (states) =>
          new Map(states.map(({ fires, id, last, next, reason, slot, status }): [ScheduleId, ScheduleState] => [id, {
            status,
            status_reason: reason,
            next_slot_at: timestampOrNull(slot),
            next_fire_at: timestampOrNull(next),
            last_fire_at: timestampOrNull(last),
            fire_count: fires
          }]))
      ),
    put: ({ id, next, owner, reason, slot, status }) =>
      Effect.map(rows(putText, [id, owner, status, reason, slot, next]), changed.call),
    break: (id, reason) => Effect.asVoid(rows(breakText, [id, reason])),
    listen: changed.listen,
    look: Effect.map(rows<LookRow>(lookText, []), ([row]) => ({
      now: row!.now,
      next_fire: row!.next_fire ?? undefined,
      next_send: row!.next_send ?? undefined,
      has_open: row!.has_open,
      senders: row!.senders?.split(" ") ?? []
    })),
    due: (limit) =>
      Effect.map(
        rows<DueRow>(dueText, [limit]),
        (found) =>
          found.map(({ data, fires, id, next, owner, revision, slot }) => ({
            id,
            owner,
            schedule: Option.getOrUndefined(decodeSchedule(data)),
            slot: slot ?? next,
            next,
            revision,
            fires
          }))
      ),
    advance: (moves) =>
      moves.length === 0 ? Effect.succeed(new Set()) : Effect.map(
        orDie(retryDeadlock(execute<{ readonly id: ScheduleId }>(advanceText, [
          JSON.stringify(moves.map(moveOf)),
          JSON.stringify(moves.flatMap(({ fires }) => fires.map(rowOf)))
        ]))),
        (advanced) => new Set(advanced.map(({ id }) => id))
      ),
    add: (fire) => {
      const { at, data, id, owner, schedule_id, slot, status } = rowOf(fire)
      return Effect.map(rows(addText, [id, owner, at, data, schedule_id, status, slot]), changed.call)
    },
    take: ({ lease, limit, maxRunning, perOwner, sender, without }) =>
      Effect.map(
        rows<Document & { readonly id: string }>(takeText, [
          sender,
          lease,
          limit,
          perOwner,
          without.join(" "),
          maxRunning
        ]),
        (taken) => firesOf(taken.toSorted((a, b) => a.id < b.id ? -1 : 1))
      ),
    release: (senders) => Effect.asVoid(rows(releaseText, [senders.join(" ")])),
    postpone: (id, millis) => Effect.asVoid(rows(postponeText, [id, millis])),
    write: (fire, before) =>
      Effect.map(
        rows(writeText, [fire.id, before, fire.status, JSON.stringify(fire), fire.run_id, fire.updated_at]),
        (written) => written.length > 0
      ),
    ahead: ({ id, schedule_id }, limit) => Effect.map(rows<Document>(aheadText, [schedule_id, id, limit]), firesOf),
    before: ({ id, schedule_id }) =>
      Effect.map(rows<Document>(beforeText, [schedule_id, id]), (found) => firesOf(found)[0]),
    changed: (limit) =>
      Effect.map(
        rows<Document & { readonly run: string | null }>(changedText, [limit]),
        (found) =>
          found.flatMap(({ data, run }) =>
            firesOf([{ data }]).map((fire) => ({
              fire,
              run: run === null ? undefined : Option.getOrUndefined(decodeRun(run))
            }))
          )
      ),
    surplus: (id, keep, limit) =>
      Effect.map(
        rows<{ readonly id: SessionId }>(surplusText, [id, keep, limit]),
        (found) => found.map(({ id }) => id)
      ),
    prune: (id, keep) => Effect.asVoid(rows(pruneText, [id, keep], { isLong: true }))
  })
})

export const layer: Layer.Layer<ScheduleStore, never, Prepared> = Layer.effect(ScheduleStore, make)
