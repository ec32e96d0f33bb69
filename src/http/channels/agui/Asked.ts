/** What a request asks for beside its words: tools of the client, and what the model is told for this run. */
import { Either, ParseResult, Schema } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import type { Invalid } from "../../../domain/Errors.ts"
import { type ClientTool, ClientToolsInput } from "../../../domain/Tool.ts"
import { refuse } from "../openai/request/Refused.ts"
import { type Conversation, read } from "./Read.ts"
import type { RunAgentInput } from "./Requests.ts"
import { ownOf } from "./State.ts"

/** Longest state of a client, as JSON, and longest context of a request, in characters. */
const maxState = 64 * 1024
const maxContext = 256 * 1024

export interface Asked extends Omit<Conversation, "system"> {
  readonly tools: ReadonlyArray<ClientTool>
  readonly instructions: string
  readonly isOld: boolean
}

const decode = Schema.decodeEither(ClientToolsInput)

const isSame = (a: ClientTool, b: ClientTool) =>
  a.description === b.description && JSON.stringify(a.parameters) === JSON.stringify(b.parameters)

/** The tools of the request that the agent does not have itself; the same name for another tool could not be told apart. */
const toolsOf = (
  { tools }: RunAgentInput,
  { client_tools }: Agent["data"]
): Either.Either<ReadonlyArray<ClientTool>, Invalid> =>
  Either.gen(function*() {
    const given = yield* Either.mapLeft(
      decode((tools ?? []).map(({ description, name, parameters }) => ({
        name,
        description: description ?? "",
        parameters: parameters ?? { type: "object", properties: {} }
      }))),
      (error) => {
        const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
        return refuse("invalid", ["tools", ...issue?.path ?? []].join("."), issue?.message ?? "is not valid")
      }
    )
    const own = new Map(client_tools.map((tool) => [tool.name, tool]))
    const other = given.findIndex((tool) => own.has(tool.name) && !isSame(tool, own.get(tool.name)!))
    return other < 0
      ? given.filter(({ name }) => !own.has(name))
      : yield* Either.left(
        refuse(
          "tool_name_taken",
          `tools.${other}.name`,
          "The agent has another tool of this name: give this one another"
        )
      )
  })

/** What the model is told of the front end, as far as that says something. */
const instructionsOf = ({ context, state }: RunAgentInput, system: ReadonlyArray<string>) => {
  const own = ownOf(state)
  const json = Object.keys(own).length === 0 ? "" : JSON.stringify(own)
  if (json.length > maxState) {
    return Either.left(refuse("state_too_large", "state", `Expected at most ${maxState} characters of JSON`))
  }
  const told = [
    ...system,
    ...(context ?? []).map(({ description, value }) => `${description}: ${value}`),
    ...(json === "" ? [] : [`The state that the user's application shares with you, as JSON: ${json}`])
  ].join("\n\n")
  return told.length > maxContext
    ? Either.left(
      refuse("context_too_long", "context", `Expected at most ${maxContext} characters with what the system says`)
    )
    : Either.right(told)
}

/** Of 1.x, or of before. */
export const isOldVersion = (version: string | null | undefined): boolean => version == null || version.startsWith("0")

export const ofRequest = (request: RunAgentInput, agent: Agent["data"]): Either.Either<Asked, Invalid> =>
  Either.gen(function*() {
    const { results, system, turns } = yield* read(request.messages)
    return {
      turns,
      results,
      tools: yield* toolsOf(request, agent),
      instructions: yield* instructionsOf(request, system),
      isOld: isOldVersion(request.protocolVersion)
    }
  })
