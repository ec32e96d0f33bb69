/** The plan of a session: what its agent has set itself to do, in the shape of the Agent Service. */
import { Schema } from "effect"
import { Timestamp } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** Most tasks of a session, and longest texts, in characters. */
export const maxTasks = 200
export const maxSubject = 500
export const maxDescription = 4_000

export const TaskState = Schema.Literal("pending", "in_progress", "completed")
export type TaskState = typeof TaskState.Type

const ids = Schema.Array(Schema.String)

export const AgentTask = Schema.Struct({
  id: Schema.String,
  subject: Schema.String,
  description: Schema.String,
  metadata: JsonObject,
  created_at: Timestamp,
  state: TaskState,
  owner: Schema.NullOr(Schema.String),
  /** Ids of the tasks that wait for this one. */
  blocks: ids,
  /** Ids of the tasks for which this one waits. */
  blocked_by: ids
}).annotations({ identifier: "PlannedTask" })
export type AgentTask = typeof AgentTask.Type

export const TasksContext = Schema.Struct({ tasks: Schema.Array(AgentTask) }).annotations({
  identifier: "TasksContext"
})
export type TasksContext = typeof TasksContext.Type

export const noTasks: TasksContext = { tasks: [] }

/** The next number; ids of removed tasks are not used again while a later one is there. */
const nextId = ({ tasks }: TasksContext): string => String(1 + Math.max(0, ...tasks.map(({ id }) => Number(id) || 0)))

/** The list with one more; the same list when it is full. */
export const addTask = (
  context: TasksContext,
  task: Pick<AgentTask, "subject" | "description" | "created_at">
): TasksContext =>
  context.tasks.length >= maxTasks ? context : {
    tasks: [...context.tasks, {
      ...task,
      id: nextId(context),
      metadata: {},
      state: "pending",
      owner: null,
      blocks: [],
      blocked_by: []
    }]
  }

export interface TaskChange {
  readonly subject?: string
  readonly description?: string
  readonly state?: TaskState | "deleted"
  readonly blocked_by?: ReadonlyArray<string>
}

/** The list with a task changed or removed. Undefined when it is not there, or would wait for one that is not. */
export const changeTask = (context: TasksContext, id: string, change: TaskChange): TasksContext | undefined => {
  const known = new Set(context.tasks.map((task) => task.id))
  if (!known.has(id)) return undefined
  const { blocked_by, state, ...texts } = change
  if (state === "deleted") {
    const without = (ids: ReadonlyArray<string>) => ids.filter((other) => other !== id)
    return {
      tasks: context.tasks.filter((task) => task.id !== id)
        .map((task) => ({ ...task, blocks: without(task.blocks), blocked_by: without(task.blocked_by) }))
    }
  }
  if (blocked_by?.some((other) => other === id || !known.has(other)) === true) return undefined
  return {
    tasks: context.tasks.map((task) => {
      if (task.id === id) {
        return { ...task, ...texts, ...state !== undefined && { state }, ...blocked_by !== undefined && { blocked_by } }
      }
      if (blocked_by === undefined) return task
      const others = task.blocks.filter((other) => other !== id)
      return { ...task, blocks: blocked_by.includes(task.id) ? [...others, id] : others }
    })
  }
}
