/** What the agent of a session has set itself to do: its to-do list, in the shape and with the words of the Agent Service. */
import { Schema } from "effect"
import { Timestamp } from "./Ids.ts"
import { JsonObject } from "./Json.ts"

/** Most tasks of a session, and longest texts, in characters. */
export const maxTodos = 200
export const maxSubject = 500
export const maxDescription = 4_000

export const TodoState = Schema.Literal("pending", "in_progress", "completed")
export type TodoState = typeof TodoState.Type

const ids = Schema.Array(Schema.String)

export const Todo = Schema.Struct({
  id: Schema.String,
  subject: Schema.String,
  description: Schema.String,
  metadata: JsonObject,
  created_at: Timestamp,
  state: TodoState,
  owner: Schema.NullOr(Schema.String),
  /** Ids of the tasks that wait for this one. */
  blocks: ids,
  /** Ids of the tasks for which this one waits. */
  blocked_by: ids
}).annotations({ identifier: "PlannedTask" })
export type Todo = typeof Todo.Type

export const TodoList = Schema.Struct({ tasks: Schema.Array(Todo) }).annotations({
  identifier: "TasksContext"
})
export type TodoList = typeof TodoList.Type

export const noTodos: TodoList = { tasks: [] }

/** The next number; ids of removed tasks are not used again while a later one is there. */
const nextId = ({ tasks }: TodoList): string => String(1 + Math.max(0, ...tasks.map(({ id }) => Number(id) || 0)))

/** The list with one more; the same list when it is full. */
export const addTodo = (
  context: TodoList,
  task: Pick<Todo, "subject" | "description" | "created_at">
): TodoList =>
  context.tasks.length >= maxTodos ? context : {
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

export interface TodoChange {
  readonly subject?: string
  readonly description?: string
  readonly state?: TodoState | "deleted"
  readonly blocked_by?: ReadonlyArray<string>
}

/** The list with a task changed or removed. Undefined when it is not there, or would wait for one that is not. */
export const changeTodo = (context: TodoList, id: string, change: TodoChange): TodoList | undefined => {
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
