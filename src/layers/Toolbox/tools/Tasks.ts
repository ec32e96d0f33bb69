/** The agent's to-do list, kept in its session. */
import { Effect, Schema } from "effect"
import type { Session } from "../../../domain/Session.ts"
import {
  addTask,
  type AgentTask,
  changeTask,
  maxDescription,
  maxSubject,
  maxTasks,
  noTasks,
  type TasksContext,
  TaskState
} from "../../../domain/Tasks.ts"
import { now } from "../../../services/Now.ts"
import { Storage } from "../../../services/Storage.ts"
import type { ToolCaller } from "../../../services/Toolbox.ts"
import { define, ToolFailed, type ToolSource } from "../BuiltInTool.ts"

/**
 * Is told of each change, within the call that made it: the place to tell those who watch the
 * session, by `CUSTOM state_updated`.
 */
export type Told = (caller: ToolCaller, tasks: TasksContext) => Effect.Effect<void>

const line = ({ blocked_by, id, state, subject }: AgentTask) =>
  `#${id} [${state}] ${subject}${
    blocked_by.length === 0 ? "" : ` (after ${blocked_by.map((id) => `#${id}`).join(", ")})`
  }`

const shown = ({ tasks }: TasksContext): string =>
  tasks.length === 0 ? "There are no tasks." : tasks.map(line).join("\n")

const tasksOf = ({ state }: Session): TasksContext => state.tasks_context ?? noTasks

const refuse = (message: string) => new ToolFailed({ message })

const subject = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(maxSubject))
const description = Schema.String.pipe(Schema.maxLength(maxDescription))

const spec = { effect: "none", idempotent: false, onRequest: true } as const

export const tasks = (told: Told): ReadonlyArray<ToolSource<Storage>> => {
  /** Changes the list in the session as it is now: two calls at once change it one after the other. */
  const change = (
    { sessions }: typeof Storage.Service,
    caller: ToolCaller,
    by: (before: TasksContext) => TasksContext | undefined
  ) =>
    Effect.gen(function*() {
      const { id, user_id } = caller.session
      let done = false
      const { state } = yield* sessions.modify(user_id, id, (session) => {
        const after = by(tasksOf(session))
        done = after !== undefined
        return after === undefined ? session : { ...session, state: { ...session.state, tasks_context: after } }
      })
      const after = state.tasks_context ?? noTasks
      if (done) yield* told(caller, after)
      return done ? after : undefined
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
      run: Effect.fnUntraced(function*(task, caller) {
        const created_at = yield* now
        const after = yield* change(storage, caller, (before) => {
          const after = addTask(before, { ...task, created_at })
          return after === before ? undefined : after
        })
        return after === undefined
          ? yield* refuse(`There are ${maxTasks} tasks already: delete some.`)
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
        state: Schema.optionalWith(Schema.Union(TaskState, Schema.Literal("deleted")), { exact: true }),
        subject: Schema.optionalWith(subject, { exact: true }),
        description: Schema.optionalWith(description, { exact: true }),
        blocked_by: Schema.optionalWith(Schema.Array(Schema.String).pipe(Schema.maxItems(maxTasks)), { exact: true })
      }),
      run: Effect.fnUntraced(function*({ task_id, ...by }, caller) {
        const id = task_id.replace(/^#/, "")
        const after = yield* change(storage, caller, (before) => changeTask(before, id, by))
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
        Effect.map(sessions.get(session.user_id, session.id), (session) => shown(tasksOf(session))).pipe(
          Effect.catchTag("NotFound", () => refuse("The session is gone."))
        )
    }))

  return [create, update, list]
}
