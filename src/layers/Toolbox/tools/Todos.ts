/** The agent's to-do list, kept in its session. */
import { Effect, Schema } from "effect"
import type { Session } from "../../../domain/Session.ts"
import {
  addTodo,
  changeTodo,
  maxDescription,
  maxSubject,
  maxTodos,
  noTodos,
  type Todo,
  type TodoList,
  TodoState
} from "../../../domain/Todos.ts"
import { now } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"
import type { ToolCaller } from "../../../services/Toolbox.ts"
import { define, ToolFailed, type ToolIo } from "../BuiltInTool.ts"

const line = ({ blocked_by, id, state, subject }: Todo) =>
  `#${id} [${state}] ${subject}${
    blocked_by.length === 0 ? "" : ` (after ${blocked_by.map((id) => `#${id}`).join(", ")})`
  }`

const shown = ({ tasks }: TodoList): string => tasks.length === 0 ? "There are no tasks." : tasks.map(line).join("\n")

const todosOf = ({ state }: Session): TodoList => state.tasks_context ?? noTodos

const refuse = (message: string) => new ToolFailed({ message })

const subject = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxSubject))
const description = Schema.String.pipe(Schema.maxLength(maxDescription))

const spec = { effect: "none", idempotent: false, onRequest: true, background: false } as const

/** Changes the list in the session as it is now: two calls at once change it one after the other. */
const change = (
  { sessions }: typeof Storage.Service,
  { session: { id, user_id } }: ToolCaller,
  { emit }: ToolIo,
  by: (before: TodoList) => TodoList | undefined
) =>
  Effect.gen(function*() {
    let done = false
    const { state } = yield* sessions.modify(user_id, id, (session) => {
      const after = by(todosOf(session))
      done = after !== undefined
      return after === undefined ? session : { ...session, state: { ...session.state, tasks_context: after } }
    })
    if (!done) return undefined
    emit({ type: "state", state })
    return state.tasks_context ?? noTodos
  }).pipe(Effect.catchTag("NotFound", () => refuse("The session is gone.")))

const create = Effect.map(Storage, (storage) =>
  define({
    ...spec,
    name: "TaskCreate",
    description: "Adds a task to your to-do list of this session.",
    parameters: Schema.Struct({
      subject,
      description: Schema.optionalWith(description, { exact: true, default: () => "" })
    }),
    run: Effect.fnUntraced(function*(task, caller, io) {
      const created_at = yield* now
      const after = yield* change(storage, caller, io, (before) => {
        const after = addTodo(before, { ...task, created_at })
        return after === before ? undefined : after
      })
      return after === undefined
        ? yield* refuse(`There are ${maxTodos} tasks already: delete some.`)
        : line(after.tasks.at(-1)!)
    })
  }))

const update = Effect.map(Storage, (storage) =>
  define({
    ...spec,
    name: "TaskUpdate",
    description: "Changes a task of your to-do list: its state, its words, or the tasks that come before it.",
    parameters: Schema.Struct({
      task_id: Schema.String.pipe(Schema.maxLength(32)),
      state: Schema.optionalWith(Schema.Union(TodoState, Schema.Literal("deleted")), { exact: true }),
      subject: Schema.optionalWith(subject, { exact: true }),
      description: Schema.optionalWith(description, { exact: true }),
      blocked_by: Schema.optionalWith(Schema.Array(Schema.String).pipe(Schema.maxItems(maxTodos)), { exact: true })
    }),
    run: Effect.fnUntraced(function*({ task_id, ...by }, caller, io) {
      const id = task_id.replace(/^#/, "")
      const after = yield* change(storage, caller, io, (before) => changeTodo(before, id, by))
      return after === undefined
        ? yield* refuse(`There is no task #${id}, or none that it is to come after.`)
        : shown(after)
    })
  }))

const list = Effect.map(Storage, ({ sessions }) =>
  define({
    name: "TaskList",
    description: "Shows your to-do list of this session.",
    effect: "none",
    idempotent: true,
    onRequest: true,
    parameters: Schema.Struct({}),
    run: (_, { session }) =>
      Effect.map(sessions.get(session.user_id, session.id), (session) => shown(todosOf(session))).pipe(
        Effect.catchTag("NotFound", () => refuse("The session is gone."))
      )
  }))

/** One effect for each tool. */
export const todos = [create, update, list] as const
