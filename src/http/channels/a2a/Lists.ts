/** Pages of tasks, newest first. */
import { Effect } from "effect"
import { taskStateOf } from "../../../domain/A2aPush.ts"
import { cursorAfter, pageBytes } from "../../../domain/Page.ts"
import type { Run } from "../../../domain/Run.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import { Storage } from "../../../services/Storage.ts"
import type { Options } from "../Channel.ts"
import { type Caller, headOf, make as finding } from "./Find.ts"
import { contextOf, taskOf } from "./Render.ts"
import { defaultPageSize, type ListRequest } from "./Requests.ts"
import type { Task } from "./Shapes.ts"

const statuses: Readonly<Record<string, Run["status"]>> = {
  TASK_STATE_SUBMITTED: "queued",
  TASK_STATE_WORKING: "running",
  TASK_STATE_COMPLETED: "ended",
  TASK_STATE_FAILED: "ended",
  TASK_STATE_CANCELED: "ended"
}

export interface TaskPage {
  readonly tasks: ReadonlyArray<Task>
  readonly nextPageToken: string
  readonly pageSize: number
  readonly totalSize: number
}

export const make = ({ name: channel }: Options) =>
  Effect.gen(function*() {
    const { runs, sessions } = yield* Storage
    const keys = yield* SessionKeys
    const { replyOf } = yield* finding(channel)

    return Effect.fnUntraced(function*(caller: Caller, request: ListRequest) {
      const { contextId, historyLength, includeArtifacts, pageSize, pageToken, status, statusTimestampAfter } = request
      const { agent, base, owner } = caller
      const limit = pageSize ?? defaultPageSize
      const wanted = status == null || status === "TASK_STATE_UNSPECIFIED" ? undefined : status
      const nothing: TaskPage = { tasks: [], nextPageToken: "", pageSize: limit, totalSize: 0 }
      const session = contextId == null || contextId === ""
        ? undefined
        : yield* keys.find({ owner, channel, key: contextId })
      if (contextId != null && contextId !== "" && session === undefined) return nothing
      const page = yield* runs.list(
        owner,
        { limit, cursor: pageToken === "" ? undefined : pageToken ?? undefined },
        {
          source: "channel",
          source_id: channel,
          ...(agent !== undefined && { agent_id: agent.id }),
          ...(session !== undefined && { session_id: session.id }),
          ...(wanted !== undefined && statuses[wanted] !== undefined && { status: statuses[wanted] })
        },
        "newest"
      )
      // What the columns do not tell apart is looked at here: such a page may hold fewer than it could.
      const after = statusTimestampAfter == null ? undefined : Date.parse(statusTimestampAfter)
      const fits = (run: Run) =>
        (wanted === undefined || taskStateOf(run) === wanted) &&
        (session === undefined || contextOf(run) === contextId) &&
        (after === undefined || Date.parse(run.ended_at ?? run.updated_at) > after)
      const shown = { historyLength: historyLength ?? 0, withArtifacts: includeArtifacts === true }
      const tasks: Array<Task> = []
      let next = page.next_cursor
      let bytes = 0
      for (const [i, run] of page.items.entries()) {
        if (!fits(run)) continue
        const reply = includeArtifacts === true
          ? yield* Effect.flatMap(sessions.get(owner, run.session_id), (session) => replyOf({ run, session }))
          : undefined
        const task = taskOf(headOf({ base }, run), run, reply, shown)
        bytes += JSON.stringify(task).length
        // A page ends before it is too large; a task that is larger comes alone.
        if (tasks.length > 0 && bytes > pageBytes) {
          next = cursorAfter(page.items[i - 1]!.id)
          break
        }
        tasks.push(task)
      }
      const answer: TaskPage = {
        tasks,
        nextPageToken: next ?? "",
        pageSize: limit,
        totalSize: page.total
      }
      return answer
    })
  })
