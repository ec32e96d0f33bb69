/**
 * Our messages as an AI SDK prompt. A message never changes, so each is
 * converted once, however many turns it is part of; again only when the session
 * goes to another model.
 */
import type { LanguageModelV3Message, LanguageModelV3Prompt, SharedV3ProviderOptions } from "@ai-sdk/provider"
import type { JsonObject } from "../../../domain/Json.ts"
import {
  type Message,
  textOf,
  type ThinkingBlock,
  type ToolCallBlock,
  type ToolOutput,
  type ToolResultBlock
} from "../../../domain/Message.ts"
import { type Dialect, returned } from "./Dialect.ts"
import { fileOf, named, type Reader } from "./Media.ts"

type Of<Role extends LanguageModelV3Message["role"]> = Extract<LanguageModelV3Message, { readonly role: Role }>
type UserPart = Of<"user">["content"][number]
type AssistantPart = Of<"assistant">["content"][number]
type Result = Extract<Of<"tool">["content"][number], { readonly type: "tool-result" }>

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

const optionsOf = (metadata: JsonObject | undefined, { author, dialect }: Reader) => {
  const own = returned(dialect, author, metadata)
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
    // What the provider ran itself it does not take back; its text says what came of it.
    if ("provider_executed" in block && block.provider_executed === true) continue
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
      if (reader.dialect.systemFirst === true) return user(content, reader)
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
  if (known?.dialect === reader.dialect && known.author === reader.author && known.takes === reader.takes) {
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
  const { afterResults, prefill } = reader.dialect
  const prompt: LanguageModelV3Prompt = system === "" ? [] : [{ role: "system", content: system }]
  for (const message of messages) {
    for (const one of messagesOf(message, reader)) {
      if (afterResults !== undefined && one.role === "user" && prompt.at(-1)?.role === "tool") {
        prompt.push({ role: "assistant", content: [{ type: "text", text: afterResults }] })
      }
      prompt.push(one)
    }
  }
  if (!prefill && prompt.at(-1)?.role === "assistant") prompt.push(goOn)
  return prompt
}
