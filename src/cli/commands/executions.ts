/** Executions and tools as the Agent Gateway's API lists them. */
import { Command } from "@effect/cli"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Option, Schema, Stream } from "effect"
import { connect, connection } from "../Connection.ts"
import { mountOf } from "../Gateway.ts"
import { optionalText } from "../Inputs.ts"
import { type Column, output, printAll } from "../Output.ts"

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

const executionColumns: ReadonlyArray<Column<typeof Execution.Type>> = [
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

export const executions = Command.make(
  "executions",
  {
    agent: optionalText("agent", "ID", "Only those of this agent"),
    session: optionalText("session", "ID", "Only those of this session"),
    root: optionalText("root", "ID", "Only those of this one's tree"),
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const server = yield* connect(options)
      const found = yield* Effect.flatMap(
        server.http.get(`${yield* mountOf(server)}/executions`, {
          urlParams: {
            agent_id: Option.getOrUndefined(options.agent),
            session_id: Option.getOrUndefined(options.session),
            root_execution_id: Option.getOrUndefined(options.root)
          }
        }),
        HttpClientResponse.schemaBodyJson(Schema.Array(Execution))
      )
      yield* printAll(options.output, executionColumns, Stream.fromIterable(found))
    })
).pipe(Command.withDescription("List executions, newest first: what was invoked, said, scheduled and handed on"))

const Tool = Schema.Struct({ name: Schema.String, description: Schema.String, source: Schema.String })

const toolColumns: ReadonlyArray<Column<typeof Tool.Type>> = [
  ["name", ({ name }) => name],
  ["source", ({ source }) => source, 2],
  ["description", ({ description }) => description, 1]
]

export const tools = Command.make("tools", { ...output, ...connection }, (options) =>
  Effect.gen(function*() {
    const server = yield* connect(options)
    const found = yield* Effect.flatMap(
      server.http.get(`${yield* mountOf(server)}/tools`),
      HttpClientResponse.schemaBodyJson(Schema.Array(Tool))
    )
    yield* printAll(options.output, toolColumns, Stream.fromIterable(found))
  })).pipe(Command.withDescription("List the tools of the server, and those that clients of your agents run"))
