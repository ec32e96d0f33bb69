/** A transcript as LangChain's messages. A reply is several of them: each call of the model, and each result of a tool. */
import { isObject } from "../../../../domain/JsonSchema.ts"
import type { ContentBlock, Message, ToolCallBlock, ToolOutput, ToolResultBlock } from "../../../../domain/Message.ts"
import type { Usage } from "../../../../domain/Usage.ts"

export type Content = string | ReadonlyArray<object>

export interface Told {
  readonly type: "human" | "ai" | "tool" | "system"
  readonly id: string
  readonly content: Content
  readonly name?: string
  readonly [field: string]: unknown
}

/** Where a user's message keeps what its client has said beside it. */
export const metadataField = "langgraph"

export const keptOf = ({ metadata }: Pick<Message, "metadata">): Readonly<Record<string, unknown>> => {
  const kept = metadata[metadataField]
  return isObject(kept) ? kept : {}
}

/** The id by which a client knows a user's message. */
export const clientIdOf = (message: Pick<Message, "id" | "metadata">): string => {
  const { id } = keptOf(message)
  return typeof id === "string" ? id : message.id
}

/** Providers count calls anew in every reply; clients put all of a thread side by side. */
export const callId = (reply: string, call: string): string => `${reply}.${call}`

/** The nth of a reply's messages of the model. */
export const answerId = (reply: string, n: number): string => n === 0 ? reply : `${reply}-${n}`

const resultId = (reply: string, call: string): string => `${callId(reply, call)}.result`

type Part = Extract<ContentBlock, { readonly type: "text" | "data" }>

const partOf = (block: Part): object => {
  if (block.type === "text") return { type: "text", text: block.text }
  const { source } = block
  const url = source.type === "url" ? source.url : `data:${source.media_type};base64,${source.data}`
  return source.media_type.startsWith("image/")
    ? { type: "image_url", image_url: { url } }
    : {
      type: "file",
      mime_type: source.media_type,
      ...(source.type === "url" ? { url: source.url } : { data: source.data }),
      ...(block.name != null && { name: block.name })
    }
}

/** Text alone is a string. */
const contentOf = (parts: ReadonlyArray<Part>): Content =>
  parts.every(({ type }) => type === "text")
    ? parts.map((part) => part.type === "text" ? part.text : "").join("")
    : parts.map(partOf)

const outputOf = (output: ToolOutput): Content =>
  typeof output === "string" ? output : contentOf(output as ReadonlyArray<Part>)

export const usageOf = (
  { cache_creation_input_tokens, cache_input_tokens, input_tokens, output_tokens, reasoning_tokens }: Usage
) => ({
  input_tokens,
  output_tokens,
  total_tokens: input_tokens + output_tokens,
  ...((cache_input_tokens !== undefined || cache_creation_input_tokens !== undefined) && {
    input_token_details: { cache_read: cache_input_tokens ?? 0, cache_creation: cache_creation_input_tokens ?? 0 }
  }),
  ...(reasoning_tokens !== undefined && { output_token_details: { reasoning: reasoning_tokens } })
})

/** A call's arguments; undefined when they are no object, because the model has written something else or not all yet. */
export const argsOf = (input: string): Readonly<Record<string, unknown>> | undefined => {
  if (input.trim() === "") return {}
  try {
    const args: unknown = JSON.parse(input)
    return isObject(args) ? args : undefined
  } catch {
    return undefined
  }
}

const calledIn = (reply: string, calls: ReadonlyArray<ToolCallBlock>) => {
  const read = calls.map(({ id, input, name }) => ({ id: callId(reply, id), name, input, args: argsOf(input) }))
  const valid = read.flatMap(({ args, id, name }) => args === undefined ? [] : [{ id, name, args, type: "tool_call" }])
  const invalid = read.flatMap(({ args, id, input, name }) =>
    args === undefined
      ? [{ id, name, args: input, error: "The arguments are no JSON object.", type: "invalid_tool_call" }]
      : []
  )
  return { tool_calls: valid, invalid_tool_calls: invalid }
}

export const resultOf = (reply: string, { id, name, output, state }: ToolResultBlock): Told => ({
  type: "tool",
  id: resultId(reply, id),
  name,
  tool_call_id: callId(reply, id),
  content: outputOf(output),
  status: state === "success" ? "success" : "error",
  ...(state !== "success" && { additional_kwargs: { state } })
})

const answerOf = ({ id, name }: Message, n: number, blocks: ReadonlyArray<ContentBlock>): Told => {
  const parts = blocks.filter((block): block is Part => block.type === "text" || block.type === "data")
  const thoughts = blocks.map((block) => block.type === "thinking" ? block.thinking : "").join("")
  const calls = blocks.filter((block): block is ToolCallBlock => block.type === "tool_call")
  return {
    type: "ai",
    id: answerId(id, n),
    name,
    content: contentOf(parts),
    ...calledIn(id, calls),
    additional_kwargs: thoughts === "" ? {} : { reasoning_content: thoughts },
    response_metadata: {}
  }
}

/** What the whole reply came to stands at its last message of the model. */
const endOf = ({ finished_at, finished_reason, stop_reason, usage }: Message): object =>
  finished_at === null ? {} : {
    ...(usage !== null && { usage_metadata: usageOf(usage) }),
    response_metadata: {
      ...(finished_reason !== undefined && { finished_reason }),
      ...(stop_reason !== undefined && { stop_reason })
    }
  }

/** A reply, as far as it has come. Results come behind the message that has called for them. */
const ofReply = (message: Message): ReadonlyArray<Told> => {
  const told: Array<Told> = []
  let blocks: Array<ContentBlock> = []
  let results: Array<Told> = []
  let count = 0
  const flush = () => {
    if (blocks.length > 0) told.push(answerOf(message, count++, blocks))
    told.push(...results)
    blocks = []
    results = []
  }
  for (const block of message.content) {
    if (block.type === "hint") continue
    if (block.type === "tool_result") {
      if (block.state !== "running") results.push(resultOf(message.id, block))
      continue
    }
    if (results.length > 0) flush()
    blocks.push(block)
  }
  flush()
  const last = told.findLastIndex(({ type }) => type === "ai")
  if (last >= 0) told[last] = { ...told[last]!, ...endOf(message) }
  return told
}

const ofUser = (message: Message): ReadonlyArray<Told> => {
  const parts = message.content.filter((block): block is Part => block.type === "text" || block.type === "data")
  const type = message.role === "system" ? "system" : "human"
  return parts.length === 0 ? [] : [{ type, id: clientIdOf(message), name: message.name, content: contentOf(parts) }]
}

export const messagesOf = (message: Message): ReadonlyArray<Told> =>
  message.role === "assistant" ? ofReply(message) : ofUser(message)
