/** The decoder: what a client of AgentApp's says, as an input of ours. */
import { Either } from "effect"
import { Invalid } from "../../../domain/Errors.ts"
import { mediaTypeOf } from "../../../domain/File.ts"
import type { BlockId, MessageId, Timestamp } from "../../../domain/Ids.ts"
import type { DataSource, InputMessage, Message } from "../../../domain/Message.ts"
import { isBlank } from "../../../domain/Text.ts"
import * as Base64 from "../../../services/Base64.ts"
import type { AgentRequest, Message as Given, Part } from "./Requests.ts"

type Block = Exclude<InputMessage["content"], string>[number]

export interface Asked {
  /** What was said before, of a conversation that its client keeps: user's and agent's messages. */
  readonly before: ReadonlyArray<InputMessage>
  /** The user's messages at the end. */
  readonly input: ReadonlyArray<InputMessage>
  /** What the system says, for this run. */
  readonly instructions: string
}

const refuse = (path: string, message: string, code = "invalid"): Invalid =>
  new Invalid({ code, detail: `${path}: ${message}.`, errors: [{ path, message }] })

/** Types of files at addresses, by the ends of their paths; else what the part says that it is. */
const types: ReadonlyArray<readonly [end: RegExp, type: string]> = [
  [/\.png$/i, "image/png"],
  [/\.gif$/i, "image/gif"],
  [/\.webp$/i, "image/webp"],
  [/\.jpe?g$/i, "image/jpeg"],
  [/\.mp3$/i, "audio/mpeg"],
  [/\.wav$/i, "audio/wav"],
  [/\.pdf$/i, "application/pdf"]
]

const typeAt = (url: string, other: string): string => {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  return types.find(([end]) => end.test(path))?.[1] ?? other
}

/** A file in place, or at an address; undefined for what is neither. */
const sourceOf = (text: string, type: string): DataSource | undefined => {
  if (!Base64.isDataUrl(text)) {
    return /^https?:\/\//.test(text)
      ? { type: "url", url: text, media_type: typeAt(text, type) }
      : { type: "base64", data: text, media_type: type }
  }
  const read = Base64.readDataUrl(text)
  if (read === undefined) return undefined
  const media_type = mediaTypeOf(text.slice("data:".length, text.indexOf(",")))
  return { type: "base64", media_type, data: read.isBase64 ? read.data : Buffer.from(read.data).toString("base64") }
}

const audioTypes: Readonly<Record<string, string>> = { mp3: "audio/mpeg", wav: "audio/wav" }

/** The text and the type of a part's file; undefined for a part that has none here. */
const fileIn = (part: Exclude<Part, { readonly type: "text" | "refusal" | "data" }>): {
  readonly text: string
  readonly type: string
  readonly field: string
} | undefined => {
  switch (part.type) {
    case "image":
      return { text: part.image_url, type: "image/jpeg", field: "image_url" }
    case "video":
      return { text: part.video_url, type: "video/mp4", field: "video_url" }
    case "audio":
      return { text: part.data, type: audioTypes[part.format ?? "wav"] ?? `audio/${part.format}`, field: "data" }
    case "file": {
      const text = part.file_data ?? part.file_url
      const field = part.file_data == null ? "file_url" : "file_data"
      return text == null ? undefined : { text, type: "application/octet-stream", field }
    }
  }
}

const blocksOf = (content: ReadonlyArray<Part>, at: string): Either.Either<ReadonlyArray<Block>, Invalid> =>
  Either.gen(function*() {
    const blocks: Array<Block> = []
    for (const [i, part] of content.entries()) {
      const path = `${at}.content.${i}`
      if (part.type === "text" || part.type === "refusal") {
        const text = part.type === "text" ? part.text : part.refusal
        if (!isBlank(text)) blocks.push({ type: "text", text })
      } else if (part.type === "data") {
        blocks.push({ type: "text", text: JSON.stringify(part.data) ?? "null" })
      } else {
        const file = fileIn(part)
        if (file === undefined) {
          return yield* Either.left(refuse(path, "Expected file_data or file_url: no files are kept here by an id"))
        }
        const source = sourceOf(file.text, file.type)
        if (source === undefined) {
          return yield* Either.left(refuse(`${path}.${file.field}`, "Expected a data: URL in base64", "invalid_file"))
        }
        const name = part.type === "file" && part.filename != null ? { name: part.filename } : {}
        blocks.push({ type: "data", source, ...name })
      }
    }
    return blocks
  })

const textOf = ({ content }: Given): string =>
  content == null
    ? ""
    : typeof content === "string"
    ? content
    : content.map((part) => part.type === "text" ? part.text : part.type === "refusal" ? part.refusal : "").join("")

/** Messages that only tell how an agent came to its answer. */
const isAside = ({ type }: Given) => type != null && type !== "message"

export const read = ({ input, n, tools }: AgentRequest): Either.Either<Asked, Invalid> =>
  Either.gen(function*() {
    if (tools != null && tools.length > 0) {
      const why = "Tools of a client cannot run here: give the agent what it needs, or talk to it by POST /chat"
      return yield* Either.left(refuse("tools", why, "tools_of_client"))
    }
    if (n != null && n !== 1) return yield* Either.left(refuse("n", "An agent gives one answer to a request"))
    const system: Array<string> = []
    const said: Array<InputMessage> = []
    for (const [i, message] of input.entries()) {
      const role = message.role ?? "user"
      const at = `input.${i}`
      if (role === "tool" || isAside(message)) {
        if (role === "user") {
          const why = "Expected a message: no run of this protocol waits for the result of a tool, or for an approval"
          return yield* Either.left(refuse(`${at}.type`, why))
        }
        continue
      }
      if (role === "system") {
        system.push(textOf(message))
        continue
      }
      const content = typeof message.content === "string"
        ? isBlank(message.content) ? [] : [{ type: "text" as const, text: message.content }]
        : yield* blocksOf(message.content ?? [], at)
      if (content.length > 0) {
        said.push({ role, name: message.name ?? role, content, metadata: {} })
      } else if (role === "user") {
        return yield* Either.left(refuse(`${at}.content`, "Expected a text that is not blank, or a file"))
      }
    }
    const split = said.findLastIndex(({ role }) => role !== "user") + 1
    const words = said.slice(split)
    if (words.length === 0) return yield* Either.left(refuse("input", "Expected the last message to be the user's"))
    return {
      before: said.slice(0, split),
      input: words,
      instructions: system.filter((text) => text !== "").join("\n\n")
    }
  })

export interface Making {
  readonly at: Timestamp
  readonly newId: () => string
  readonly newBlock: () => string
}

/** A message that was said before, as the session's transcript will have it. */
export const stored = ({ content, name, role }: InputMessage, { at, newBlock, newId }: Making): Message => ({
  id: newId() as MessageId,
  role,
  name,
  metadata: {},
  created_at: at,
  finished_at: at,
  usage: null,
  content: typeof content === "string"
    ? [{ type: "text", id: newBlock() as BlockId, text: content }]
    : content.map((block) => ({ ...block, id: newBlock() as BlockId }))
})
