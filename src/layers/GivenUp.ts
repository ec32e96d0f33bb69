/**
 * Adds jobs to the write that ends a run without an answer: what it has handed to other agents is stopped, here and
 * elsewhere, whatever happens to this process.
 */
import { Effect, Layer } from "effect"
import { delegateTool, stopKind } from "../domain/Delegation.ts"
import { newJob } from "../domain/Job.ts"
import { remoteCancelKind, remotePrefix } from "../domain/RemoteAgent.ts"
import type { Run } from "../domain/Run.ts"
import { EventLog, type LogBatch } from "../services/EventLog.ts"

const isGivenUp = ({ error, finished_reason, status }: Run) =>
  status === "ended" && (finished_reason !== "completed" || error !== null)

/** How work is handed over, and the job that stops it. */
const ways = [
  { is: (tool: string) => tool === delegateTool, kind: stopKind, mark: "delegation" },
  { is: (tool: string) => tool.startsWith(remotePrefix), kind: remoteCancelKind, mark: "a2a" }
] as const

/** Whether its reply has handed something over. What cannot be seen here may have. */
const hasHandedOver = ({ messages }: LogBatch, { reply_id }: Run, is: (tool: string) => boolean) => {
  const reply = messages.find(({ message }) => message.id === reply_id)?.message
  return reply?.content.some((block) => block.type === "tool_call" && is(block.name)) ?? false
}

const jobsOf = (batch: LogBatch) =>
  batch.runs.filter(isGivenUp).flatMap((run) =>
    ways.filter(({ is }) => hasHandedOver(batch, run, is)).map(({ kind, mark }) =>
      newJob(`${run.id}.${mark}`, run.user_id, kind, { run_id: run.id }, run.updated_at)
    )
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
