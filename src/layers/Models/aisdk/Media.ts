/** Files of a conversation as the AI SDK takes them: sent where provider and model take them, named where they do not. */
import type { LanguageModelV3FilePart, LanguageModelV3TextPart } from "@ai-sdk/provider"
import { isText, isWebUrl, mediaTypeOf } from "../../../domain/File.ts"
import type { DataBlock, Message } from "../../../domain/Message.ts"
import { isBlank } from "../../../domain/Text.ts"
import type { Dialect } from "./Dialect.ts"

/** What a prompt is made for. Everything that is said once is the same for all calls of a session. */
export interface Reader {
  readonly dialect: Dialect
  /** The model and its credential, as the session names them. */
  readonly author: string
  /** Media types that the model takes, if known; `image/*` stands for all images. */
  readonly takes: ReadonlyArray<string> | undefined
  /** Links of earlier turns are named in the place of being sent. */
  readonly withoutLinks?: boolean | undefined
}

const isTaken = (mediaType: string, { takes }: Reader): boolean =>
  takes === undefined ||
  takes.some((type) => type === mediaType || type.endsWith("/*") && mediaType.startsWith(type.slice(0, -1)))

/** Longest name of a file that goes to a provider, in characters. */
const longestName = 200

const pdf = "application/pdf"

/** A file's name as providers take it: it shows something, on one line, and a document's ends as they want it. */
export const nameOfFile = ({ name, source }: DataBlock): string | undefined => {
  const line = (name ?? "").toWellFormed().replaceAll(/\p{Cc}+/gu, " ").trim()
  if (isBlank(line)) return undefined
  const isPdf = mediaTypeOf(source.media_type) === pdf
  const bare = isPdf ? line.replace(/\.pdf$/i, "") : line
  return `${bare.slice(0, longestName).toWellFormed()}${isPdf ? ".pdf" : ""}`
}

/** Whether the part is a document, which some providers want to be named in words. */
export const isDocument = (part: LanguageModelV3FilePart | LanguageModelV3TextPart): boolean =>
  part.type === "file" && part.mediaType === pdf

const filePart = (
  block: DataBlock,
  reader: Reader
): LanguageModelV3FilePart | LanguageModelV3TextPart | undefined => {
  const { source } = block
  const mediaType = mediaTypeOf(source.media_type)
  if (isText(mediaType) && source.type === "base64") {
    return { type: "text", text: Buffer.from(source.data, "base64").toString() }
  }
  const sendable = reader.dialect.media.find(([types]) => types.test(mediaType))
  if (sendable === undefined || !isTaken(mediaType, reader)) return undefined
  const name = reader.dialect.namesInText === true ? undefined : nameOfFile(block)
  const filename = name === undefined ? {} : { filename: name }
  if (source.type === "base64") return { type: "file", mediaType, data: source.data, ...filename }
  return sendable[1] && isWebUrl(source.url) && reader.withoutLinks !== true
    ? { type: "file", mediaType, data: new URL(source.url), ...filename }
    : undefined
}

/** A file by its name. */
export const named = ({ name, source }: DataBlock): LanguageModelV3TextPart => ({
  type: "text",
  text: `[${
    name ?? "A file"
  } of type ${source.media_type.toLowerCase()} is not shown: the model cannot take it in this form.]`
})

/** What cannot be sent is named instead. */
export const fileOf = (block: DataBlock, reader: Reader): LanguageModelV3FilePart | LanguageModelV3TextPart =>
  filePart(block, reader) ?? named(block)

const isLinked = ({ content }: Message, reader: Reader): boolean =>
  content.some((block) =>
    block.type === "data"
      ? block.source.type === "url" && filePart(block, reader)?.type === "file"
      : block.type === "tool_result" && typeof block.output !== "string" &&
        block.output.some((part) => part.type === "data" && part.source.type === "url")
  )

/** Whether a turn before the newest has a link, which may be dead by now. */
export const hasOlderLink = (messages: ReadonlyArray<Message>, reader: Reader): boolean =>
  messages.slice(0, newestTurn(messages)).some((message) => isLinked(message, reader))

/** Where the newest turn begins. */
export const newestTurn = (messages: ReadonlyArray<Message>): number =>
  messages.findLastIndex(({ role }) => role === "user")

/** The first media type that the newest message of a person holds and the model does not take, when that is known. */
export const refusedMedia = (messages: ReadonlyArray<Message>, reader: Reader): string | undefined => {
  if (reader.takes === undefined) return undefined
  const newest = messages.findLast(({ role }) => role === "user")
  for (const block of newest?.content ?? []) {
    if (block.type === "data" && filePart(block, reader) === undefined) return block.source.media_type
  }
  return undefined
}
