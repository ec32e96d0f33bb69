/** Keeps what becomes of tasks in this process. */
import { Effect, Layer } from "effect"
import type { SessionId, TaskId, UserId } from "../../domain/Ids.ts"
import { columnsOfTask, type Row, tables } from "../../services/Storage.ts"
import { maxUntold, TaskStore } from "../../services/TaskStore.ts"
import { Tables } from "../Memory/Tables.ts"

const table = tables.background_tasks

const isStopped = ({ columns }: Row) => columns["stop"] === "yes"

export const make = Effect.map(Tables, (store) => {
  const where = (filter: Record<string, string>) => store.rows(table.name).where(filter)

  return TaskStore.of({
    look: store.run(() => ({
      running: where({ status: "running" }).map((row) => ({
        id: row.id as TaskId,
        owner: row.owner as UserId,
        session_id: row.columns["session_id"] as SessionId,
        process: row.columns["process"]!,
        stop: isStopped(row)
      })),
      untold: [...new Set(where({ untold: "yes" }).map(({ columns }) => columns["session_id"] as SessionId))]
        .slice(0, maxUntold)
    })),
    end: (task) =>
      store.run(() => {
        const row = store.rows(table.name).byId.get(task.id)
        if (row?.columns["status"] !== "running") return false
        const columns = { ...row.columns, ...columnsOfTask(task) }
        store.put(table, { ...row, columns, updated_at: task.updated_at, data: task })
        return true
      }),
    stop: ({ id, owner, run_id, session_id }) =>
      store.run(() => {
        const chosen = where({ session_id, owner, ...(run_id !== undefined && { run_id }) }).filter((row) =>
          (row.columns["status"] === "running" || row.columns["untold"] === "yes") &&
          (id === undefined || row.id === id)
        )
        for (const row of chosen) store.put(table, { ...row, columns: { ...row.columns, stop: "yes" } })
        return chosen.filter(({ columns }) => columns["status"] === "running").length
      }),
    isQuiet: (id) =>
      store.run(() => {
        const row = store.rows(table.name).byId.get(id)
        return row === undefined || isStopped(row)
      }),
    prune: (before, limit) =>
      store.run(() => {
        const old = where({ untold: "no" })
          .filter(({ columns, updated_at }) => columns["status"] !== "running" && Date.parse(updated_at) < before)
          .toSorted((a, b) => a.updated_at < b.updated_at ? -1 : 1).slice(0, limit)
        for (const row of old) store.drop(table, row)
        return old.length
      })
  })
})

export const layer: Layer.Layer<TaskStore, never, Tables> = Layer.effect(TaskStore, make)
