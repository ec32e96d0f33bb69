/** What a request for a run asks for, in our words. */
import { Either } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import type { Invalid } from "../../../domain/Errors.ts"
import type { ClientTool } from "../../../domain/Tool.ts"
import type { Asked } from "../openai/request/Asked.ts"
import { read, type Told } from "../openai/request/Messages.ts"
import { refuse } from "../openai/request/Refused.ts"
import type { AgentMessage, RunRequest } from "./Requests.ts"
import * as Toolkits from "./Toolkits.ts"

/** Everybody in this protocol answers with JSON, unless a stream is asked for. */
const wantsStream = ({ stream }: RunRequest, accept: string | undefined) =>
  stream ?? accept?.includes("text/event-stream") === true

const toldOf = (message: AgentMessage): Told => {
  if (message.role !== "assistant") return message
  const { content, name, refusal, role, tool_calls } = message
  return {
    role,
    content,
    refusal,
    name,
    tool_calls: tool_calls?.map(({ function: fn, id }) => ({ id, type: "function" as const, function: fn }))
  }
}

const isSame = (a: ClientTool, b: ClientTool) =>
  a.description === b.description && JSON.stringify(a.parameters) === JSON.stringify(b.parameters)

/** The tools of the request that the agent does not have itself; the same name for another tool could not be told apart. */
const beside = (
  { tools }: Toolkits.ReadTools,
  { client_tools }: Agent["data"]
): Either.Either<ReadonlyArray<ClientTool>, Invalid> => {
  const own = new Map(client_tools.map((tool) => [tool.name, tool]))
  const other = tools.find((tool) => own.has(tool.name) && !isSame(tool, own.get(tool.name)!))
  return other === undefined
    ? Either.right(tools.filter(({ name }) => !own.has(name)))
    : Either.left(refuse(
      "tool_name_taken",
      "tools",
      `The agent has another tool called '${other.name}': change it by PUT, or give this one another name`
    ))
}

const placeOf = ({ environment }: RunRequest): string => {
  const { platform, working_directory } = environment ?? {}
  const facts = [
    ...(working_directory ? [`in the folder ${working_directory}`] : []),
    ...(platform ? [`on ${platform}`] : [])
  ]
  return facts.length === 0 ? "" : `The client runs its tools ${facts.join(", ")}.`
}

/** Fields that ask for what is not done, as sentences. */
export const idleIn = ({ messages, tools }: RunRequest): ReadonlyArray<string> => [
  ...Toolkits.idleIn(tools),
  ...(messages.some(({ stop_after_tool_call }) => stop_after_tool_call === true)
    ? ["stop_after_tool_call has no effect: the agent decides when it has finished."]
    : []),
  ...(messages.some(({ add_to_agent_memory }) => add_to_agent_memory === false)
    ? ["add_to_agent_memory has no effect: agents remember nothing across sessions."]
    : [])
]

export const ofRun = (
  request: RunRequest,
  agent: Agent["data"],
  accept: string | undefined
): Either.Either<Asked, Invalid> =>
  Either.gen(function*() {
    const given = yield* Toolkits.read(request.tools ?? [])
    const tools = yield* beside(given, agent)
    const conversation = yield* read(request.messages.map(toldOf))
    const system = [
      Toolkits.instructionsOf([...agent.toolkits ?? [], ...given.toolkits]),
      placeOf(request),
      conversation.system
    ].filter((text) => text !== "").join("\n\n")
    return {
      kind: "chat",
      model: undefined,
      conversations: [{ ...conversation, system }],
      n: 1,
      streams: wantsStream(request, accept),
      tellsUsage: true,
      parameters: {},
      tools,
      metadata: {}
    }
  })
