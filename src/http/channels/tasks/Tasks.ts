/** Tasks of the program's own kinds, as AgentApp's clients hand them in and ask about them: `POST /<name>`, `GET /<name>/{task_id}`. */
import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { Effect, Layer, Schema } from "effect"
import { OwnTask } from "../../../domain/OwnTask.ts"
import { listOf, PageRequest } from "../../../domain/Page.ts"
import { CurrentPrincipal } from "../../../domain/Principal.ts"
import { Idempotency } from "../../../services/Idempotency.ts"
import { type OwnTaskKind, OwnTasks } from "../../../services/OwnTasks.ts"
import { Authentication } from "../../api/Authentication.ts"
import { idempotencyKey } from "../../api/IdempotencyKey.ts"
import { operation } from "../../api/Operation.ts"
import * as Problem from "../../api/Problem.ts"
import { errors, respond } from "../agentapp/Errors.ts"
import { type Channel, make } from "../Channel.ts"

const { fields } = OwnTask

const Submitted = Schema.Struct({
  task_id: fields.id,
  status: Schema.Literal("submitted"),
  queue: Schema.String,
  message: Schema.String
}).annotations({ identifier: "TaskSubmitted" })

const Status = Schema.Struct({
  task_id: fields.id,
  status: fields.status,
  result: fields.result,
  error: fields.error,
  attempts: fields.attempts,
  submitted_at: fields.created_at,
  started_at: fields.started_at,
  completed_at: fields.ended_at
}).annotations({ identifier: "TaskStatus" })

const statusOf = (task: OwnTask): typeof Status.Type => ({
  task_id: task.id,
  status: task.status,
  result: task.result,
  error: task.error,
  attempts: task.attempts,
  submitted_at: task.created_at,
  started_at: task.started_at,
  completed_at: task.ended_at
})

const pathOf = ({ name }: OwnTaskKind) => `/${name}` as const

const submitting = (kind: OwnTaskKind) =>
  HttpApiEndpoint.post(kind.name as string, pathOf(kind))
    .setHeaders(Schema.Struct({ ...idempotencyKey }))
    .setPayload(kind.input)
    .addSuccess(Submitted)
    .annotateContext(operation({
      scope: "chat",
      summary: `Hand in: ${kind.name}`,
      description: `${kind.description} It is done later, at least once; ask for its status and result by its id.`
        .trim()
    }))

const asking = (kind: OwnTaskKind) =>
  HttpApiEndpoint.get(kind.name as string, `${pathOf(kind)}/:task_id`)
    .setPath(Schema.Struct({ task_id: Schema.String }))
    .addSuccess(Status)
    .annotateContext(operation({ scope: "read", summary: `Ask about one: ${kind.name}` }))

const listing = (kind: OwnTaskKind) =>
  HttpApiEndpoint.get(kind.name as string, pathOf(kind))
    .setUrlParams(PageRequest)
    .addSuccess(listOf("tasks", Status))
    .annotateContext(operation({ scope: "read", summary: `List: ${kind.name}` }))

/** At least one. */
type Kinds = readonly [OwnTaskKind, ...ReadonlyArray<OwnTaskKind>]

const apiOf = ([first, ...others]: Kinds) =>
  HttpApi.make("tasks")
    .add(
      others.reduce(
        (group, kind) => group.add(submitting(kind)),
        HttpApiGroup.make("submit").add(submitting(first))
      ).middleware(Authentication)
    )
    .add(
      others.reduce((group, kind) => group.add(asking(kind)), HttpApiGroup.make("status").add(asking(first)))
        .middleware(Authentication)
    )
    .add(
      others.reduce((group, kind) => group.add(listing(kind)), HttpApiGroup.make("list").add(listing(first)))
        .middleware(Authentication)
    )
    .addError(Problem.Malformed)
    .addError(Problem.NotFound)
    .addError(Problem.Conflict)
    .addError(Problem.TooLarge)
    .addError(Problem.UnsupportedContent)
    .addError(Problem.Invalid)
    .addError(Problem.LimitReached)
    .addError(Problem.Unavailable)
    .annotate(OpenApi.Title, "Stoa: tasks of this program")
    .annotate(OpenApi.Version, "0.1.0")

type Api = ReturnType<typeof apiOf>

const layerOf = (api: Api, [first, ...others]: Kinds) => {
  const submit = HttpApiBuilder.group(api, "submit", (handlers) =>
    Effect.gen(function*() {
      const tasks = yield* OwnTasks
      const { once } = yield* Idempotency
      const one = (before: typeof handlers, kind: OwnTaskKind) =>
        before.handle(
          kind.name,
          Effect.fnUntraced(function*({ headers, payload }) {
            const { user_id: owner } = yield* CurrentPrincipal
            // What has been read is kept as it came.
            const input = yield* Effect.orDie(Schema.encode(kind.input)(payload))
            const { id: task_id } = yield* once(
              {
                owner,
                key: headers["idempotency-key"],
                request: `POST ${pathOf(kind)}`,
                body: input,
                answer: OwnTask
              },
              ({ keep }) => tasks.submit(owner, kind, input, keep)
            )
            return {
              task_id,
              status: "submitted" as const,
              queue: kind.name,
              message: `Task ${task_id} was submitted to the queue ${kind.name}.`
            }
          })
        )
      // All endpoints of a group have the same type, so that one of them counts as all.
      return one(others.reduce((before, kind) => one(before, kind) as unknown as typeof handlers, handlers), first)
    }))
  const status = HttpApiBuilder.group(api, "status", (handlers) =>
    Effect.map(OwnTasks, (tasks) => {
      const one = (before: typeof handlers, kind: OwnTaskKind) =>
        before.handle(kind.name, ({ path }) =>
          Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
            Effect.map(tasks.get(user_id, kind, path.task_id), statusOf)))
      return one(
        others.reduce((before, kind) =>
          one(before, kind) as unknown as typeof handlers, handlers),
        first
      )
    }))
  const list = HttpApiBuilder.group(api, "list", (handlers) =>
    Effect.map(OwnTasks, (tasks) => {
      const one = (before: typeof handlers, kind: OwnTaskKind) =>
        before.handle(kind.name, ({ urlParams }) =>
          Effect.flatMap(CurrentPrincipal, ({ user_id }) =>
            Effect.map(tasks.list(user_id, kind, urlParams), ({ items, next_cursor, total }) => ({
              tasks: items.map(statusOf),
              total,
              next_cursor
            }))))
      return one(
        others.reduce((before, kind) =>
          one(before, kind) as unknown as typeof handlers, handlers),
        first
      )
    }))
  return Layer.mergeAll(submit, status, list)
}

/** There is none where the program brings no tasks. */
export const channels = (kinds: ReadonlyArray<OwnTaskKind>): ReadonlyArray<Channel> => {
  const [first, ...others] = kinds
  if (first === undefined) return []
  const all: Kinds = [first, ...others]
  return [make({
    name: "tasks",
    title: "Tasks",
    mount: "",
    api: apiOf(all),
    handlers: (api) => layerOf(api, all),
    respond,
    errors,
    options: []
  })]
}
