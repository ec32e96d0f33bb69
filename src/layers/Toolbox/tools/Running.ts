/** How an agent looks at its calls that go on in the background, and stops them. */
import { Effect, Schema } from "effect"
import type { BackgroundTask } from "../../../domain/BackgroundTask.ts"
import { TaskId } from "../../../domain/Ids.ts"
import { textOf } from "../../../domain/MessageText.ts"
import { BackgroundTasks } from "../../../services/BackgroundTasks.ts"
import { Storage } from "../../../services/Storage.ts"
import type { ToolCaller } from "../../../services/Toolbox.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"

/** Most tasks in one list, and most characters of what one has said. */
const maxListed = 50
const maxShown = 20_000

const spec = { effect: "none", onRequest: true, background: false } as const

const id = Schema.String.pipe(Schema.minLength(1), Schema.maxLength(64))

const unknown = (task_id: string) => new ToolFailed({ message: `There is no background task '${task_id}' here.` })

const line = ({ created_at, ended_at, id, status, tool_name }: BackgroundTask) =>
  `${id} [${status}] ${tool_name}, since ${created_at}${ended_at === null ? "" : `, until ${ended_at}`}`

/** Its end, which is what there is to know. */
const endOf = (text: string) =>
  text.length <= maxShown ? text : `[${text.length - maxShown} characters before]\n${text.slice(-maxShown)}`

const find = (
  { backgroundTasks }: typeof Storage.Service,
  { session }: ToolCaller,
  task_id: string
): Effect.Effect<BackgroundTask, ToolFailed> =>
  backgroundTasks.get(session.user_id, task_id).pipe(
    Effect.filterOrFail((task) => task.session_id === session.id, () => unknown(task_id)),
    Effect.catchTag("NotFound", () => unknown(task_id))
  )

const view = Effect.map(Effect.all([Storage, BackgroundTasks]), ([storage, { said }]) =>
  define({
    ...spec,
    name: "ToolView",
    description:
      "Shows the tool calls of this session that go on in the background, or with a task_id what one of them "
      + "has said so far. You need not wait for them: you are told when they have ended.",
    idempotent: true,
    parameters: Schema.Struct({
      task_id: Schema.optionalWith(id, { exact: true }).annotations({ description: "The task id of one of them." })
    }),
    run: Effect.fnUntraced(function*({ task_id }, caller) {
      if (task_id !== undefined) {
        const task = yield* find(storage, caller, task_id)
        const text = task.status === "running" ? said(task.id) : textOf(task.output)
        return `${line(task)}\n${
          text === undefined ? "What it says is not known here: another server runs it." : endOf(text)
        }`
      }
      const { session } = caller
      const page = { limit: maxListed, cursor: undefined }
      const { items } = yield* Effect.orDie(
        storage.backgroundTasks.list(session.user_id, page, { session_id: session.id, status: "running" }, "newest")
      )
      return items.length === 0 ? "Nothing goes on in the background." : items.map(line).join("\n")
    })
  }))

const stop = Effect.map(Effect.all([Storage, BackgroundTasks]), ([storage, { cancel }]) =>
  define({
    ...spec,
    name: "ToolStop",
    description: "Stops a tool call that goes on in the background. You are not told anything more of it.",
    idempotent: true,
    parameters: Schema.Struct({ task_id: id.annotations({ description: "Its task id." }) }),
    run: Effect.fnUntraced(function*({ task_id }, caller) {
      const task = yield* find(storage, caller, task_id)
      if (task.status !== "running") return `It had ended already: ${line(task)}`
      yield* Effect.catchTags(cancel(caller.session, TaskId.make(task_id)), {
        NotFound: () => unknown(task_id),
        Unavailable: ({ detail }) => new ToolFailed({ message: detail })
      })
      return line(yield* find(storage, caller, task_id))
    })
  }))

export const running = [view, stop] as const
