/** What people, tools and the system say, as parts of a prompt. Nothing that shows nothing becomes one: providers refuse it. */
import type { LanguageModelV3Message } from "@ai-sdk/provider"
import type { DataBlock, ToolCallBlock, ToolOutput, ToolResultBlock } from "../../../domain/Message.ts"
import { textOf } from "../../../domain/MessageText.ts"
import { isBlank } from "../../../domain/Text.ts"
import { fileOf, isDocument, nameOfFile, type Reader } from "./Media.ts"

export type Of<Role extends LanguageModelV3Message["role"]> = Extract<LanguageModelV3Message, { readonly role: Role }>
export type UserPart = Of<"user">["content"][number]
export type Result = Extract<Of<"tool">["content"][number], { readonly type: "tool-result" }>

/** A text without halves of surrogate pairs: those of a whole conversation take long to find in the body of a request. */
export const textPart = (text: string) => ({ type: "text", text: text.toWellFormed() }) as const

/** A person's words. */
export const said = (text: string): Of<"user"> => ({ role: "user", content: [textPart(text)] })

/** A file of text may hold none. */
const file = (block: Parameters<typeof fileOf>[0], reader: Reader): UserPart => {
  const part = fileOf(block, reader)
  return part.type === "text" && isBlank(part.text)
    ? { type: "text", text: `[${block.name ?? "A file"} is empty.]` }
    : part
}

/** A file, behind its name where that goes in words. */
const fileParts = (block: DataBlock, reader: Reader): ReadonlyArray<UserPart> => {
  const part = file(block, reader)
  const name = reader.dialect.namesInText === true && isDocument(part) ? nameOfFile(block) : undefined
  return name === undefined ? [part] : [textPart(`The file ${name}:`), part]
}

const userParts = (content: ToolOutput, reader: Reader): Array<UserPart> => {
  if (typeof content === "string") return isBlank(content) ? [] : [textPart(content)]
  return content.flatMap((block): ReadonlyArray<UserPart> =>
    block.type === "data" ? fileParts(block, reader) : isBlank(block.text) ? [] : [textPart(block.text)]
  )
}

/** What a person says; a message that were left out would put two of the model's next to each other. */
export const user = (content: ToolOutput, reader: Reader): Of<"user"> => {
  const parts = userParts(content, reader)
  if (parts.length === 0) return said("(A blank message.)")
  const isWordless = reader.dialect.namesInText === true && parts.some(isDocument) &&
    !parts.some(({ type }) => type === "text")
  return { role: "user", content: isWordless ? [textPart("A file:"), ...parts] : parts }
}

/** What is said of an output without text. */
const excuses = {
  running: "No result: the call did not end.",
  interrupted: "The call was interrupted; its outcome is unknown.",
  denied: "The call was denied.",
  error: "The call failed.",
  success: "(No output.)"
} as const satisfies Record<ToolResultBlock["state"], string>

/** Models make names up, which most providers check. */
export const nameOf = (name: string): string => name.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64) || "unnamed"

export const resultOf = (call: ToolCallBlock, result: ToolResultBlock | undefined, toolCallId: string): Result => {
  const state = result?.state ?? "running"
  const data = typeof result?.output === "object" && result.output.some(({ type }) => type === "data")
  const text = result === undefined ? "" : textOf(result.output)
  const value = isBlank(text) ? data ? "The output follows." : excuses[state] : text.toWellFormed()
  const toolCall = { type: "tool-result", toolCallId, toolName: nameOf(call.name) } as const
  return { ...toolCall, output: { type: state === "success" ? "text" : "error-text", value } }
}

/** Data that a tool produced: the wire takes it from a person only. */
export const dataOf = (
  call: ToolCallBlock,
  result: ToolResultBlock | undefined,
  reader: Reader
): ReadonlyArray<UserPart> => {
  if (result === undefined || typeof result.output === "string") return []
  const files = result.output.flatMap((block) => block.type === "data" ? fileParts(block, reader) : [])
  return files.length === 0 ? [] : [textPart(`Output of the tool '${call.name}':`), ...files]
}
