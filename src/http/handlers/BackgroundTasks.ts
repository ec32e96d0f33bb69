import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Effect } from "effect"
import { type BackgroundTask, viewOf } from "../../domain/BackgroundTask.ts"
import { NotFound } from "../../domain/Errors.ts"
import type { SessionId, TaskId } from "../../domain/Ids.ts"
import { textOf } from "../../domain/MessageText.ts"
import { BackgroundTasks, missing } from "../../services/BackgroundTasks.ts"
import { Storage } from "../../services/Storage.ts"
import { Api } from "../Api.ts"
import * as MySession from "./MySession.ts"

export const layer = HttpApiBuilder.group(Api, "backgroundTasks", (handlers) =>
  Effect.gen(function*() {
    const { backgroundTasks } = yield* Storage
    const { cancel, said } = yield* BackgroundTasks
    const mine = yield* MySession.make

    const taskOf = Effect.fnUntraced(
      function*({ session_id, task_id }: { readonly session_id: SessionId; readonly task_id: TaskId }) {
        const { id, user_id } = yield* mine(session_id)
        const none = new NotFound({ detail: missing(task_id, id) })
        const task: BackgroundTask = yield* Effect.mapError(backgroundTasks.get(user_id, task_id), () => none)
        return task.session_id === id ? task : yield* none
      }
    )

    return handlers
      .handle(
        "list",
        Effect.fnUntraced(function*({ path, urlParams: { status = "running", ...page } }) {
          const { id, user_id } = yield* mine(path.session_id)
          const where = { session_id: id, ...(status !== "all" && { status }) }
          const { items, ...rest } = yield* backgroundTasks.list(user_id, page, where)
          return { tasks: items.map(viewOf), ...rest }
        })
      )
      .handle("get", ({ path }) =>
        Effect.map(taskOf(path), (task) => ({
          ...viewOf(task),
          output: task.status === "running" ? said(task.id) ?? null : textOf(task.output)
        })))
      .handle("cancel", ({ path }) => Effect.flatMap(mine(path.session_id), (session) => cancel(session, path.task_id)))
  }))
