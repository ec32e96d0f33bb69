/** Executions as the Agent Gateway's API tells of them. */
import { Command, Options } from "@effect/cli"
import * as HttpClientRequest from "@effect/platform/HttpClientRequest"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Schema, Stream } from "effect"
import { connect, connection } from "../Connection.ts"
import { idArgument, optionalText } from "../Inputs.ts"
import { type Column, output, print, printAll, printRecord } from "../Output.ts"

/** Most that the server lists. */
const maxListed = 500

const Execution = Schema.Struct({
  execution_id: Schema.String,
  agent_id: Schema.String,
  status: Schema.String,
  message: Schema.String,
  error: Schema.NullOr(Schema.String),
  source: Schema.String,
  session_id: Schema.String,
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

const Whole = Schema.extend(
  Execution,
  Schema.Struct({ result: Schema.NullOr(Schema.Struct({ output: Schema.Unknown, raw_text: Schema.String })) })
)

const details: ReadonlyArray<Column<typeof Whole.Type>> = [
  ...columns,
  ["completed", ({ completed_at }) => completed_at],
  ["tokens", ({ usage }) => `${usage.input_tokens} in, ${usage.output_tokens} out`],
  ["root", ({ root_execution_id }) => root_execution_id],
  ["result", ({ result }) => {
    const output = result?.output ?? result?.raw_text
    return output === undefined || typeof output === "string" ? output : JSON.stringify(output)
  }]
]

const common = { ...output, ...connection }
const executionId = idArgument("execution-id", "The execution's id")
const path = (id: string) => `/v1/executions/${encodeURIComponent(id)}`

const list = Command.make(
  "list",
  {
    agent: optionalText("agent", "ID", "Only those of this agent"),
    session: optionalText("session", "ID", "Only those of this session"),
    root: optionalText("root", "ID", "Only those of this one's tree"),
    limit: Options.integer("limit").pipe(
      Options.withPseudoName("N"),
      Options.withDescription(`How many at most, up to ${maxListed}`),
      Options.withDefault(maxListed)
    ),
    ...common
  },
  (options) =>
    Effect.gen(function*() {
      const { http } = yield* connect(options)
      const found = yield* Effect.flatMap(
        http.get("/v1/executions", {
          urlParams: {
            agent_id: Option.getOrUndefined(options.agent),
            session_id: Option.getOrUndefined(options.session),
            root_execution_id: Option.getOrUndefined(options.root),
            limit: options.limit
          }
        }),
        HttpClientResponse.schemaBodyJson(Schema.Array(Execution))
      )
      yield* printAll(options.output, columns, Stream.fromIterable(found))
    })
).pipe(Command.withDescription("List executions, newest first: what was invoked, said, scheduled and handed on"))

const show = Command.make("show", { id: executionId, ...common }, (options) =>
  Effect.gen(function*() {
    const { http } = yield* connect(options)
    const found = yield* Effect.flatMap(http.get(path(options.id)), HttpClientResponse.schemaBodyJson(Whole))
    yield* printRecord(options.output, details, found)
  })).pipe(Command.withDescription("Show an execution, with its result"))

const Cancelled = Schema.Struct({ execution_id: Schema.String, status: Schema.String })

const cancel = Command.make("cancel", { id: executionId, ...common }, (options) =>
  Effect.gen(function*() {
    const { http } = yield* connect(options)
    const asked = yield* Effect.flatMap(
      http.execute(HttpClientRequest.post(`${path(options.id)}/cancel`)),
      HttpClientResponse.schemaBodyJson(Cancelled)
    )
    yield* print(options.output, asked, `${asked.status}\n`)
  })).pipe(Command.withDescription("Stop an execution before, while and between its attempts"))

export const executions = Command.make("executions").pipe(
  Command.withDescription("What agents have done, whatever has started it"),
  Command.withSubcommands([list, show, cancel])
)
