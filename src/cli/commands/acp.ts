import { Command } from "@effect/cli"
import { Effect } from "effect"
import { Readable, Writable } from "node:stream"
import { agentIdOf } from "../Addressed.ts"
import { connect, connection } from "../Connection.ts"
import { optionalText } from "../Inputs.ts"

export const acp = Command.make(
  "acp",
  {
    agent: optionalText("agent", "ID|NAME", "The agent (default: assistant, made when there is none)"),
    model: optionalText("model", "PROVIDER:MODEL", "The model of new sessions (default: the agent's)"),
    ...connection
  },
  (options) =>
    Effect.gen(function*() {
      const connected = yield* connect(options)
      const agent = yield* agentIdOf(connected, options.agent)
      // Few commands need the protocol.
      const { serve } = yield* Effect.promise(() => import("../acp/Serve.ts"))
      yield* serve({
        connection: connected,
        agent,
        model: options.model,
        input: Readable.toWeb(process.stdin),
        output: Writable.toWeb(process.stdout)
      })
    })
).pipe(Command.withDescription("Be the agent of an editor that speaks ACP, on standard input and output"))
