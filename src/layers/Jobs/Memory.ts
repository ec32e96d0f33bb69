/** Keeps jobs in this process. */
import { Clock, Effect, Layer, Option, Schema } from "effect"
import { Job } from "../../domain/Job.ts"
import { JobStore } from "../../services/JobStore.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Row, tables } from "../../services/Storage.ts"
import { fairly } from "../Fair.ts"
import * as Listeners from "../Listeners.ts"
import { type Store, Tables } from "../Memory/Tables.ts"

/** A job with the process that has taken it. */
interface Kept {
  readonly job: Job
  readonly worker: string | undefined
}

const rowOf = ({ job, worker }: Kept): Row => ({
  id: job.id,
  owner: job.user_id,
  created_at: job.created_at,
  updated_at: job.updated_at,
  columns: { kind: job.kind, status: job.status },
  data: { ...job, worker }
})

const decode = Schema.decodeUnknownOption(Job)

const keptIn = ({ data }: Row): ReadonlyArray<Kept> =>
  Option.toArray(Option.map(decode(data), (job) => ({
    job,
    worker: "worker" in data && typeof data.worker === "string" ? data.worker : undefined
  })))

const byTime = ({ job: a }: Kept, { job: b }: Kept) =>
  a.run_at === b.run_at ? (a.id < b.id ? -1 : 1) : a.run_at < b.run_at ? -1 : 1

export const make = Effect.map(Tables, (store: Store) => {
  const pending = () => store.rows("jobs").where({ status: "pending" }).flatMap(keptIn).toSorted(byTime)
  const put = (job: Job, worker?: string) => store.put(tables.jobs, rowOf({ job, worker }))
  const rowWith = (id: string) => store.rows("jobs").byId.get(id)
  const statusOf = (id: string) => rowWith(id)?.columns["status"]
  const workerOf = (id: string) => {
    const row = rowWith(id)
    return row === undefined ? undefined : keptIn(row)[0]?.worker
  }

  const added = Listeners.make()

  return JobStore.of({
    add: (jobs) =>
      Effect.map(store.run(() => jobs.forEach((job) => statusOf(job.id) === undefined && put(job))), added.call),
    listen: added.listen,
    look: (kinds) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        store.run(() => {
          const all = pending()
          const first = all.find(({ job }) => kinds.includes(job.kind))
          return {
            now,
            next: first === undefined ? undefined : Date.parse(first.job.run_at),
            workers: [...new Set(all.flatMap(({ worker }) => worker ?? []))]
          }
        })),
    take: ({ kinds, lease, limit, perOwner, without, worker }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        store.run(() => {
          const ready = pending()
            .filter(({ job: { kind, run_at, user_id } }) =>
              Date.parse(run_at) <= now && kinds.includes(kind) && !without.includes(user_id)
            )
            .map(({ job }) => ({ owner: job.user_id, job }))
          return fairly(ready, limit, perOwner).map(({ job }) => {
            const taken = { ...job, attempts: job.attempts + 1 }
            put({ ...taken, run_at: timestampOf(now + lease) }, worker)
            return taken
          })
        })),
    release: (gone) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        store.run(() => {
          for (const { job, worker } of pending()) {
            if (worker !== undefined && gone.includes(worker)) put({ ...job, run_at: timestampOf(now) })
          }
        })),
    write: (job, worker) =>
      store.run(() => {
        if (statusOf(job.id) !== "pending" || workerOf(job.id) !== worker) return false
        put(job)
        return true
      }),
    revive: (job) =>
      store.run(() => {
        if (statusOf(job.id) !== "dead") return false
        put(job)
        return true
      }),
    remove: (id, kinds) =>
      store.run(() => {
        const row = rowWith(id)
        if (row === undefined) return false
        const { kind = "", status } = row.columns
        const isNobodys = status === "pending" && workerOf(id) === undefined && !kinds.includes(kind)
        if (status !== "dead" && !isNobodys) return false
        store.drop(tables.jobs, row)
        return true
      }),
    prune: (doneBefore, deadBefore, limit) =>
      store.run(() => {
        const over = [["done", doneBefore], ["dead", deadBefore]] as const
        const old = over.flatMap(([status, before]) =>
          store.rows("jobs").where({ status }).filter(({ updated_at }) => Date.parse(updated_at) < before)
        ).slice(0, limit)
        for (const row of old) store.drop(tables.jobs, row)
        return old.length
      })
  })
})

export const layer: Layer.Layer<JobStore, never, Tables> = Layer.effect(JobStore, make)
