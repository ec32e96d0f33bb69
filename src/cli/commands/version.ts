import { Command, Options } from "@effect/cli"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { Effect } from "effect"
import { Health } from "../../domain/Health.ts"
import { connect, connection } from "../Connection.ts"
import { output, print } from "../Output.ts"
import { version as client, versionLine } from "../Version.ts"

export const version = Command.make(
  "version",
  {
    server: Options.boolean("server").pipe(Options.withDescription("The server's version too")),
    ...output,
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      if (!options.server) return yield* print(options.output, { client }, `${versionLine}\n`)
      const { raw, url } = yield* connect(options)
      const health = yield* Effect.flatMap(raw.get("/health"), HttpClientResponse.schemaBodyJson(Health))
      yield* print(
        options.output,
        { client, server: health.version, url },
        `${versionLine}\nserver ${health.version} at ${url}\n`
      )
    })
).pipe(Command.withDescription("The version of this program, and of the server"))
