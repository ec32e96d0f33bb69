/**
 * Adds a job to each write that there is something to tell of, in the same transaction: a run that ended or waits,
 * a fire that was missed. So a message is neither lost with a process nor sent for what was never written.
 */
import { Effect, Layer } from "effect"
import type { Fire } from "../../domain/Fire.ts"
import { type Job, newJob } from "../../domain/Job.ts"
import { eventOf } from "../../domain/Notification.ts"
import type { Run } from "../../domain/Run.ts"
import { Catalog, emptyBook } from "../../services/Catalog.ts"
import { EventLog, type LogBatch } from "../../services/EventLog.ts"
import { Jobs } from "../../services/Jobs.ts"
import { JobStore } from "../../services/JobStore.ts"
import { ScheduleStore } from "../../services/ScheduleStore.ts"
import { Storage } from "../../services/Storage.ts"
import { isSameId } from "../SameId.ts"
import { noticeKind } from "./Noticing.ts"
import { jobOfRun } from "./Pushing.ts"
import { Wanting } from "./Wanting.ts"

/** A run ends once, and may wait again and again: each time it has another `updated_at`. */
const noticeOfRun = (run: Run): ReadonlyArray<Job> => {
  const event = eventOf(run)
  if (event === undefined) return []
  const id = event === "run.waiting" ? `${run.id}.${Date.parse(run.updated_at)}` : `${run.id}.ended`
  return [newJob(id, run.user_id, noticeKind, { event, run_id: run.id }, run.updated_at)]
}

/** Whether a fire ended without a run although it should have had one. */
const isMissed = ({ run_id, status }: Fire) =>
  run_id === null && (status === "missed" || status === "expired" || status === "failed")

const noticeOfFire = (fire: Fire): Job =>
  newJob(`${fire.id}.missed`, fire.user_id, noticeKind, { event: "schedule.missed", fire_id: fire.id }, fire.updated_at)

const noticed = (wanting: typeof Wanting.Service, isDefined: (run: Run) => boolean) => (batch: LogBatch): LogBatch => {
  if (batch.runs.length === 0) return batch
  const jobs = batch.runs.flatMap((run) =>
    wanting.has(run.user_id) ? [...noticeOfRun(run), ...jobOfRun(run)] : isDefined(run) ? noticeOfRun(run) : []
  )
  return jobs.length === 0 ? batch : { ...batch, jobs: [...batch.jobs ?? [], ...jobs] }
}

/** Whether the operator may want to be told of the run: it is of an agent that some definition says, and some say whom to tell. */
const isNotifying = (catalog: typeof Catalog.Service) => {
  let known = { book: emptyBook, isTold: false }
  return ({ agent_id }: Run): boolean => {
    const book = catalog.book()
    if (known.book !== book) {
      known = { book, isTold: [...book.agents.values()].some(({ front }) => front.notifications !== null) }
    }
    return known.isTold && isSameId(agent_id)
  }
}

const eventLog = Effect.gen(function*() {
  const log = yield* EventLog
  const { wake } = yield* Jobs
  const withNotices = noticed(yield* Wanting, isNotifying(yield* Catalog))
  return EventLog.of({
    ...log,
    append: (batch) => {
      const more = withNotices(batch)
      return more === batch ? log.append(batch) : Effect.zipLeft(log.append(more), wake)
    }
  })
})

const scheduleStore = Effect.gen(function*() {
  const store = yield* ScheduleStore
  const jobs = yield* JobStore
  const { wake } = yield* Jobs
  const { transaction } = yield* Storage
  const wanting = yield* Wanting
  const missed = (fires: ReadonlyArray<Fire>) => fires.filter((fire) => wanting.has(fire.user_id) && isMissed(fire))

  const together = <A>(write: Effect.Effect<A>, noticesOf: (written: A) => ReadonlyArray<Fire>) =>
    Effect.zipLeft(
      transaction(Effect.tap(write, (written) => jobs.add(noticesOf(written).map(noticeOfFire)))),
      wake
    )

  return ScheduleStore.of({
    ...store,
    advance: (moves) =>
      moves.every(({ fires }) => missed(fires).length === 0)
        ? store.advance(moves)
        : together(
          store.advance(moves),
          (advanced) => moves.flatMap(({ due, fires }) => advanced.has(due.id) ? missed(fires) : [])
        ),
    write: (fire, before) =>
      missed([fire]).length === 0
        ? store.write(fire, before)
        : together(store.write(fire, before), (written) => written ? [fire] : [])
  })
})

export const layer: Layer.Layer<
  EventLog | ScheduleStore,
  never,
  Catalog | EventLog | ScheduleStore | Jobs | JobStore | Storage | Wanting
> = Layer.merge(Layer.effect(EventLog, eventLog), Layer.effect(ScheduleStore, scheduleStore))
