/** What a request asks for, in our words: read once, and refused where it asks for what cannot be served. */
import { Either, ParseResult, Schema } from "effect"
import { isHeld } from "../../../../domain/AnswerObject.ts"
import type { Invalid } from "../../../../domain/Errors.ts"
import type { JsonObject } from "../../../../domain/Json.ts"
import { OutputSchema } from "../../../../domain/OutputSchema.ts"
import { type ClientTool, ClientToolsInput } from "../../../../domain/Tool.ts"
import type { ToolChoice } from "../../../../services/Models.ts"
import type { Keeping } from "../Stored.ts"
import { type Conversation, read } from "./Messages.ts"
import { refuse } from "./Refused.ts"
import { type ChatRequest, type CompletionRequest, maxAnswers, unservedIn } from "./Requests.ts"

export interface Asked {
  readonly kind: "chat" | "text"
  readonly model: string | null | undefined
  /** One, or for `text_completion` one for each prompt. */
  readonly conversations: ReadonlyArray<Conversation>
  /** Answers to each of them. */
  readonly n: number
  readonly streams: boolean
  readonly tellsUsage: boolean
  /** Parameters of the model, by the names that they have here. */
  readonly parameters: JsonObject
  readonly tools: ReadonlyArray<ClientTool>
  readonly tool_choice?: ToolChoice
  readonly output?: { readonly name?: string; readonly schema: JsonObject }
  readonly metadata: Readonly<Record<string, string>>
  /** What is to be kept with the answer, if it is to be. */
  readonly keeping?: Keeping
}

const given = (fields: Readonly<Record<string, unknown>>): JsonObject =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null && value !== undefined))

const unserved = (request: object): Either.Either<void, Invalid> => {
  const field = unservedIn(request)
  return field === undefined
    ? Either.void
    : Either.left(refuse("unsupported_parameter", field, "This is not supported here; leave it out"))
}

type Sampling = Pick<
  ChatRequest,
  "frequency_penalty" | "presence_penalty" | "seed" | "stop" | "temperature" | "top_p" | "max_tokens"
>

const samplingOf = (request: Sampling) => ({
  frequency_penalty: request.frequency_penalty,
  max_tokens: request.max_tokens,
  presence_penalty: request.presence_penalty,
  seed: request.seed,
  stop: request.stop,
  temperature: request.temperature,
  top_p: request.top_p
})

const decodeTools = Schema.decodeEither(ClientToolsInput)
const decodeOutput = Schema.decodeEither(OutputSchema)

const toolsOf = ({ tools }: ChatRequest): Either.Either<ReadonlyArray<ClientTool>, Invalid> =>
  Either.mapLeft(
    decodeTools((tools ?? []).map(({ function: { description, name, parameters } }) => ({
      name,
      description: description ?? "",
      parameters: parameters ?? { type: "object", properties: {} }
    }))),
    (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      const [place = 0, ...rest] = issue?.path ?? []
      return refuse("invalid", ["tools", place, "function", ...rest].join("."), issue?.message ?? "is not valid")
    }
  )

const choiceOf = (
  { tool_choice }: ChatRequest,
  tools: ReadonlyArray<ClientTool>
): Either.Either<ToolChoice | undefined, Invalid> => {
  if (tool_choice == null) return Either.right(undefined)
  if (typeof tool_choice === "string") {
    return tool_choice === "required" && tools.length === 0
      ? Either.left(refuse("invalid", "tool_choice", "Expected tools, because one of them is required"))
      : Either.right(tool_choice)
  }
  const { name } = tool_choice.function
  return tools.some((tool) => tool.name === name)
    ? Either.right({ name })
    : Either.left(refuse("invalid", "tool_choice.function.name", "Expected the name of one of the tools"))
}

const outputOf = ({ response_format }: ChatRequest): Either.Either<Asked["output"], Invalid> => {
  if (response_format == null || (response_format.type === "text")) return Either.right(undefined)
  if (!("json_schema" in response_format)) return Either.right({ schema: { type: "object" } })
  const { name, schema } = response_format.json_schema
  if (schema != null && isHeld(schema)) {
    return Either.left(
      refuse(
        "invalid",
        "response_format.json_schema.schema",
        "Expected a plain object at the root: put the answer into one of its properties"
      )
    )
  }
  return Either.mapBoth(decodeOutput(schema ?? { type: "object" }), {
    onLeft: (error) => {
      const [issue] = ParseResult.ArrayFormatter.formatErrorSync(error)
      return refuse("invalid", "response_format.json_schema.schema", issue?.message ?? "is not valid")
    },
    onRight: (schema) => ({ name, schema })
  })
}

export const ofChat = (request: ChatRequest, accept: string | undefined): Either.Either<Asked, Invalid> =>
  Either.gen(function*() {
    yield* unserved(request)
    const { parallel_tool_calls } = request
    const tools = yield* toolsOf(request)
    const tool_choice = yield* choiceOf(request, tools)
    const output = yield* outputOf(request)
    return {
      kind: "chat",
      model: request.model,
      conversations: [yield* read(request.messages)],
      n: request.n ?? 1,
      streams: request.stream ?? wantsStream(accept),
      tellsUsage: request.stream_options?.include_usage === true,
      parameters: given({
        ...samplingOf(request),
        ...(request.max_completion_tokens != null && { max_tokens: request.max_completion_tokens }),
        // Several at once is what every model does unless it is told otherwise.
        ...(parallel_tool_calls === false && tools.length > 0 && { parallel_tool_calls }),
        reasoning_effort: request.reasoning_effort,
        verbosity: request.verbosity
      }),
      tools,
      ...(tool_choice !== undefined && { tool_choice }),
      ...(output !== undefined && { output }),
      metadata: request.metadata ?? {},
      ...(request.store === true && {
        keeping: { messages: request.messages, metadata: request.metadata ?? {} }
      })
    }
  })

export const ofCompletion = (
  request: CompletionRequest,
  accept: string | undefined
): Either.Either<Asked, Invalid> =>
  Either.gen(function*() {
    yield* unserved(request)
    const prompts = typeof request.prompt === "string" ? [request.prompt] : request.prompt
    const n = request.n ?? 1
    if (prompts.length * n > maxAnswers) {
      const message = `Expected at most ${maxAnswers} answers to a request, to all of its prompts together`
      return yield* Either.left(refuse("invalid", "n", message))
    }
    const conversations: Array<Conversation> = []
    for (const [i, content] of prompts.entries()) {
      const conversation = read([{ role: "user", content }])
      if (Either.isLeft(conversation)) {
        const path = typeof request.prompt === "string" ? "prompt" : `prompt.${i}`
        return yield* Either.left(refuse("invalid", path, "Expected a text that is not blank"))
      }
      conversations.push(conversation.right)
    }
    return {
      kind: "text",
      model: request.model,
      conversations,
      n,
      streams: request.stream ?? wantsStream(accept),
      tellsUsage: request.stream_options?.include_usage === true,
      parameters: given(samplingOf(request)),
      tools: [],
      metadata: {}
    }
  })

/** A request that says nothing of a stream may ask for one by the type of its answer. */
const wantsStream = (accept: string | undefined): boolean => accept?.includes("text/event-stream") === true
