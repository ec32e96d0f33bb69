/** Keeps what becomes of tasks in PostgreSQL. */
import { Effect, Layer } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import { columnsOfTask } from "../../services/Storage.ts"
import { maxUntold, type RunningTask, TaskStore } from "../../services/TaskStore.ts"
import { Prepared } from "../Sql/Prepared.ts"
import { orDie } from "../Sql/SqlState.ts"

const runningText = "select id, owner, session_id, process, stop from background_tasks where status = 'running'"

const untoldText = `select distinct session_id from background_tasks where untold = 'yes' limit ${maxUntold}`

const endText = `
  update background_tasks set status = $2, untold = $3, data = $4, updated_at = $5::timestamptz
  where id = $1 and status = 'running' returning id`

const stopText = `
  update background_tasks set stop = true
  where session_id = $1 and owner = $2 and ($3 = '' or id = $3) and ($4 = '' or run_id = $4)
    and (status = 'running' or untold = 'yes')
  returning status`

const pruneText = `
  delete from background_tasks where id in (
    select id from background_tasks where status <> 'running' and untold = 'no'
      and updated_at < to_timestamp($1::float8 / 1000.0)
    order by updated_at limit $2::int for update skip locked
  ) returning id`

export const make = Effect.map(Prepared, ({ execute }) => {
  const rows = <Row extends object>(...statement: Parameters<typeof execute>) => orDie(execute<Row>(...statement))

  return TaskStore.of({
    look: Effect.zipWith(
      rows<RunningTask & Record<string, unknown>>(runningText, []),
      rows<{ readonly session_id: SessionId }>(untoldText, []),
      (running, untold) => ({ running, untold: untold.map(({ session_id }) => session_id) })
    ),
    end: (task) => {
      const { status, untold } = columnsOfTask(task)
      return Effect.map(
        rows(endText, [task.id, status, untold, JSON.stringify(task), task.updated_at]),
        (written) => written.length > 0
      )
    },
    stop: ({ id = "", owner, run_id = "", session_id }) =>
      Effect.map(
        rows<{ readonly status: string }>(stopText, [session_id, owner, id, run_id]),
        (stopped) => stopped.filter(({ status }) => status === "running").length
      ),
    isQuiet: (id) =>
      Effect.map(
        rows<{ readonly stop: boolean }>("select stop from background_tasks where id = $1", [id]),
        ([row]) => row?.stop ?? true
      ),
    prune: (before, limit) =>
      Effect.map(rows(pruneText, [before, limit], { isLong: true }), (removed) => removed.length)
  })
})

export const layer: Layer.Layer<TaskStore, never, Prepared> = Layer.effect(TaskStore, make)
