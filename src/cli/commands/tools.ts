/** The tools that there are, as the Agent Gateway's API lists them. */
import { Command } from "@effect/cli"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect, Schema, Stream } from "effect"
import { connect, connection } from "../Connection.ts"
import { mountOf } from "../Gateway.ts"
import { idArgument } from "../Inputs.ts"
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
    const server = yield* connect(options)
    const found = yield* Effect.flatMap(
      server.http.get(`${yield* mountOf(server)}/tools`),
      HttpClientResponse.schemaBodyJson(Schema.Array(Tool))
    )
    yield* printAll(options.output, columns, Stream.fromIterable(found))
  })).pipe(Command.withDescription("List the tools of the server, of its definitions, and those that clients run"))

const show = Command.make(
  "show",
  { name: idArgument("name", "The tool's name"), ...common },
  (options) =>
    Effect.gen(function*() {
      const server = yield* connect(options)
      const found = yield* Effect.flatMap(
        server.http.get(`${yield* mountOf(server)}/tools/${encodeURIComponent(options.name)}`),
        HttpClientResponse.schemaBodyJson(Tool)
      )
      yield* printRecord(options.output, details, found)
    })
).pipe(Command.withDescription("Show a tool with the JSON schema of its arguments"))

export const tools = Command.make("tools").pipe(
  Command.withDescription("The tools that agents can have"),
  Command.withSubcommands([list, show])
)
