/** What the MCP server has: agents as tools, sessions as resources, and skills as prompts. It answers one request. */
import type { ServerContext } from "@modelcontextprotocol/server"
import { Duration, Effect } from "effect"
import type { Options } from "../Channel.ts"
import { askingOf, type Sdk } from "./Asking.ts"
import * as Calls from "./Calls.ts"
import * as Prompts from "./Prompts.ts"
import * as Resources from "./Resources.ts"
import * as Tools from "./Tools.ts"

/** How long a person may think about a question, in the revisions that keep the call open for it. */
const patience = Duration.minutes(10)

const about = {
  info: { name: "stoa", title: "Stoa", version: "1.0.0" },
  instructions: "Each tool is an agent: ask it by a message. Calls with the same session_key go on with one "
    + "conversation. Conversations so far are resources; skills are prompts."
}

/** What is told of progress, where the request has said how. */
const teller = ({ mcpReq: { _meta, notify } }: ServerContext): Calls.Call["tell"] => {
  const progressToken = _meta?.progressToken
  if (progressToken === undefined) return undefined
  return (line) => {
    // Whoever is not there any more is told nothing.
    notify({ method: "notifications/progress", params: { progressToken, ...line } }).catch(() => {})
  }
}

/** By a form that the client shows while the call waits. */
const elicitor = ({ mcpReq }: ServerContext): Calls.Call["elicit"] => (form) =>
  Effect.option(
    Effect.tryPromise(() => mcpReq.elicitInput(form, { timeout: Duration.toMillis(patience), signal: mcpReq.signal }))
  )

export const contents = (options: Options) =>
  Effect.gen(function*() {
    const tools = yield* Tools.make(options)
    const resources = yield* Resources.make(options)
    const prompts = yield* Prompts.make
    const call = yield* Calls.make(options)

    return (sdk: Sdk) => {
      const server = new sdk.Server(about.info, {
        capabilities: { tools: {}, resources: {}, prompts: {} },
        instructions: about.instructions
      })
      server.setRequestHandler("tools/list", ({ params }, ctx) => {
        const { owner, run } = askingOf(ctx)
        return run(tools.list(owner, params?.cursor), ctx.mcpReq.signal)
      })
      server.setRequestHandler("tools/call", async ({ params }, ctx) => {
        const asking = askingOf(ctx)
        const { mcpReq } = ctx
        const outcome = await asking.run(
          call({
            asking,
            name: params.name,
            arguments: params.arguments ?? {},
            tell: teller(ctx),
            canElicit: server.getClientCapabilities()?.elicitation !== undefined,
            elicit: asking.isOlder ? elicitor(ctx) : undefined,
            state: mcpReq.requestState(),
            given: mcpReq.inputResponses?.["answer"]
          }),
          mcpReq.signal
        )
        return outcome.type === "result" ? outcome.result : sdk.inputRequired({
          inputRequests: { answer: sdk.inputRequired.elicit(outcome.form) },
          requestState: outcome.state
        })
      })
      server.setRequestHandler("resources/list", ({ params }, ctx) => {
        const { owner, run } = askingOf(ctx)
        return run(resources.list(owner, params?.cursor), ctx.mcpReq.signal)
      })
      server.setRequestHandler("resources/templates/list", () => ({ resourceTemplates: Resources.templates }))
      server.setRequestHandler("resources/read", ({ params }, ctx) => {
        const { owner, run } = askingOf(ctx)
        return run(
          Effect.option(resources.read(owner, params.uri)),
          ctx.mcpReq.signal
        ).then((found) => {
          if (found._tag === "None") throw new sdk.ResourceNotFoundError(params.uri)
          return found.value
        })
      })
      server.setRequestHandler("prompts/list", (_, ctx) => {
        const { owner, run } = askingOf(ctx)
        return run(prompts.list(owner), ctx.mcpReq.signal)
      })
      server.setRequestHandler("prompts/get", ({ params }, ctx) => {
        const { owner, run } = askingOf(ctx)
        return run(prompts.get(owner, params.name, params.arguments?.["task"]), ctx.mcpReq.signal)
      })
      return server
    }
  })
