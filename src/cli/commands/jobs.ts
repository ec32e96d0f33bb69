import { Command, Options } from "@effect/cli"
import { Effect, Option } from "effect"
import { JobId, UserId } from "../../domain/Ids.ts"
import { type Job, JobStatus } from "../../domain/Job.ts"
import { connect, connection } from "../Connection.ts"
import { decode, idArgument, idsArgument, optionalText, pathId } from "../Inputs.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"

const columns: ReadonlyArray<Column<Job>> = [
  ["id", ({ id }) => id],
  ["kind", ({ kind }) => kind],
  ["status", ({ status }) => status],
  ["user", ({ user_id }) => user_id, 2],
  ["attempts", ({ attempts }) => attempts, 3],
  ["not before", ({ run_at, status }) => status === "pending" ? run_at : null, 4],
  ["why", ({ error }) => error, 1]
]

const details: ReadonlyArray<Column<Job>> = [
  ...columns,
  ["payload", ({ payload }) => JSON.stringify(payload)],
  ["created", ({ created_at }) => created_at],
  ["updated", ({ updated_at }) => updated_at]
]

const common = { ...output, ...connection }
const path = (id: string) => Effect.map(pathId(JobId, "job", id), (job_id) => ({ job_id }))

const list = Command.make(
  "list",
  {
    status: Options.choice("status", JobStatus.literals).pipe(
      Options.withDescription("Only those that are at this"),
      Options.optional
    ),
    owner: optionalText("of", "USER", "Only those of this tenant"),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const user_id = yield* Effect.transposeMapOption(options.owner, (text) => decode(UserId, text))
      const where = { status: Option.getOrUndefined(options.status), user_id: Option.getOrUndefined(user_id) }
      yield* printAll(
        options.output,
        columns,
        all(options.limit, (urlParams) =>
          Effect.map(api.jobs.list({ urlParams: { ...urlParams, ...where } }), ({ jobs, next_cursor }) => ({
            items: jobs,
            next: next_cursor
          })))
      )
    })
).pipe(Command.withDescription("List the jobs of all tenants, newest first"))

const show = Command.make(
  "show",
  { id: idArgument("job-id", "The job's id"), ...common },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      yield* printRecord(options.output, details, yield* api.jobs.get({ path: yield* path(options.id) }))
    })
).pipe(Command.withDescription("Show a job"))

const retry = Command.make(
  "retry",
  { ids: idsArgument("job-id", "The jobs' ids"), ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* Effect.forEach(paths, (path) => api.jobs.retry({ path }), { discard: true })
    })
).pipe(Command.withDescription("Try jobs again that were given up"))

const remove = Command.make(
  "delete",
  { ids: idsArgument("job-id", "The jobs' ids"), ...connection },
  (options) =>
    Effect.gen(function*() {
      const { api } = yield* connect(options)
      const paths = yield* Effect.forEach(options.ids, path)
      yield* Effect.forEach(paths, (path) => api.jobs.remove({ path }), { discard: true })
    })
).pipe(Command.withDescription("Delete jobs that were given up, or that nobody knows how to do"))

export const jobs = Command.make("jobs").pipe(
  Command.withDescription("The work that is done later, for admins"),
  Command.withSubcommands([list, show, retry, remove])
)
