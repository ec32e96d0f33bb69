/** Adds a job to the write that ends a run without an answer: what it has handed over is stopped, whatever happens to this process. */
import { Effect, Layer } from "effect"
import { delegateTool, stopKind } from "../../domain/Delegation.ts"
import { newJob } from "../../domain/Job.ts"
import type { Run } from "../../domain/Run.ts"
import { EventLog, type LogBatch } from "../../services/EventLog.ts"

const isGivenUp = ({ error, finished_reason, status }: Run) =>
  status === "ended" && (finished_reason !== "completed" || error !== null)

/** Whether its reply has handed something over. What cannot be seen here may have. */
const hasDelegated = ({ messages }: LogBatch, { reply_id }: Run) => {
  const reply = messages.find(({ message }) => message.id === reply_id)?.message
  return reply?.content.some((block) => block.type === "tool_call" && block.name === delegateTool) ?? false
}

const jobsOf = (batch: LogBatch) =>
  batch.runs.filter((run) => isGivenUp(run) && hasDelegated(batch, run)).map(({ id, updated_at, user_id }) =>
    newJob(`${id}.delegation`, user_id, stopKind, { run_id: id }, updated_at)
  )

export const layer: Layer.Layer<EventLog, never, EventLog> = Layer.effect(
  EventLog,
  Effect.map(EventLog, (log) =>
    EventLog.of({
      ...log,
      append: (batch: LogBatch) => {
        const jobs = jobsOf(batch)
        return log.append(jobs.length === 0 ? batch : { ...batch, jobs: [...batch.jobs ?? [], ...jobs] })
      }
    }))
)
