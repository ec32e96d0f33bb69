/** Tools as the Agent Gateway's API tells of them. */
import { Args, Command } from "@effect/cli"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Schema, Stream } from "effect"
import { connect, connection } from "../Connection.ts"
import { type Column, output, printAll, printRecord } from "../Output.ts"

const Tool = Schema.Struct({
  name: Schema.String,
  description: Schema.String,
  source: Schema.String,
  parameters: Schema.Unknown
})

const columns: ReadonlyArray<Column<typeof Tool.Type>> = [
  ["name", ({ name }) => name],
  ["source", ({ source }) => source, 2],
  ["description", ({ description }) => description, 1]
]

const details: ReadonlyArray<Column<typeof Tool.Type>> = [
  ...columns,
  ["parameters", ({ parameters }) => JSON.stringify(parameters)]
]

const common = { ...output, ...connection }

const list = Command.make("list", common, (options) =>
  Effect.gen(function*() {
    const { http } = yield* connect(options)
    const found = yield* Effect.flatMap(
      http.get("/v1/tools"),
      HttpClientResponse.schemaBodyJson(Schema.Array(Tool))
    )
    yield* printAll(options.output, columns, Stream.fromIterable(found))
  })).pipe(Command.withDescription("List the tools of the server, and those that clients of your agents run"))

const show = Command.make(
  "show",
  { name: Args.text({ name: "name" }).pipe(Args.withDescription("The tool's name")), ...common },
  (options) =>
    Effect.gen(function*() {
      const { http } = yield* connect(options)
      const found = yield* Effect.flatMap(
        http.get(`/v1/tools/${encodeURIComponent(options.name)}`),
        HttpClientResponse.schemaBodyJson(Tool)
      )
      yield* printRecord(options.output, details, found)
    })
).pipe(Command.withDescription("Show a tool, with the schema of its arguments"))

export const tools = Command.make("tools").pipe(
  Command.withDescription("What agents can do"),
  Command.withSubcommands([list, show])
)
