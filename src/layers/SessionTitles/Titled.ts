/** Adds a job to the write that ends a session's first exchange: to give it a title. */
import { Effect, Layer } from "effect"
import { type Job, newJob } from "../../domain/Job.ts"
import type { Run } from "../../domain/Run.ts"
import { EventLog, type LogBatch } from "../../services/EventLog.ts"
import { Jobs } from "../../services/Jobs.ts"
import { titleKind } from "./Titling.ts"

/** A run that begins behind so many events is not the first: nothing is asked for any more. */
const firstEvents = 100

const isFirst = ({ finished_reason, first_seq, source, status }: Run) =>
  status === "ended" && finished_reason === "completed" && (source === "user" || source === "channel") &&
  first_seq !== null && first_seq <= firstEvents

/** A session has one such job, however many of its runs ask for it. */
const jobOf = ({ session_id, updated_at, user_id }: Run): Job =>
  newJob(`${session_id}.title`, user_id, titleKind, { session_id }, updated_at)

const make = Effect.gen(function*() {
  const log = yield* EventLog
  const { wake } = yield* Jobs
  return EventLog.of({
    ...log,
    append: (batch: LogBatch) => {
      const jobs = batch.runs.filter(isFirst).map(jobOf)
      return jobs.length === 0
        ? log.append(batch)
        : Effect.zipLeft(log.append({ ...batch, jobs: [...batch.jobs ?? [], ...jobs] }), wake)
    }
  })
})

export const layer: Layer.Layer<EventLog, never, EventLog | Jobs> = Layer.effect(EventLog, make)
