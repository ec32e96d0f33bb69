/** Adds a job to the write that ends a run which is to be tried again, so that it is neither forgotten nor done twice. */
import { Effect, Layer } from "effect"
import { type Job, newJob } from "../../domain/Job.ts"
import { isToRetry, retryJob, type Run } from "../../domain/Run.ts"
import { EventLog, type LogBatch } from "../../services/EventLog.ts"
import { retryKind } from "./Retrying.ts"

const jobOf = (run: Run): Job => newJob(retryJob(run), run.user_id, retryKind, { run_id: run.id }, run.updated_at)

export const layer: Layer.Layer<EventLog, never, EventLog> = Layer.effect(
  EventLog,
  Effect.map(EventLog, (log) =>
    EventLog.of({
      ...log,
      append: (batch: LogBatch) => {
        const jobs = batch.runs.filter(isToRetry).map(jobOf)
        return log.append(jobs.length === 0 ? batch : { ...batch, jobs: [...batch.jobs ?? [], ...jobs] })
      }
    }))
)
