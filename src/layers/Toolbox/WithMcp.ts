/** A toolbox, and beside its tools those of the MCP servers of the session's workspace. */
import { type Context, Effect, Layer } from "effect"
import type { AgentTools } from "../../domain/Agent.ts"
import { isObject } from "../../domain/JsonSchema.ts"
import { argumentsIn } from "../../domain/permission/Arguments.ts"
import { Elicitations } from "../../services/Elicitations.ts"
import { Mcp, type McpTool } from "../../services/Mcp.ts"
import { type Tool, Toolbox, type ToolCaller } from "../../services/Toolbox.ts"

/** How the names of these tools begin. */
const prefix = "mcp__"

/** An agent that names its tools names one of a server, or with `mcp__<server>` all of it. */
const has = (choice: AgentTools, name: string): boolean =>
  typeof choice === "string"
    ? choice !== "none"
    : choice.some((chosen) => chosen === name || (chosen.startsWith(prefix) && name.startsWith(`${chosen}__`)))

/** What a server says about the effect of its own tools is not believed: somebody is asked before they run. */
const toolOf = (tool: McpTool): Tool => ({ ...tool, effect: "write", idempotent: false })

const make = (
  own: Context.Tag.Service<Toolbox>,
  mcp: Context.Tag.Service<Mcp>,
  elicitations: Context.Tag.Service<Elicitations>
) => {
  const toolsOf = ({ agent, session }: ToolCaller): Effect.Effect<ReadonlyArray<McpTool>> => {
    const choice = agent.data.tools
    if (choice === "none" || (typeof choice !== "string" && !choice.some((name) => name.startsWith(prefix)))) {
      return none
    }
    return Effect.map(
      mcp.tools(session.user_id, { agent_id: agent.id, workspace_id: session.config.workspace_id }),
      (tools) => tools.filter(({ name }) => has(choice, name) && !own.knows(name))
    )
  }

  const isMcp = (name: string) => name.startsWith(prefix) && !own.knows(name)

  const knows = (caller: ToolCaller, name: string) =>
    Effect.map(toolsOf(caller), (tools) => tools.some((tool) => tool.name === name))

  return Toolbox.of({
    all: own.all,
    namesOf: own.namesOf,
    knows: (name) => own.knows(name) || isMcp(name),
    list: (caller) =>
      Effect.zipWith(
        own.list(caller),
        toolsOf(caller),
        (tools, others) => others.length === 0 ? tools : [...tools, ...others.map(toolOf)]
      ),
    effectOf: (caller, call) =>
      isMcp(call.name)
        ? Effect.map(knows(caller, call.name), (known) => known ? "write" as const : "none" as const)
        : own.effectOf(caller, call),
    folderOf: (caller, call) => isMcp(call.name) ? Effect.succeed(undefined) : own.folderOf(caller, call),
    call: Effect.fnUntraced(function*(caller, call, emit) {
      if (!isMcp(call.name) || !(yield* knows(caller, call.name))) return yield* own.call(caller, call, emit)
      const { agent, session } = caller
      const input = argumentsIn(call.input)
      if (!isObject(input)) {
        emit({
          type: "text",
          delta: `Input validation failed for tool '${call.name}': the arguments are no JSON object`
        })
        return "error"
      }
      const of = { agent_id: agent.id, workspace_id: session.config.workspace_id }
      const state = yield* Effect.catchAll(
        mcp.call(session.user_id, of, call.name, input, emit, {
          session: session.id,
          ask: (request) =>
            elicitations.ask(
              { owner: session.user_id, session: session.id, tool_call_id: call.id, tool_name: call.name },
              request,
              (event) => emit({ type: "event", event })
            )
        }),
        ({ message }) =>
          Effect.sync(() => {
            emit({ type: "text", delta: message })
            return "error" as const
          })
      )
      // It may have gone since it was looked for.
      return state ?? (yield* own.call(caller, call, emit))
    })
  })
}

const none: Effect.Effect<ReadonlyArray<McpTool>> = Effect.succeed([])

/** Adds them to the toolbox of a layer. */
export const layer = <E, R>(own: Layer.Layer<Toolbox, E, R>): Layer.Layer<Toolbox, E, R | Elicitations | Mcp> =>
  Layer.effect(Toolbox, Effect.map(Effect.all([Toolbox, Mcp, Elicitations]), (all) => make(...all))).pipe(
    Layer.provide(own)
  )
