/** Toolkits of a client as its tools here, and back: a tool is known by its name, and a toolkit says which belong together. */
import { Either, ParseResult, Schema } from "effect"
import type { Agent, Toolkit } from "../../../domain/Agent.ts"
import type { Invalid } from "../../../domain/Errors.ts"
import { type ClientTool, ClientToolsInput } from "../../../domain/Tool.ts"
import { refuse } from "../openai/request/Refused.ts"
import type { Tools } from "./Requests.ts"

/** A toolkit as it is shown. */
export interface ToolkitView {
  readonly name: string
  readonly instructions: string
  readonly functions: ReadonlyArray<{
    readonly name: string
    readonly description: string
    readonly parameters: ClientTool["parameters"]
    readonly strict: false
  }>
}

export interface ReadTools {
  readonly tools: ReadonlyArray<ClientTool>
  readonly toolkits: ReadonlyArray<Toolkit>
}

/** The toolkit of tools that were not put into one. */
const rest = "tools"

const decode = Schema.decodeEither(ClientToolsInput)

export const read = (given: Tools): Either.Either<ReadTools, Invalid> =>
  Either.gen(function*() {
    const flat: Array<{ readonly at: string; readonly tool: typeof ClientToolsInput.Encoded[number] }> = []
    const toolkits: Array<Toolkit> = []
    const add = (at: string, fn: {
      readonly name: string
      readonly description?: string | null | undefined
      readonly parameters?: ClientTool["parameters"] | null | undefined
    }) => {
      const { description, name, parameters } = fn
      flat.push({
        at,
        tool: {
          name,
          description: description ?? "",
          parameters: parameters ?? { type: "object", properties: {} }
        }
      })
    }
    for (const [i, tool] of given.entries()) {
      const at = `tools.${i}`
      if ("functions" in tool) {
        for (const [j, fn] of tool.functions.entries()) add(`${at}.functions.${j}`, fn)
        toolkits.push({
          name: tool.name,
          instructions: tool.instructions ?? "",
          functions: tool.functions.map(({ name }) => name)
        })
      } else if ("function" in tool) add(`${at}.function`, tool.function)
      else if (tool.type === "mcp") {
        return yield* Either.left(refuse(
          "unsupported_tool",
          at,
          "MCP servers are not attached here: put yours into the library by POST /mcp, or into a workspace by POST /workspace/mcp"
        ))
      } else add(at, tool)
    }
    const tools = yield* Either.mapLeft(decode(flat.map(({ tool }) => tool)), (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      const [place = 0, ...path] = issue?.path ?? []
      return refuse(
        "invalid",
        [flat[Number(place)]?.at ?? "tools", ...path].join("."),
        issue?.message ?? "is not valid"
      )
    })
    return { tools, toolkits }
  })

const isStrict = (tool: Tools[number]): boolean =>
  "functions" in tool
    ? tool.functions.some(({ strict }) => strict === true)
    : "function" in tool
    ? tool.function.strict === true
    : tool.type !== "mcp" && tool.strict === true

/** What is asked for of tools and not done, as sentences. */
export const idleIn = (tools: Tools | null | undefined): ReadonlyArray<string> =>
  (tools ?? []).some(isStrict)
    ? ["strict has no effect: a tool is declared to every model in the same way."]
    : []

/** The toolkits of an agent. Tools that none of them names, as those that were given by another protocol, have one of their own. */
export const toolkitsOf = ({ client_tools, toolkits = [] }: Agent["data"]): ReadonlyArray<ToolkitView> => {
  const left = new Map(client_tools.map((tool) => [tool.name, tool]))
  const take = (name: string) => {
    const tool = left.get(name)
    left.delete(name)
    return tool === undefined
      ? []
      : [{ name, description: tool.description, parameters: tool.parameters, strict: false as const }]
  }
  const named = toolkits.map(({ functions, instructions, name }) => ({
    name,
    instructions,
    functions: functions.flatMap(take)
  }))
  const others = [...left.keys()].flatMap(take)
  return others.length === 0 ? named : [...named, { name: rest, instructions: "", functions: others }]
}

/** What a model is told of toolkits, beside their tools. */
export const instructionsOf = (toolkits: ReadonlyArray<Pick<Toolkit, "name" | "instructions" | "functions">>): string =>
  toolkits.filter(({ instructions }) => instructions.trim() !== "").map(({ functions, instructions, name }) =>
    `Tools of ${name} (${functions.join(", ")}): ${instructions}`
  ).join("\n\n")
