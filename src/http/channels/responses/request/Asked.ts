/** What a request asks for, in our words: read once, and refused where it asks for what cannot be served. */
import { Either, ParseResult, Schema } from "effect"
import { isHeld } from "../../../../domain/AnswerObject.ts"
import type { Invalid } from "../../../../domain/Errors.ts"
import type { JsonObject } from "../../../../domain/Json.ts"
import { OutputSchema } from "../../../../domain/OutputSchema.ts"
import { type ClientTool, ClientToolsInput } from "../../../../domain/Tool.ts"
import type { ToolChoice } from "../../../../services/Models.ts"
import { refuse } from "../../openai/request/Refused.ts"
import type { InputItem } from "./ItemSchemas.ts"
import { encryptedReasoning, isFunction, type ResponseRequest, unservedIn } from "./Requests.ts"

export interface Asked {
  readonly model: string | null | undefined
  readonly input: string | ReadonlyArray<InputItem>
  /** At most one of both. */
  readonly previous: string | undefined
  readonly conversation: string | undefined
  readonly instructions: string
  readonly streams: boolean
  readonly background: boolean
  readonly stores: boolean
  /** Parameters of the model, by the names that they have here. */
  readonly parameters: JsonObject
  readonly tools: ReadonlyArray<ClientTool>
  readonly tool_choice?: ToolChoice
  /** Nothing but the tools of the request may be used. */
  readonly isLimited: boolean
  readonly output?: { readonly schema: JsonObject }
  readonly tellsEncrypted: boolean
  /** What the response repeats of its request. */
  readonly echo: JsonObject
}

const given = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))

const decodeTools = Schema.decodeEither(ClientToolsInput)
const decodeOutput = Schema.decodeEither(OutputSchema)

type Tools = Pick<ResponseRequest, "tools" | "tool_choice">

const hosted = (type: string) =>
  type === "mcp"
    ? "MCP servers are the agent's: add them to its workspace by POST /workspace/mcp, and they are used here"
    : "Tools that OpenAI hosts are not served: agents have tools of their own"

const toolsOf = ({ tools: all }: Tools): Either.Either<ReadonlyArray<ClientTool>, Invalid> => {
  const tools = all ?? []
  const place = tools.findIndex((tool) => !isFunction(tool))
  if (place >= 0) {
    return Either.left(refuse("unsupported_parameter", `tools.${place}.type`, hosted(tools[place]!.type)))
  }
  return Either.mapLeft(
    decodeTools(
      tools.filter(isFunction).map(({ description, name, parameters }) => ({
        name,
        description: description ?? "",
        parameters: parameters ?? { type: "object", properties: {} }
      }))
    ),
    (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return refuse("invalid", ["tools", ...issue?.path ?? []].join("."), issue?.message ?? "is not valid")
    }
  )
}

interface Chosen {
  readonly tools: ReadonlyArray<ClientTool>
  readonly tool_choice: ToolChoice | undefined
  readonly isLimited: boolean
}

const chosen = (
  { tool_choice }: Tools,
  tools: ReadonlyArray<ClientTool>
): Either.Either<Chosen, Invalid> => {
  const all = { tools, tool_choice: undefined, isLimited: false }
  if (tool_choice == null) return Either.right(all)
  if (typeof tool_choice === "string") {
    return tool_choice === "required" && tools.length === 0
      ? Either.left(refuse("invalid", "tool_choice", "Expected tools, because one of them is required"))
      : Either.right({ ...all, tool_choice })
  }
  const names = tool_choice.type === "function" ? [tool_choice.name] : tool_choice.tools.map(({ name }) => name)
  if (!names.every((name) => tools.some((tool) => tool.name === name))) {
    const path = tool_choice.type === "function" ? "tool_choice.name" : "tool_choice.tools"
    return Either.left(refuse("invalid", path, "Expected the name of one of the tools"))
  }
  if (tool_choice.type === "function") return Either.right({ ...all, tool_choice: { name: tool_choice.name } })
  const { mode } = tool_choice
  return Either.right({ tools: tools.filter(({ name }) => names.includes(name)), tool_choice: mode, isLimited: true })
}

const outputOf = ({ text }: Pick<ResponseRequest, "text">): Either.Either<Asked["output"], Invalid> => {
  const format = text?.format
  if (format == null || format.type === "text") return Either.right(undefined)
  if (!("schema" in format)) return Either.right({ schema: { type: "object" } })
  if (isHeld(format.schema)) {
    return Either.left(
      refuse(
        "invalid",
        "text.format.schema",
        "Expected a plain object at the root: put the answer into one of its properties"
      )
    )
  }
  return Either.mapBoth(decodeOutput(format.schema), {
    onLeft: (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return refuse("invalid", "text.format.schema", issue?.message ?? "is not valid")
    },
    onRight: (schema) => ({ schema })
  })
}

/** All the keys that strict readers ask for, with the protocol's own values where the request says nothing. */
const echoOf = (request: ResponseRequest, conversation: string | undefined): JsonObject => ({
  previous_response_id: request.previous_response_id ?? null,
  instructions: request.instructions ?? null,
  tools: (request.tools ?? []).filter(isFunction).map(({ description, name, parameters, strict }) => ({
    type: "function",
    name,
    description: description ?? null,
    parameters: parameters ?? null,
    strict: strict ?? null
  })),
  tool_choice: request.tool_choice ?? "auto",
  truncation: request.truncation ?? "disabled",
  parallel_tool_calls: request.parallel_tool_calls ?? true,
  text: { ...request.text, format: request.text?.format ?? { type: "text" } },
  top_p: request.top_p ?? 1,
  presence_penalty: request.presence_penalty ?? 0,
  frequency_penalty: request.frequency_penalty ?? 0,
  top_logprobs: 0,
  temperature: request.temperature ?? 1,
  reasoning: { effort: request.reasoning?.effort ?? null, summary: request.reasoning?.summary ?? null },
  max_output_tokens: request.max_output_tokens ?? null,
  max_tool_calls: null,
  store: request.store ?? true,
  background: request.background ?? false,
  service_tier: "default",
  metadata: request.metadata ?? {},
  safety_identifier: request.safety_identifier ?? null,
  prompt_cache_key: request.prompt_cache_key ?? null,
  conversation: conversation === undefined ? null : { id: conversation },
  user: request.user ?? null
})

const parametersOf = (request: ResponseRequest, hasTools: boolean): JsonObject =>
  given({
    frequency_penalty: request.frequency_penalty,
    max_tokens: request.max_output_tokens,
    presence_penalty: request.presence_penalty,
    temperature: request.temperature,
    top_p: request.top_p,
    // Several at once is what every model does unless it is told otherwise.
    ...(request.parallel_tool_calls === false && hasTools && { parallel_tool_calls: false }),
    reasoning_effort: request.reasoning?.effort,
    verbosity: request.text?.verbosity
  })

const conversationOf = ({ conversation }: Pick<ResponseRequest, "conversation">): string | undefined =>
  conversation == null ? undefined : typeof conversation === "string" ? conversation : conversation.id

/** A request that says nothing of a stream may ask for one by the type of its answer. */
const wantsStream = (accept: string | undefined): boolean => accept?.includes("text/event-stream") === true

export const read = (request: ResponseRequest, accept: string | undefined): Either.Either<Asked, Invalid> =>
  Either.gen(function*() {
    const field = unservedIn(request)
    if (field !== undefined) {
      return yield* Either.left(refuse("unsupported_parameter", field, "This is not supported here; leave it out"))
    }
    const conversation = conversationOf(request)
    const previous = request.previous_response_id ?? undefined
    if (conversation !== undefined && previous !== undefined) {
      return yield* Either.left(
        refuse("mutually_exclusive_parameters", "conversation", "Expected no previous_response_id beside it")
      )
    }
    const stores = request.store ?? true
    const background = request.background ?? false
    if (background && !stores) {
      return yield* Either.left(refuse("invalid", "background", "Expected store: true, so that it can be asked for"))
    }
    const { isLimited, tool_choice, tools } = yield* chosen(request, yield* toolsOf(request))
    const output = yield* outputOf(request)
    return {
      model: request.model,
      input: request.input ?? [],
      previous,
      conversation,
      instructions: request.instructions ?? "",
      streams: request.stream ?? wantsStream(accept),
      background,
      stores,
      parameters: parametersOf(request, tools.length > 0),
      tools,
      ...(tool_choice !== undefined && { tool_choice }),
      isLimited,
      ...(output !== undefined && { output }),
      tellsEncrypted: request.include?.includes(encryptedReasoning) === true,
      echo: echoOf(request, conversation)
    }
  })
