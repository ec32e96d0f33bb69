import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import { Effect, Layer } from "effect"
import { Invalid, NotFound } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import type { Run } from "../../../domain/Run.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import { Storage } from "../../../services/Storage.ts"
import { aroundOf } from "../../Around.ts"
import { detailOf, type Problem } from "../../middleware/Problems.ts"
import type { Options } from "../Channel.ts"
import type { api, TaskState } from "./Api.ts"
import { keyIn } from "./Key.ts"
import { Objects } from "./Objects.ts"
import * as Process from "./Process.ts"

type Api = typeof api

/** What has gone before the run is told by the status, and by a frame: clients of this protocol read frames alone. */
const refused = (problem: Problem) =>
  HttpServerResponse.text(`data: ${JSON.stringify({ error: detailOf(problem), code: problem.code })}\n\n`, {
    status: problem.status,
    contentType: "text/event-stream",
    headers: {
      "cache-control": "no-cache",
      ...(problem.retry_after !== undefined && { "retry-after": String(problem.retry_after) })
    }
  })

const stateOf = ({ finished_reason, status }: Pick<Run, "finished_reason" | "status">): TaskState =>
  status !== "ended"
    ? "RUNNING"
    : finished_reason === "interrupted"
    ? "STOPPED"
    : finished_reason === "error"
    ? "ERROR"
    : "FINISHED"

const sentences: Readonly<Record<TaskState, string>> = {
  IDLE: "Nothing has run there.",
  RUNNING: "Interrupt signal broadcasted.",
  STOPPED: "Interrupt signal broadcasted.",
  FINISHED: "Nothing runs there: the last task has finished.",
  ERROR: "Nothing runs there: the last task has failed."
}

const taskOf = (run: Run) => {
  const state = stateOf(run)
  return {
    task_id: run.id,
    status: run.status === "queued"
      ? "pending" as const
      : state === "RUNNING"
      ? "running" as const
      : state === "FINISHED"
      ? "finished" as const
      : "error" as const,
    submitted_at: run.created_at,
    started_at: run.started_at,
    completed_at: run.ended_at,
    error: state === "STOPPED" ? "The task was stopped." : run.error?.message ?? null
  }
}

const noSession = new Invalid({
  code: "session_missing",
  detail: "Name the session in which a run is to be stopped.",
  errors: [{ path: "session_id", message: "is missing" }]
})

export const layer = (api: Api, options: Options) => {
  const welcome = HttpApiBuilder.group(api, "welcome", (handlers) =>
    handlers.handle("welcome", ({ request }) => {
      const { base } = aroundOf(request)
      const mount = `${base}${options.mount}`
      return Effect.succeed({
        service: "Stoa",
        mode: "standalone",
        endpoints: {
          process: `${mount}/process`,
          stop: `${mount}/stop`,
          task: `${mount}/process/task`,
          task_status: `${mount}/process/task/{task_id}`,
          health: `${base}/health`,
          readiness: `${base}/readiness`,
          liveness: `${base}/liveness`,
          docs: `${base}/docs`
        }
      })
    }))

  const processing = HttpApiBuilder.group(api, "process", (handlers) =>
    Effect.gen(function*() {
      const hub = yield* SessionHub
      const keys = yield* SessionKeys
      const { runs, sessions } = yield* Storage
      const newId = yield* NewId
      const { nameOf, process, submit, told } = yield* Process.make(options)
      const of = { channel: options.name }

      const keyOf = (ids: Parameters<typeof keyIn>[0], headers: Parameters<typeof keyIn>[1]) =>
        Effect.flatMap(now, (at) =>
          keyIn(ids, headers, { fresh: () => newId.record(Date.parse(at)), trusted: options.trusted }))

      const mine = (owner: UserId, id: string) =>
        Effect.filterOrFail(
          Effect.mapError(runs.get(owner, id), () =>
            NotFound.of("Task", id.slice(0, 128))),
          ({ source, source_id }) => source === "channel" && source_id === options.name,
          () => NotFound.of("Task", id.slice(0, 128))
        )

      /** What the run came to, from its own log; null where that is not kept any more, and where it never began. */
      const resultOf = Effect.fnUntraced(function*(run: Run) {
        if (run.status !== "ended" || run.first_seq === null) return null
        const session = yield* sessions.get(run.user_id, run.session_id)
        const session_id = yield* nameOf(session)
        const encoder = new Objects({ id: `response_${run.id}`, session_id, run_id: run.id })
        const accepted = { session_id: session.id, run_id: run.id, seq: run.first_seq - 1 }
        return yield* told({ session, accepted, encoder, isKept: true }).pipe(
          Effect.map(({ response }) => response as JsonObject | undefined ?? null),
          Effect.catchTag("Gone", () => Effect.succeed(null))
        )
      })

      return handlers
        .handle("process", ({ headers, payload }) =>
          Effect.gen(function*() {
            const { user_id: owner } = yield* CurrentPrincipal
            const key = yield* keyOf(payload, headers)
            const idempotencyKey = headers["idempotency-key"]
            return yield* process({ owner, key, payload, idempotencyKey, path: "POST process" })
          }).pipe(Effect.catchAll((problem) =>
            payload.stream === false ? Effect.fail(problem) : Effect.succeed(refused(problem))
          )))
        .handle(
          "submit",
          Effect.fnUntraced(function*({ headers, payload }) {
            const { user_id: owner } = yield* CurrentPrincipal
            const key = yield* keyOf(payload, headers)
            const idempotencyKey = headers["idempotency-key"]
            const { run_id } = yield* submit({ owner, key, payload, idempotencyKey, path: "POST process/task" })
            return {
              task_id: run_id,
              status: "submitted" as const,
              queue: "stream_query" as const,
              message: `Task ${run_id} was submitted to the queue stream_query.`
            }
          })
        )
        .handle(
          "tasks",
          Effect.fnUntraced(function*({ urlParams }) {
            const { user_id: owner } = yield* CurrentPrincipal
            const where = { source: "channel", source_id: options.name }
            const { items, next_cursor, total } = yield* runs.list(owner, urlParams, where, "newest")
            return { tasks: items.map(taskOf), total, next_cursor }
          })
        )
        .handle(
          "task",
          Effect.fnUntraced(function*({ path }) {
            const { user_id: owner } = yield* CurrentPrincipal
            const run = yield* mine(owner, path.task_id)
            return { ...taskOf(run), result: yield* resultOf(run) }
          })
        )
        .handle(
          "stop",
          Effect.fnUntraced(function*({ headers, payload }) {
            const { user_id: owner } = yield* CurrentPrincipal
            const { isFresh, key } = yield* keyOf(payload, headers)
            if (isFresh) {
              return yield* noSession
            }
            const session = yield* keys.find({ owner, ...of, key })
            const answer = (state: TaskState) => ({ status: "success" as const, message: sentences[state], state })
            if (session === undefined) {
              return answer("IDLE")
            }
            // When this returns, the end of what ran is durable: its own, if it was quicker than the stop.
            yield* hub.interrupt(session, "drop")
            const one = { limit: 1, cursor: undefined }
            const { items: [last] } = yield* Effect.orDie(runs.list(owner, one, { session_id: session.id }, "newest"))
            return answer(last === undefined ? "IDLE" : stateOf(last))
          })
        )
    }))

  return Layer.merge(welcome, processing)
}
