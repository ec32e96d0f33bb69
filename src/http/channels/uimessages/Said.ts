/** The parts of a client's messages as what the engine takes: words and files of the user's, and what was said before. */
import { Either } from "effect"
import type { Invalid } from "../../../domain/Errors.ts"
import { mediaTypeOf } from "../../../domain/File.ts"
import type { BlockId, MessageId, Timestamp, ToolCallId } from "../../../domain/Ids.ts"
import type { ContentBlock, DataSource, InputMessage, Message } from "../../../domain/Message.ts"
import { isBlank } from "../../../domain/Text.ts"
import * as Base64 from "../../../services/Base64.ts"
import { refuse } from "../openai/request/Refused.ts"
import * as Outputs from "./Outputs.ts"
import type { Part, UiMessage } from "./Requests.ts"

type Block = Exclude<InputMessage["content"], string>[number]

/** Where a stored message that came from a client keeps the id that it had there. */
const idField = "ui_message_id"

/** The id by which a client knows a message. */
export const clientIdOf = ({ id, metadata }: Pick<Message, "id" | "metadata">): string => {
  const given = metadata[idField]
  return typeof given === "string" ? given : id
}

const isCall = ({ toolCallId, type }: Part): boolean =>
  toolCallId != null && (type === "dynamic-tool" || type.startsWith("tool-"))

/** The calls of tools in a message, whoever runs them. */
export const callsIn = ({ parts }: UiMessage): ReadonlyArray<Part & { readonly toolCallId: string }> =>
  parts.filter((part): part is Part & { readonly toolCallId: string } => isCall(part))

/** A file in place, or at an address; undefined for what is neither. */
const sourceOf = (url: string, type: string): DataSource | undefined => {
  if (!Base64.isDataUrl(url)) {
    return /^https?:\/\//.test(url) ? { type: "url", url, media_type: type } : undefined
  }
  const read = Base64.readDataUrl(url)
  if (read === undefined) return undefined
  const media_type = mediaTypeOf(url.slice("data:".length, url.indexOf(",")))
  return { type: "base64", media_type, data: read.isBase64 ? read.data : Buffer.from(read.data).toString("base64") }
}

const fileOf = (part: Part, path: string): Either.Either<Block, Invalid> => {
  const source = sourceOf(part.url ?? "", part.mediaType ?? "application/octet-stream")
  if (source === undefined) {
    return Either.left(refuse("invalid_file", `${path}.url`, "Expected an address, or a data: URL in base64"))
  }
  return Either.right({ type: "data", source, ...(part.filename != null && { name: part.filename }) })
}

/** A message of the user's as an input. `at` is its place in the request. */
export const inputOf = ({ id, parts }: UiMessage, at: string): Either.Either<InputMessage, Invalid> =>
  Either.gen(function*() {
    const content: Array<Block> = []
    for (const [i, part] of parts.entries()) {
      if (part.type === "text" && part.text != null && !isBlank(part.text)) {
        content.push({ type: "text", text: part.text })
      } else if (part.type === "file") content.push(yield* fileOf(part, `${at}.parts.${i}`))
    }
    if (content.length === 0) {
      return yield* Either.left(refuse("invalid", `${at}.parts`, "Expected a text that is not blank, or a file"))
    }
    return { role: "user", name: "user", content, metadata: { [idField]: id } }
  })

export const textOf = ({ parts }: UiMessage): string =>
  parts.map(({ text, type }) => type === "text" ? text ?? "" : "").join("")

export interface Making {
  readonly at: Timestamp
  readonly newId: () => string
  readonly newBlock: () => string
}

/** A call that has come to an end, as what it was and what it gave; nothing of one that has not. */
const blocksOf = (part: Part & { readonly toolCallId: string }): ReadonlyArray<ContentBlock> => {
  const { errorText, output, state, toolCallId, toolName, type } = part
  if (state !== "output-available" && state !== "output-error") return []
  const id = toolCallId as ToolCallId
  const name = type === "dynamic-tool" ? toolName ?? "tool" : type.slice("tool-".length)
  const input = JSON.stringify(part.input ?? {})
  const hasFailed = state === "output-error"
  return [
    { type: "tool_call", id, name, input, state: "finished", suggested_rules: [] },
    {
      type: "tool_result",
      id,
      name,
      output: hasFailed ? errorText ?? "" : Outputs.textOf(output),
      state: hasFailed ? "error" : "success"
    }
  ]
}

const base = ({ at, newId }: Making) => ({
  id: newId() as MessageId,
  created_at: at,
  finished_at: at,
  usage: null
})

/** A reply that a new session is told of: its texts and its tools. */
export const replyOf = (message: UiMessage, making: Making): Message => ({
  ...base(making),
  role: "assistant",
  name: "assistant",
  metadata: { [idField]: message.id },
  content: message.parts.flatMap((part): ReadonlyArray<ContentBlock> => {
    if (part.type === "text" && part.text != null && part.text !== "") {
      return [{ type: "text", id: making.newBlock() as BlockId, text: part.text }]
    }
    return isCall(part) ? blocksOf({ ...part, toolCallId: part.toolCallId! }) : []
  })
})

/** A message of the user's that a new session is told of. Its files are stored already. */
export const wordsOf = (input: InputMessage, making: Making): Message => ({
  ...base(making),
  role: "user",
  name: input.name,
  metadata: input.metadata,
  content: typeof input.content === "string"
    ? [{ type: "text", id: making.newBlock() as BlockId, text: input.content }]
    : input.content.map((block) => ({ ...block, id: making.newBlock() as BlockId }))
})
