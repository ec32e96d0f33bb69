import { Command } from "@effect/cli"
import { Effect } from "effect"
import { admin, asAdmin } from "../Connection.ts"
import { output, print } from "../Output.ts"

export const reload = Command.make("reload", { ...admin, ...output }, (options) =>
  Effect.gen(function*() {
    const { api } = yield* asAdmin(options)
    const reloaded = yield* api.admin.reload()
    const { agents, revision, skills, tools } = reloaded
    yield* print(
      options.output,
      reloaded,
      `The server has read its definitions again: ${agents} agents, ${tools} tools, ${skills} skills (revision ${revision}).\n`
    )
  })).pipe(Command.withDescription("Let a running server read its definitions again (needs the scope admin)"))
