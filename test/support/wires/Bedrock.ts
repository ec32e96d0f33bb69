/** Amazon Bedrock's ConverseStream: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */
import { frame } from "./AwsEventStream.ts"
import { refuse } from "./Refusals.ts"
import type { Say, Saying, Stop } from "./Say.ts"
import { all, type Called, calls, conversation, notBlank, objectSchemas, type Rule, wellFormed } from "./Strict.ts"
import {
  type Asked,
  type AskedChoice,
  type AskedMessage,
  type AskedPart,
  type Json,
  json,
  listed,
  merged,
  type Received,
  type Wire
} from "./Wire.ts"

/** `p` pads the frames to equal lengths. */
const event = (type: string, payload: object) =>
  frame({ ":event-type": type, ":content-type": "application/json", ":message-type": "event" }, {
    ...payload,
    p: "abcdefgh"
  })

const exception = (type: string, message: string) =>
  frame({ ":exception-type": type, ":content-type": "application/json", ":message-type": "exception" }, { message })

const deltas = (contentBlockIndex: number, all: ReadonlyArray<object>): ReadonlyArray<Uint8Array> => [
  ...all.map((delta) => event("contentBlockDelta", { contentBlockIndex, delta })),
  event("contentBlockStop", { contentBlockIndex })
]

/** Only a call has a start. */
const blockOf = (part: Saying, n: number): ReadonlyArray<Uint8Array> => {
  switch (part.type) {
    case "text":
      return deltas(n, part.deltas.map((text) => ({ text })))
    case "thinking":
      return deltas(n, [
        ...part.deltas.map((text) => ({ reasoningContent: { text } })),
        ...(part.signature === undefined ? [] : [{ reasoningContent: { signature: part.signature } }])
      ])
    case "call":
      return [
        event("contentBlockStart", {
          contentBlockIndex: n,
          start: { toolUse: { toolUseId: part.id, name: part.name } }
        }),
        ...deltas(n, part.pieces.map((input) => ({ toolUse: { input } })))
      ]
    case "file":
      return []
  }
}

const stops: Readonly<Record<Stop, string>> = {
  stop: "end_turn",
  tool_calls: "tool_use",
  length: "max_tokens",
  content_filter: "content_filtered"
}

/** `inputTokens` are without the cached ones. */
const say = ({ parts, spent, stop, word = stops[stop] }: Say) => {
  const said = [
    event("messageStart", { role: "assistant" }),
    ...parts.flatMap(blockOf),
    event("messageStop", { stopReason: word })
  ]
  const usage = {
    inputTokens: spent.input - spent.cached,
    outputTokens: spent.output,
    totalTokens: spent.input + spent.output,
    cacheReadInputTokens: spent.cached,
    cacheWriteInputTokens: 0
  }
  return {
    content_type: "application/vnd.amazon.eventstream",
    chunks: [...said, event("metadata", { usage, metrics: { latencyMs: 1 } })],
    whole: said.length
  }
}

const partOf = (part: Json): ReadonlyArray<AskedPart> => {
  if (part.text !== undefined) return [{ type: "text", text: part.text }]
  if (part.image !== undefined) {
    return [{ type: "file", media_type: `image/${part.image.format}`, data: part.image.source.bytes }]
  }
  if (part.document !== undefined) {
    return [{ type: "file", media_type: `application/${part.document.format}`, data: part.document.source.bytes }]
  }
  if (part.reasoningContent !== undefined) {
    return [{ type: "thinking", ...part.reasoningContent.reasoningText }]
  }
  if (part.toolUse !== undefined) {
    return [{ type: "call", id: part.toolUse.toolUseId, name: part.toolUse.name, args: part.toolUse.input }]
  }
  if (part.toolResult !== undefined) {
    return [{
      type: "result",
      id: part.toolResult.toolUseId,
      text: part.toolResult.content.map(({ text }: Json) => text).join("")
    }]
  }
  return []
}

const messagesOf = ({ content, role }: Json): ReadonlyArray<AskedMessage> =>
  listed(content).flatMap(partOf).map((part) => ({ role: part.type === "result" ? "tool" : role, parts: [part] }))

const choiceOf = (choice: Json): AskedChoice | undefined => {
  if (choice === undefined) return undefined
  if (choice.tool !== undefined) return { name: choice.tool.name }
  return choice.any === undefined ? "auto" : "required"
}

const modelOf = (path: string) => decodeURIComponent(/\/model\/([^/]+)\//.exec(path)?.[1] ?? "")

const read = ({ body, path }: Received): Asked => {
  const config = body.inferenceConfig ?? {}
  return {
    model: modelOf(path),
    system: listed(body.system).flatMap(({ text = [] }) => text).join("\n"),
    messages: merged(body.messages.flatMap(messagesOf)),
    tools: listed(body.toolConfig?.tools).filter(({ toolSpec }) => toolSpec).map((
      { toolSpec: { description, inputSchema, name } }
    ) => ({ name, description, parameters: inputSchema.json })),
    tool_choice: choiceOf(body.toolConfig?.toolChoice),
    output: body.additionalModelRequestFields?.output_config?.format?.schema,
    temperature: config.temperature,
    top_p: config.topP,
    max_tokens: config.maxTokens,
    stop: config.stopSequences,
    seed: undefined
  }
}

const called: Called = {
  calls: ({ messages }) =>
    messages.flatMap(({ content }: Json) =>
      listed(content).flatMap(({ toolUse }) =>
        toolUse === undefined ? [] : [{ id: toolUse.toolUseId, name: toolUse.name }]
      )
    ),
  results: ({ messages }) =>
    messages.flatMap(({ content }: Json) =>
      listed(content).flatMap(({ toolResult }) => toolResult === undefined ? [] : [toolResult.toolUseId])
    ),
  tools: ({ toolConfig }) =>
    listed(toolConfig?.tools).flatMap(({ toolSpec }) =>
      toolSpec === undefined
        ? []
        : [{ name: toolSpec.name, description: toolSpec.description, schema: toolSpec.inputSchema.json }]
    )
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html and …/API_runtime_Message.html */
const documents: Rule = ({ messages }) => {
  const named: ReadonlyArray<string> = messages.flatMap(({ content }: Json) =>
    listed(content).flatMap(({ document }) => document === undefined ? [] : [document.name])
  )
  return [
    ...named.filter((name) => !/^[A-Za-z0-9()[\]-]+( [A-Za-z0-9()[\]-]+)*$/.test(name) || name.length > 200)
      .map((name) => `the document's name '${name}' is not legal`),
    ...(new Set(named).size === named.length ? [] : ["Messages can't contain duplicate document names."]),
    ...messages.flatMap(({ content }: Json) =>
      listed(content).some(({ document }) => document) && !listed(content).some(({ text }) => text)
        ? ["A text block must be included when using documents."]
        : []
    )
  ]
}

/** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html, …/API_runtime_ToolSpecification.html */
const faults: Rule = all(
  wellFormed,
  documents,
  calls(called, /^[a-zA-Z0-9_-]{1,64}$/),
  objectSchemas(called),
  notBlank(({ system }) => listed(system).flatMap(({ text }) => text === undefined ? [] : [text]), "system"),
  notBlank(
    (body) => called.tools(body).flatMap(({ description }) => description === undefined ? [] : [description]),
    "a tool's description"
  ),
  conversation(
    ({ messages }) => messages,
    ({ content }) =>
      listed(content).flatMap(({ text, toolResult }) => [
        ...(text === undefined ? [] : [text]),
        ...listed(toolResult?.content).flatMap((one) => one.text === undefined ? [] : [one.text])
      ])
  )
)

export const wire: Wire = {
  say,
  read,
  faults,
  /** https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html */
  refuse: refuse(
    {
      authentication: [
        403,
        "UnrecognizedClientException",
        null,
        "The security token included in the request is invalid."
      ],
      permission: [
        403,
        "AccessDeniedException",
        null,
        "You don't have access to the model with the specified model ID."
      ],
      no_model: [404, "ResourceNotFoundException", null, "Could not resolve the foundation model."],
      too_long: [400, "ValidationException", null, "Input is too long for requested model."],
      bad_request: [400, "ValidationException", null, "The value at temperature failed to satisfy constraint."],
      rate_limit: [429, "ThrottlingException", null, "Too many requests, please wait before trying again."],
      quota: [400, "ServiceQuotaExceededException", null, "Your request exceeds the service quota for your account."],
      failed: [500, "InternalServerException", null, "The system encountered an unexpected error during processing."],
      overloaded: [503, "ServiceUnavailableException", null, "Bedrock is unable to process your request."]
    },
    ([, , , sentence], words) => ({ message: `${sentence} ${words}` }),
    ([, type]) => ({ "x-amzn-errortype": type })
  ),
  breakOff: (words, why) =>
    why === "failed"
      ? exception("modelStreamErrorException", words)
      : exception("throttlingException", `Too many requests, please wait before trying again. ${words}`),
  /** https://docs.aws.amazon.com/bedrock/latest/APIReference/API_ListFoundationModels.html */
  models: (names) =>
    json({
      modelSummaries: names.map((modelId) => ({
        modelId,
        modelName: modelId,
        outputModalities: ["TEXT"],
        responseStreamingSupported: true,
        inferenceTypesSupported: ["ON_DEMAND"],
        modelLifecycle: { status: "ACTIVE" }
      }))
    }),
  /** Titan, one text a request: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html */
  embeddings: {
    single: true,
    answer: (vectors, tokens) => json({ embedding: vectors[0], inputTextTokenCount: tokens }),
    read: ({ body, path }) => ({ model: modelOf(path), input: [body.inputText], dimensions: body.dimensions })
  }
}
