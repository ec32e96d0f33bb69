import { Command, Options } from "@effect/cli"
import { Duration, Effect, Option, Schedule } from "effect"
import { type TaskDetail, TaskStatus, type TaskView } from "../../domain/BackgroundTask.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import { SessionId, TaskId } from "../../domain/Ids.ts"
import { lostNotice } from "../Chat.ts"
import { follow } from "../client/Follow.ts"
import { connect, type Connection, connection } from "../Connection.ts"
import { failed } from "../Failed.ts"
import { idArgument, idsArgument, pathId } from "../Inputs.ts"
import { type Column, output, printAll } from "../Output.ts"
import { all, limit } from "../Paging.ts"
import { dim, harmless, Screen } from "../Screen.ts"
import { watchOutput } from "../Watching.ts"

const columns: ReadonlyArray<Column<TaskView>> = [
  ["id", ({ task_id }) => task_id],
  ["tool", ({ tool_name }) => tool_name],
  ["status", ({ status }) => status],
  ["run", ({ run_id }) => run_id, 3],
  ["since", ({ created_at }) => created_at, 2],
  ["until", ({ ended_at }) => ended_at, 1]
]

const sessionId = idArgument("session-id", "The session's id")

const sessionPath = (id: string) => Effect.map(pathId(SessionId, "session", id), (session_id) => ({ session_id }))

const path = (session: string, task: string) =>
  Effect.zipWith(sessionPath(session), pathId(TaskId, "task", task), (session, task_id) => ({ ...session, task_id }))

const list = Command.make(
  "list",
  {
    session: sessionId,
    status: Options.choice("status", [...TaskStatus.literals, "all"]).pipe(
      Options.withDescription("Those that are at this"),
      Options.withDefault("running" as const)
    ),
    ...limit,
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const path = yield* sessionPath(options.session)
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (params) =>
          Effect.map(
            api.backgroundTasks.list({ path, urlParams: { ...params, status: options.status } }),
            ({ next_cursor, tasks }) => ({ items: tasks, next: next_cursor })
          ))
      )
    })
).pipe(Command.withDescription("List the background tasks of a session, those that run unless told otherwise"))

const isOf = (id: string) => (event: AgentEvent) =>
  event.type === "CUSTOM" &&
  (event.name === "task_started" || event.name === "task_output" || event.name === "task_ended") &&
  event.value.task_id === id

/** How often it is asked whether the task has ended: the event that tells of it may have been lost with a server. */
const askEvery = Duration.seconds(2)

const untilEnded = ({ api }: Connection, path: { readonly session_id: SessionId; readonly task_id: TaskId }) =>
  api.backgroundTasks.get({ path }).pipe(
    Effect.repeat({ until: ({ status }) => status !== "running", schedule: Schedule.spaced(askEvery) }),
    Effect.delay(askEvery),
    // What it said last is on its way.
    Effect.zipLeft(Effect.sleep(askEvery))
  )

/** Its output so far and from now on, as the session's log tells it. */
const followTask = Effect.fnUntraced(function*(connected: Connection, task: TaskDetail, isText: boolean) {
  const screen = yield* Screen
  const run = yield* Effect.option(connected.api.runs.get({ path: { run_id: task.run_id } }))
  const after = Option.flatMapNullable(run, ({ first_seq }) => first_seq).pipe(Option.map((seq) => seq - 1))
  const isMine = isOf(task.task_id)
  yield* follow(connected, {
    session: task.session_id,
    after,
    isExpected: true,
    onLost: lostNotice,
    onEvent: ({ event, json }) =>
      Effect.gen(function*() {
        if (!Option.exists(event, isMine)) return false
        if (!isText) yield* screen.out(`${JSON.stringify(json)}\n`)
        else if (Option.isSome(event) && event.value.type === "CUSTOM" && event.value.name === "task_output") {
          yield* screen.out(harmless(event.value.value.delta))
        }
        return Option.exists(event, (known) => known.type === "CUSTOM" && known.name === "task_ended")
      })
  })
})

const watch = Command.make(
  "watch",
  { session: sessionId, id: idArgument("task-id", "The task's id"), ...watchOutput, ...connection },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const screen = yield* Screen
      const at = yield* path(options.session, options.id)
      const task = yield* connected.api.backgroundTasks.get({ path: at })
      const isText = options.output === "text"
      if (task.status === "running") {
        yield* Effect.raceFirst(followTask(connected, task, isText), untilEnded(connected, at))
      } else yield* screen.out(isText ? harmless(task.output ?? "") : `${JSON.stringify(task)}\n`)
      const { status } = yield* connected.api.backgroundTasks.get({ path: at })
      if (isText) yield* screen.err(dim(`\n(${status})\n`, screen.hasColour.err))
      if (status === "failed" || status === "lost") return yield* failed(`The task is ${status}.`)
    })
).pipe(Command.withDescription("Show what a background task says, until it ends"))

const cancel = Command.make(
  "cancel",
  { session: sessionId, ids: idsArgument("task-id", "The tasks' ids"), ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, (id) => path(options.session, id))
      yield* Effect.forEach(paths, (path) => api.backgroundTasks.cancel({ path }), { discard: true })
    })
).pipe(Command.withDescription("Stop background tasks; ended ones stay as they are"))

export const tasks = Command.make("tasks").pipe(
  Command.withDescription("Tool calls that go on in the background"),
  Command.withSubcommands([list, watch, cancel])
)
