/** A toolbox, and beside its tools one for each agent elsewhere that an agent here has chosen. */
import { type Context, Effect, Layer, Schema } from "effect"
import type { AgentTools } from "../../domain/Agent.ts"
import { allRemote, maxRemoteMessage, type RemoteAgent, remotePrefix, remoteToolOf } from "../../domain/RemoteAgent.ts"
import { RemoteAgents } from "../../services/RemoteAgents.ts"
import { type Tool, Toolbox, type ToolCaller } from "../../services/Toolbox.ts"
import { type BuiltInTool, define, ToolFailed } from "./BuiltInTool.ts"

/** Agents have them that name them: one, or all by one word. Others are not asked about them. */
const wants = (choice: AgentTools): boolean =>
  typeof choice === "string"
    ? choice === "all"
    : choice.some((name) => name === allRemote || name.startsWith(remotePrefix))

const has = (choice: AgentTools, name: string): boolean =>
  typeof choice === "string" ? choice === "all" : choice.includes(allRemote) || choice.includes(name)

const optional = (max: number, description: string) =>
  Schema.optionalWith(Schema.String.pipe(Schema.maxLength(max)).annotations({ description }), { exact: true })

const parameters = Schema.Struct({
  message: optional(
    maxRemoteMessage,
    "What it has to do, with all that it needs to know, or the answer to its question."
  ),
  task_id: optional(512, "A task of this agent that asks something or still works: the message is for it.")
})

const describe = ({ description, origin, skills, title }: RemoteAgent): string =>
  [
    `Asks the agent '${title}' at ${origin}, which is not part of this server, waits for it, and tells you its answer. `
    + "It knows nothing of what was said to you, but what you have sent it in this conversation.",
    ...(description === "" ? [] : [`It says of itself: ${description}`]),
    ...skills.map(({ description, name }) => `- ${name}${description === "" ? "" : `: ${description.slice(0, 200)}`}`)
  ].join("\n")

const make = (own: Context.Tag.Service<Toolbox>, remote: Context.Tag.Service<RemoteAgents>) => {
  /** What an agent elsewhere does is not known here: somebody is asked before. The same call sends one message. */
  const toolFor = (agent: RemoteAgent): BuiltInTool =>
    define({
      name: remoteToolOf(agent),
      description: describe(agent),
      effect: "write",
      idempotent: true,
      // A process that ends would take a task with it, but not the work.
      background: false,
      parameters,
      run: Effect.fnUntraced(function*(args, caller, { call, emit }) {
        const answer = yield* remote.call(caller, { ...args, tool: call.name, call: call.id })
        if (answer === undefined) return yield* new ToolFailed({ message: `The agent '${agent.title}' is gone.` })
        for (const file of answer.files) emit(file)
        return answer.isFailed ? yield* new ToolFailed({ message: answer.text }) : answer.text
      })
    })

  const toolsOf = ({ agent, session }: ToolCaller): Effect.Effect<ReadonlyArray<BuiltInTool>> => {
    const choice = agent.data.tools
    return wants(choice)
      ? Effect.map(
        remote.all(session.user_id),
        (agents) => agents.map(toolFor).filter(({ tool: { name } }) => has(choice, name) && !own.knows(name))
      )
      : Effect.succeed([])
  }

  const isRemote = (name: string) => name.startsWith(remotePrefix) && !own.knows(name)

  const find = (caller: ToolCaller, name: string) =>
    Effect.map(toolsOf(caller), (tools) => tools.find(({ tool }) => tool.name === name))

  return Toolbox.of({
    ...own,
    knows: (name) => own.knows(name) || isRemote(name) || name === allRemote,
    list: (caller) =>
      Effect.zipWith(
        own.list(caller),
        toolsOf(caller),
        (tools, others): ReadonlyArray<Tool> =>
          others.length === 0 ? tools : [...tools, ...others.map(({ tool }) => tool)]
      ),
    effectOf: (caller, call) =>
      isRemote(call.name)
        ? Effect.map(find(caller, call.name), (found) => found?.tool.effect ?? "none")
        : own.effectOf(caller, call),
    folderOf: (caller, call) => isRemote(call.name) ? Effect.succeed(undefined) : own.folderOf(caller, call),
    call: Effect.fnUntraced(function*(caller, call, emit) {
      const found = isRemote(call.name) ? yield* find(caller, call.name) : undefined
      if (found === undefined) return yield* own.call(caller, call, emit)
      return yield* Effect.matchEffect(found.run(call.input, caller, { call, emit }), {
        onFailure: ({ message }) =>
          Effect.as(Effect.sync(() => emit({ type: "text", delta: message })), "error" as const),
        onSuccess: (text) => Effect.as(Effect.sync(() => emit({ type: "text", delta: text })), "success" as const)
      })
    })
  })
}

/** Adds them to the toolbox of a layer. */
export const layer = <E, R>(own: Layer.Layer<Toolbox, E, R>): Layer.Layer<Toolbox, E, R | RemoteAgents> =>
  Layer.effect(Toolbox, Effect.map(Effect.all([Toolbox, RemoteAgents]), (all) => make(...all))).pipe(Layer.provide(own))
