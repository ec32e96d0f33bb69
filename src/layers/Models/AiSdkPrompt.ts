/**
 * Our messages as an AI SDK prompt. A message never changes, so each is
 * converted once, however many turns it is part of.
 */
import type {
  LanguageModelV3FilePart,
  LanguageModelV3Message,
  LanguageModelV3Prompt,
  LanguageModelV3TextPart
} from "@ai-sdk/provider"
import {
  type DataBlock,
  type Message,
  textOf,
  type ToolCallBlock,
  type ToolOutput,
  type ToolResultBlock
} from "../../domain/Message.ts"

type Of<Role extends LanguageModelV3Message["role"]> = Extract<LanguageModelV3Message, { readonly role: Role }>
type UserPart = Of<"user">["content"][number]
type AssistantPart = Of<"assistant">["content"][number]
type Result = Extract<Of<"tool">["content"][number], { readonly type: "tool-result" }>

/** Media types that a data block may have; whether it may be a link is the value. Others are named in the prompt, not sent. */
const sendable: ReadonlyArray<readonly [RegExp, boolean]> = [
  [/^image\//, true],
  [/^audio\/(wav|mp3|mpeg)$/, false],
  [/^application\/pdf$/, false],
  [/^text\//, false]
]

const fileOf = ({ name, source }: DataBlock): LanguageModelV3FilePart | LanguageModelV3TextPart => {
  const mediaType = source.media_type.toLowerCase()
  const allowed = sendable.find(([pattern]) => pattern.test(mediaType))
  const filename = name == null ? {} : { filename: name }
  if (allowed !== undefined && source.type === "base64") {
    return { type: "file", mediaType, data: source.data, ...filename }
  }
  if (allowed?.[1] === true && source.type === "url" && URL.canParse(source.url)) {
    return { type: "file", mediaType, data: new URL(source.url), ...filename }
  }
  return {
    type: "text",
    text: `[${name ?? "A file"} of type ${mediaType} is not shown: the model cannot take it in this form.]`
  }
}

const userParts = (content: ToolOutput): Array<UserPart> => {
  if (typeof content === "string") return content === "" ? [] : [{ type: "text", text: content }]
  return content.flatMap((block): ReadonlyArray<UserPart> =>
    block.type === "data" ? [fileOf(block)] : block.text === "" ? [] : [{ type: "text", text: block.text }]
  )
}

const user = (content: ToolOutput): ReadonlyArray<LanguageModelV3Message> => {
  const parts = userParts(content)
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

const resultOf = (call: ToolCallBlock, result: ToolResultBlock | undefined): Result => {
  const state = result?.state ?? "running"
  const data = typeof result?.output === "object" && result.output.some(({ type }) => type === "data")
  const text = result === undefined ? "" : textOf(result.output)
  const value = text === "" ? data ? "The output follows." : excuses[state] : text
  const toolCall = { type: "tool-result", toolCallId: call.id, toolName: call.name } as const
  return { ...toolCall, output: { type: state === "success" ? "text" : "error-text", value } }
}

/** Data that a tool produced: the wire takes it from a person only. */
const dataOf = (call: ToolCallBlock, result: ToolResultBlock | undefined): ReadonlyArray<UserPart> => {
  if (result === undefined || typeof result.output === "string") return []
  const files = result.output.filter((block) => block.type === "data").map(fileOf)
  return files.length === 0 ? [] : [{ type: "text", text: `Output of the tool '${call.name}':` }, ...files]
}

/**
 * A reply as alternating assistant and tool messages. Every call is followed by
 * its result, whether or not there is one; thinking goes back only while the
 * reply is being made.
 */
const assistant = ({ content, finished_at }: Message): ReadonlyArray<LanguageModelV3Message> => {
  const messages: Array<LanguageModelV3Message> = []
  const results = new Map(
    content.flatMap((block) => block.type === "tool_result" ? [[block.id as string, block] as const] : [])
  )
  let parts: Array<AssistantPart> = []
  let calls: Array<ToolCallBlock> = []
  const close = () => {
    if (parts.length > 0) messages.push({ role: "assistant", content: parts })
    if (calls.length > 0) {
      messages.push({ role: "tool", content: calls.map((call) => resultOf(call, results.get(call.id))) })
      const data = calls.flatMap((call) => dataOf(call, results.get(call.id)))
      if (data.length > 0) messages.push({ role: "user", content: data })
    }
    parts = []
    calls = []
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
        if (block.text !== "") parts.push({ type: "text", text: block.text })
        break
      case "thinking":
        if (finished_at === null && block.thinking !== "") parts.push({ type: "reasoning", text: block.thinking })
        break
      case "data":
        parts.push(fileOf(block))
        break
      case "hint":
        close()
        messages.push(...user(block.hint))
        break
      case "tool_call":
        calls.push(block)
        parts.push({ type: "tool-call", toolCallId: block.id, toolName: block.name, input: argumentsOf(block) })
        break
    }
  }
  close()
  return messages
}

const convert = (message: Message): ReadonlyArray<LanguageModelV3Message> => {
  switch (message.role) {
    case "assistant":
      return assistant(message)
    case "system": {
      const content = textOf(message.content)
      return content === "" ? [] : [{ role: "system", content }]
    }
    case "user":
      return user(message.content.filter((block) => block.type === "text" || block.type === "data"))
  }
}

const converted = new WeakMap<Message, ReadonlyArray<LanguageModelV3Message>>()

export const promptOf = (system: string, messages: ReadonlyArray<Message>): LanguageModelV3Prompt => {
  const prompt: LanguageModelV3Prompt = system === "" ? [] : [{ role: "system", content: system }]
  for (const message of messages) {
    let known = converted.get(message)
    if (known === undefined) converted.set(message, known = convert(message))
    for (const one of known) prompt.push(one)
  }
  return prompt
}
