/** What was executed, as the Agent Gateway's API lists it. */
import { Command } from "@effect/cli"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Schema } from "effect"
import { RunId } from "../../domain/Ids.ts"
import { connect, connection } from "../Connection.ts"
import { mountOf } from "../Gateway.ts"
import { idArgument, idsArgument, optionalText, pathId } from "../Inputs.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"
import { all, limit } from "../Paging.ts"

const Execution = Schema.Struct({
  execution_id: Schema.String,
  agent_id: Schema.String,
  status: Schema.String,
  message: Schema.String,
  input: Schema.Unknown,
  result: Schema.NullOr(Schema.Struct({ output: Schema.Unknown, raw_text: Schema.String })),
  error: Schema.NullOr(Schema.String),
  source: Schema.String,
  waiting_for: Schema.NullOr(Schema.String),
  session_id: Schema.String,
  parent_execution_id: Schema.NullOr(Schema.String),
  root_execution_id: Schema.String,
  usage: Schema.Struct({ input_tokens: Schema.Int, output_tokens: Schema.Int, cost_usd: Schema.Number }),
  created_at: Schema.String,
  completed_at: Schema.NullOr(Schema.String)
})
type Execution = typeof Execution.Type

const columns: ReadonlyArray<Column<Execution>> = [
  ["id", ({ execution_id }) => execution_id],
  ["status", ({ status }) => status],
  ["message", ({ message }) => message, 1],
  ["source", ({ source }) => source, 3],
  ["cost", ({ usage }) => usage.cost_usd, 2],
  ["created", ({ created_at }) => created_at, 2],
  ["agent", ({ agent_id }) => agent_id, 4],
  ["session", ({ session_id }) => session_id, 5],
  ["error", ({ error }) => error, 3]
]

const details: ReadonlyArray<Column<Execution>> = [
  ...columns,
  ["said", ({ result }) => result?.raw_text ?? null],
  ["waits for", ({ waiting_for }) => waiting_for],
  ["below", ({ parent_execution_id }) => parent_execution_id],
  ["tokens", ({ usage }) => `${usage.input_tokens} in, ${usage.output_tokens} out`],
  ["completed", ({ completed_at }) => completed_at]
]

const common = { ...output, ...connection }

const executionId = idArgument("execution-id", "The execution's id")

/** Most executions that the API lists at once. */
const most = 500

const list = Command.make(
  "list",
  {
    agent: optionalText("agent", "ID", "Only those of this agent"),
    session: optionalText("session", "ID", "Only those of this session"),
    root: optionalText("root", "ID", "Only those of this one's tree"),
    ...limit,
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const server = yield* connect(options)
      const mount = yield* mountOf(server)
      const page = ({ cursor, ...params }: { readonly limit: number; readonly cursor?: string }) => {
        const limit = Math.min(params.limit, most)
        return Effect.map(
          Effect.flatMap(
            server.http.get(`${mount}/executions`, {
              urlParams: {
                agent_id: Option.getOrUndefined(options.agent),
                session_id: Option.getOrUndefined(options.session),
                root_execution_id: Option.getOrUndefined(options.root),
                before: cursor,
                limit
              }
            }),
            HttpClientResponse.schemaBodyJson(Schema.Array(Execution))
          ),
          (items) => ({ items, next: items.length < limit ? null : items.at(-1)?.execution_id ?? null })
        )
      }
      yield* printAll(options.output, columns, all(options.limit, page))
    })
).pipe(Command.withDescription("List executions, newest first: what was invoked, said, scheduled and handed on"))

const show = Command.make("show", { id: executionId, ...common }, (options) =>
  Effect.gen(function*() {
    const server = yield* connect(options)
    const id = yield* pathId(RunId, "execution", options.id)
    const found = yield* Effect.flatMap(
      server.http.get(`${yield* mountOf(server)}/executions/${id}`),
      HttpClientResponse.schemaBodyJson(Execution)
    )
    yield* printRecord(options.output, details, found)
  })).pipe(Command.withDescription("Show an execution with its result"))

const cancel = Command.make(
  "cancel",
  { ids: idsArgument("execution-id", "The executions' ids"), ...connection },
  (options) =>
    Effect.gen(function*() {
      const server = yield* connect(options)
      const ids = yield* Effect.forEach(options.ids, (id) => pathId(RunId, "execution", id))
      const mount = yield* mountOf(server)
      yield* Effect.forEach(ids, (id) => server.http.post(`${mount}/executions/${id}/cancel`), { discard: true })
    })
).pipe(Command.withDescription("Stop executions, also those that wait to be sent again"))

export const executions = Command.make("executions").pipe(
  Command.withDescription("What was executed, as clients of the Agent Gateway see it"),
  Command.withSubcommands([list, show, cancel])
)
