/**
 * Our messages as an AI SDK prompt. A message never changes, so each is
 * converted once, however many turns it is part of; again only when the session
 * goes to another model.
 */
import type {
  LanguageModelV3FilePart,
  LanguageModelV3Message,
  LanguageModelV3Prompt,
  LanguageModelV3TextPart,
  SharedV3ProviderOptions
} from "@ai-sdk/provider"
import type { JsonObject } from "../../domain/Json.ts"
import {
  type DataBlock,
  type Message,
  textOf,
  type ThinkingBlock,
  type ToolCallBlock,
  type ToolOutput,
  type ToolResultBlock
} from "../../domain/Message.ts"
import { type Dialect, returned } from "./Dialect.ts"

type Of<Role extends LanguageModelV3Message["role"]> = Extract<LanguageModelV3Message, { readonly role: Role }>
type UserPart = Of<"user">["content"][number]
type AssistantPart = Of<"assistant">["content"][number]
type Result = Extract<Of<"tool">["content"][number], { readonly type: "tool-result" }>

/** What a prompt is made for. Everything that is said once is the same for all calls of a session. */
export interface Reader {
  readonly dialect: Dialect
  readonly model: string
  /** Media types that the model takes, if known; `image/*` stands for all images. */
  readonly takes: ReadonlyArray<string> | undefined
}

/** Media types whose data are text, and go out as that. */
const isText = (mediaType: string) => mediaType.startsWith("text/") || mediaType === "application/json"

const isTaken = (mediaType: string, { takes }: Reader): boolean =>
  takes === undefined ||
  takes.some((type) => type === mediaType || type.endsWith("/*") && mediaType.startsWith(type.slice(0, -1)))

const filePart = (
  { name, source }: DataBlock,
  reader: Reader
): LanguageModelV3FilePart | LanguageModelV3TextPart | undefined => {
  const mediaType = source.media_type.toLowerCase()
  if (isText(mediaType) && source.type === "base64") {
    return { type: "text", text: Buffer.from(source.data, "base64").toString() }
  }
  const sendable = reader.dialect.media.find(([types]) => types.test(mediaType))
  if (sendable === undefined || !isTaken(mediaType, reader)) return undefined
  const filename = name == null ? {} : { filename: name }
  if (source.type === "base64") return { type: "file", mediaType, data: source.data, ...filename }
  return sendable[1] && URL.canParse(source.url)
    ? { type: "file", mediaType, data: new URL(source.url), ...filename }
    : undefined
}

const named = ({ name, source }: DataBlock): LanguageModelV3TextPart => ({
  type: "text",
  text: `[${
    name ?? "A file"
  } of type ${source.media_type.toLowerCase()} is not shown: the model cannot take it in this form.]`
})

/** What cannot be sent is named instead. */
const fileOf = (block: DataBlock, reader: Reader): LanguageModelV3FilePart | LanguageModelV3TextPart =>
  filePart(block, reader) ?? named(block)

/** The first media type that the newest message of a person holds and the model does not take, when that is known. */
export const refusedMedia = (messages: ReadonlyArray<Message>, reader: Reader): string | undefined => {
  if (reader.takes === undefined) return undefined
  const newest = messages.findLast(({ role }) => role === "user")
  for (const block of newest?.content ?? []) {
    if (block.type === "data" && filePart(block, reader) === undefined) return block.source.media_type
  }
  return undefined
}

const userParts = (content: ToolOutput, reader: Reader): Array<UserPart> => {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }]
  return content.flatMap((block): ReadonlyArray<UserPart> =>
    block.type === "data" ? [fileOf(block, reader)] : block.text === "" ? [] : [{ type: "text", text: block.text }]
  )
}

const user = (content: ToolOutput, reader: Reader): ReadonlyArray<LanguageModelV3Message> => {
  const parts = userParts(content, reader)
  return parts.length === 0 ? [] : [{ role: "user", content: parts }]
}

/** The arguments of a call; what is no JSON object goes back to the model inside one, as it wrote it. */
const argumentsOf = ({ input }: ToolCallBlock): unknown => {
  if (input.trim() === "") return {}
  try {
    const value: unknown = JSON.parse(input)
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value
  } catch {
    // Falls through: cut off or never JSON.
  }
  return { malformed_arguments: input }
}

const excuses = {
  running: "No result: the call did not end.",
  interrupted: "The call was interrupted; its outcome is unknown.",
  denied: "The call was denied.",
  error: "The call failed.",
  success: ""
} as const satisfies Record<ToolResultBlock["state"], string>

const callIdOf = (id: string, { dialect }: Reader) => dialect.callId?.(id) ?? id

const resultOf = (call: ToolCallBlock, result: ToolResultBlock | undefined, reader: Reader): Result => {
  const state = result?.state ?? "running"
  const data = typeof result?.output === "object" && result.output.some(({ type }) => type === "data")
  const text = result === undefined ? "" : textOf(result.output)
  const value = text === "" ? data ? "The output follows." : excuses[state] : text
  const toolCall = { type: "tool-result", toolCallId: callIdOf(call.id, reader), toolName: call.name } as const
  return { ...toolCall, output: { type: state === "success" ? "text" : "error-text", value } }
}

/** Data that a tool produced: the wire takes it from a person only. */
const dataOf = (
  call: ToolCallBlock,
  result: ToolResultBlock | undefined,
  reader: Reader
): ReadonlyArray<UserPart> => {
  if (result === undefined || typeof result.output === "string") return []
  const files = result.output.flatMap((block) => block.type === "data" ? [fileOf(block, reader)] : [])
  return files.length === 0 ? [] : [{ type: "text", text: `Output of the tool '${call.name}':` }, ...files]
}

const optionsOf = (metadata: JsonObject | undefined, { dialect, model }: Reader) => {
  const own = returned(dialect, model, metadata)
  return own === undefined ? undefined : { providerOptions: { [dialect.sendAs ?? dialect.namespace]: own } } as {
    readonly providerOptions: SharedV3ProviderOptions
  }
}

/**
 * Thinking that goes back: signed thinking always, because the provider checks
 * or expects it; other thinking as text, while the reply is being made.
 */
const thoughtOf = (
  { provider_metadata, thinking }: ThinkingBlock,
  making: boolean,
  reader: Reader
): ReadonlyArray<AssistantPart> => {
  const options = optionsOf(provider_metadata, reader)
  switch (reader.dialect.thinking) {
    case "signed":
      return options === undefined ? [] : [{ type: "reasoning", text: thinking, ...options }]
    case "text":
      return making && thinking !== "" ? [{ type: "reasoning", text: thinking, ...options }] : []
    case "none":
      return []
  }
}

const withoutUnsealed = (parts: Array<AssistantPart>, { namespace, sealed }: Dialect): Array<AssistantPart> => {
  if (sealed === undefined) return parts
  const own = (part: AssistantPart) => part.providerOptions?.[namespace]
  const whole = new Set(
    parts.filter((part) => own(part)?.[sealed.seal] !== undefined).map((part) => own(part)?.[sealed.item])
  )
  return parts.filter((part) => part.type !== "reasoning" || whole.has(own(part)?.[sealed.item]))
}

const isSaid = ({ type }: AssistantPart) => type !== "reasoning"

/** Thoughts at the end led to nothing, and most providers refuse them. */
const withoutLastThoughts = (parts: Array<AssistantPart>): Array<AssistantPart> =>
  parts.slice(0, parts.findLastIndex(isSaid) + 1)

/**
 * A reply as alternating assistant and tool messages. Every call is followed by
 * its result, whether or not there is one.
 */
const assistant = ({ content, finished_at }: Message, reader: Reader): ReadonlyArray<LanguageModelV3Message> => {
  const messages: Array<LanguageModelV3Message> = []
  const results = new Map(
    content.flatMap((block) => block.type === "tool_result" ? [[block.id as string, block] as const] : [])
  )
  let parts: Array<AssistantPart> = []
  let calls: Array<ToolCallBlock> = []
  let late: SharedV3ProviderOptions | undefined
  const close = () => {
    const thoughts = late === undefined ? withoutUnsealed(parts, reader.dialect) : parts.filter(isSaid)
    const said = withoutLastThoughts(thoughts)
    if (said.length > 0) messages.push({ role: "assistant", content: said, ...(late && { providerOptions: late }) })
    if (calls.length > 0) {
      messages.push({ role: "tool", content: calls.map((call) => resultOf(call, results.get(call.id), reader)) })
      const data = calls.flatMap((call) => dataOf(call, results.get(call.id), reader))
      if (data.length > 0) messages.push({ role: "user", content: data })
    }
    parts = []
    calls = []
    late = undefined
  }
  let answered = false
  for (const block of content) {
    if (block.type === "tool_result") {
      answered = true
      continue
    }
    if (answered) close()
    answered = false
    switch (block.type) {
      case "text":
        if (block.text !== "") {
          parts.push({ type: "text", text: block.text, ...optionsOf(block.provider_metadata, reader) })
        }
        break
      case "thinking":
        if (reader.dialect.late === true) late ??= optionsOf(block.provider_metadata, reader)?.providerOptions
        parts.push(...thoughtOf(block, finished_at === null, reader))
        break
      case "data": {
        const part = fileOf(block, reader)
        const own = reader.dialect.ownFiles === true && part.type === "file"
        parts.push(own ? { ...part, ...optionsOf(block.provider_metadata, reader) } : named(block))
        break
      }
      case "hint":
        close()
        messages.push(...user(block.hint, reader))
        break
      case "tool_call":
        calls.push(block)
        parts.push({
          type: "tool-call",
          toolCallId: callIdOf(block.id, reader),
          toolName: block.name,
          input: argumentsOf(block),
          ...optionsOf(block.provider_metadata, reader)
        })
        break
    }
  }
  close()
  return messages
}

const convert = (message: Message, reader: Reader): ReadonlyArray<LanguageModelV3Message> => {
  switch (message.role) {
    case "assistant":
      return assistant(message, reader)
    case "system": {
      const content = textOf(message.content)
      return content === "" ? [] : [{ role: "system", content }]
    }
    case "user":
      return user(message.content.filter((block) => block.type === "text" || block.type === "data"), reader)
  }
}

interface Converted extends Reader {
  readonly messages: ReadonlyArray<LanguageModelV3Message>
}

const converted = new WeakMap<Message, Converted>()

const messagesOf = (message: Message, reader: Reader): ReadonlyArray<LanguageModelV3Message> => {
  const known = converted.get(message)
  if (known?.dialect === reader.dialect && known.model === reader.model && known.takes === reader.takes) {
    return known.messages
  }
  const messages = convert(message, reader)
  converted.set(message, { ...reader, messages })
  return messages
}

const goOn: LanguageModelV3Message = { role: "user", content: [{ type: "text", text: "Go on." }] }

export const promptOf = (
  system: string,
  messages: ReadonlyArray<Message>,
  reader: Reader
): LanguageModelV3Prompt => {
  const prompt: LanguageModelV3Prompt = system === "" ? [] : [{ role: "system", content: system }]
  for (const message of messages) {
    for (const one of messagesOf(message, reader)) prompt.push(one)
  }
  if (!reader.dialect.prefill && prompt.at(-1)?.role === "assistant") prompt.push(goOn)
  return prompt
}
