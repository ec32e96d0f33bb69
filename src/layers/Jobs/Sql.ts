/** Keeps jobs in PostgreSQL. Whoever takes a job moves its time in the same statement, so of several processes one gets it. */
import { Effect, Layer, Option, Schema } from "effect"
import { Job } from "../../domain/Job.ts"
import { JobStore } from "../../services/JobStore.ts"
import * as Listeners from "../Listeners.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { orDie } from "../Sql/SqlState.ts"

const millisOf = (time: string) => `(extract(epoch from ${time}) * 1000)::float8`

const addText = `
  insert into jobs (id, owner, created_at, updated_at, data, kind, status, run_at)
  select id, owner, created_at, created_at, data, kind, status, clock_timestamp()
  from json_to_recordset($1::json) as j(id text, owner text, created_at timestamptz, data text, kind text, status text)
  on conflict (id) do nothing`

/** Each is a look into an index. */
const lookText = `
  select floor(${millisOf("clock_timestamp()")})::float8 as now,
    (select ${
  millisOf("min(run_at)")
} from jobs where status = 'pending' and kind = any(string_to_array($1, ' '))) as next,
    (select string_agg(distinct worker, ' ') from jobs where status = 'pending' and worker is not null) as workers`

/** Goes from owner to owner in the index: the jobs of one who has many are not read to find those of the others. */
const takeText = `
  with recursive owners as (
    (select owner from jobs where status = 'pending' order by owner limit 1)
    union all
    select (select j.owner from jobs j where j.status = 'pending' and j.owner > o.owner order by j.owner limit 1)
    from owners o where o.owner is not null
  ), ready as (
    select j.id, j.run_at, j.place from owners o cross join lateral (
      select id, run_at, row_number() over (order by run_at, id) as place from (
        select id, run_at from jobs where status = 'pending' and owner = o.owner and run_at <= clock_timestamp()
          and kind = any(string_to_array($6, ' '))
        order by run_at, id limit $4::int
      ) oldest
    ) j where o.owner is not null and o.owner <> all(string_to_array($5, ' '))
  ), chosen as materialized (
    select id, run_at from ready order by place, run_at limit $3::int
  )
  update jobs j set worker = $1, run_at = clock_timestamp() + make_interval(secs => $2::float8 / 1000),
    attempts = j.attempts + 1
  from chosen where j.id = chosen.id and j.status = 'pending' and j.run_at = chosen.run_at
  returning j.data, j.attempts`

const releaseText = `
  update jobs set worker = null, run_at = clock_timestamp()
  where status = 'pending' and worker = any(string_to_array($1, ' '))`

const writeText = `
  update jobs set status = $3, data = $4, run_at = $5::timestamptz, updated_at = $6::timestamptz, worker = null
  where id = $1 and status = 'pending' and worker = $2 returning id`

const reviveText = `
  update jobs set status = 'pending', data = $2, run_at = clock_timestamp(), updated_at = $3::timestamptz, attempts = 0
  where id = $1 and status = 'dead' returning id`

const removeText = `
  delete from jobs where id = $1 and (
    status = 'dead' or (status = 'pending' and worker is null and kind <> all(string_to_array($2, ' ')))
  ) returning id`

const pruneText = `
  delete from jobs where id in (
    select id from jobs where status <> 'pending'
      and updated_at < to_timestamp(case when status = 'done' then $1::float8 else $2::float8 end / 1000.0)
    order by updated_at limit $3::int for update skip locked
  ) returning id`

interface LookRow {
  readonly now: number
  readonly next: number | null
  readonly workers: string | null
}

const decode = Schema.decodeOption(Schema.parseJson(Job))

const rowOf = (job: Job) => ({
  id: job.id,
  owner: job.user_id,
  created_at: job.created_at,
  data: JSON.stringify(job),
  kind: job.kind,
  status: job.status
})

export const make = Effect.map(Prepared, ({ execute }) => {
  const rows = <Row extends object>(...statement: Parameters<typeof execute>) => orDie(execute<Row>(...statement))

  const added = Listeners.make()

  return JobStore.of({
    add: (jobs) =>
      jobs.length === 0
        ? Effect.void
        : Effect.map(rows(addText, [JSON.stringify(jobs.map(rowOf))]), added.call),
    listen: added.listen,
    look: (kinds) =>
      Effect.map(rows<LookRow>(lookText, [kinds.join(" ")]), ([row]) => ({
        now: row!.now,
        next: row!.next ?? undefined,
        workers: row!.workers?.split(" ") ?? []
      })),
    take: ({ kinds, lease, limit, perOwner, without, worker }) =>
      Effect.map(
        rows<{ readonly data: string; readonly attempts: number }>(takeText, [
          worker,
          lease,
          limit,
          perOwner,
          without.join(" "),
          kinds.join(" ")
        ]),
        (taken) =>
          taken.flatMap(({ attempts, data }) =>
            Option.toArray(Option.map(decode(data), (job) => ({ ...job, attempts })))
          )
      ),
    release: (workers) => Effect.asVoid(rows(releaseText, [workers.join(" ")])),
    write: (job, worker) =>
      Effect.map(
        rows(writeText, [job.id, worker, job.status, JSON.stringify(job), job.run_at, job.updated_at]),
        (written) => written.length > 0
      ),
    revive: (job) =>
      Effect.map(rows(reviveText, [job.id, JSON.stringify(job), job.updated_at]), (written) => written.length > 0),
    remove: (id, kinds) => Effect.map(rows(removeText, [id, kinds.join(" ")]), (removed) => removed.length > 0),
    prune: (doneBefore, deadBefore, limit) =>
      Effect.map(rows(pruneText, [doneBefore, deadBefore, limit], { isLong: true }), (removed) => removed.length)
  })
})

export const layer: Layer.Layer<JobStore, never, Prepared> = Layer.effect(JobStore, make)
