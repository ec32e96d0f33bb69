/** The decoder: the messages of a client as turns of ours. Clients send all that they have; what is new is decided later. */
import { Either } from "effect"
import type { Invalid } from "../../../domain/Errors.ts"
import { maxUrl, mediaTypeOf } from "../../../domain/File.ts"
import type { InputMessage } from "../../../domain/Message.ts"
import { isBlank } from "../../../domain/Text.ts"
import * as Base64 from "../../../services/Base64.ts"
import type { Call, Turn } from "../openai/request/Messages.ts"
import { inPlace } from "../openai/request/Messages.ts"
import { refuse } from "../openai/request/Refused.ts"
import type { Content, Message, Part } from "./Requests.ts"

type Block = Exclude<InputMessage["content"], string>[number]

/** A turn, and the id that a user's message has at its client. */
export type Said = Turn & { readonly id: string }

/** What a client's own tool has brought. */
export interface Result {
  readonly at: string
  /** As the client knows it. */
  readonly callId: string
  readonly content: string | ReadonlyArray<Block>
  readonly hasFailed: boolean
}

export interface Conversation {
  /** What the system and the developer say. */
  readonly system: ReadonlyArray<string>
  readonly turns: ReadonlyArray<Said>
  /** Results that stand after the last message of the agent's. */
  readonly results: ReadonlyArray<Result>
}

const maxType = 128

type File = Exclude<Part, { readonly type: "text" }>

/** Where the bytes of a part are, its type where that is said, and the field that says it. */
const placeOf = (
  part: File
): { readonly text: string; readonly type: string | undefined; readonly field: string } | undefined => {
  if (part.type === "binary") {
    const field = part.data == null ? "url" : "data"
    const text = part.data ?? part.url
    return text == null ? undefined : { text, type: part.mimeType, field }
  }
  if (part.source.type === "file") return undefined
  return { text: part.source.value, type: part.source.mimeType ?? undefined, field: "source.value" }
}

const usual = { image: "image/jpeg", audio: "audio/mpeg", video: "video/mp4", document: "application/pdf" }

const blockOf = (part: File, at: string): Either.Either<Block, Invalid> => {
  const place = placeOf(part)
  if (place === undefined) {
    return Either.left(
      refuse("invalid_file", at, "Expected a source of type data or url: no files are kept here by an id")
    )
  }
  const { field, text } = place
  const path = `${at}.${field}`
  const type = place.type?.slice(0, maxType) ?? usual[part.type === "binary" ? "document" : part.type]
  const name = part.type === "binary" && part.filename != null ? { name: part.filename } : {}
  if (Base64.isDataUrl(text)) {
    const source = inPlace(text)
    return source === undefined
      ? Either.left(refuse("invalid_file", path, "Expected a data: URL in base64"))
      : Either.right({ type: "data", source, ...name })
  }
  const isAddress = part.type === "binary" ? part.data == null : part.source.type === "url"
  if (!isAddress) {
    return Either.right({
      type: "data",
      source: { type: "base64", data: text, media_type: mediaTypeOf(type) },
      ...name
    })
  }
  return text.length > maxUrl
    ? Either.left(refuse("invalid_file", path, `Expected at most ${maxUrl} characters, or a data: URL`))
    : Either.right({ type: "data", source: { type: "url", url: text, media_type: mediaTypeOf(type) }, ...name })
}

/** A text alone stays a text. Blank parts are left out. */
const contentOf = (content: Content, at: string): Either.Either<string | ReadonlyArray<Block>, Invalid> =>
  typeof content === "string" ? Either.right(content) : Either.gen(function*() {
    const blocks: Array<Block> = []
    for (const [i, part] of content.entries()) {
      if (part.type !== "text") blocks.push(yield* blockOf(part, `${at}.${i}`))
      else if (!isBlank(part.text)) blocks.push({ type: "text", text: part.text })
    }
    return blocks
  })

const textOf = (content: Content | null | undefined): string =>
  content == null
    ? ""
    : typeof content === "string"
    ? content
    : content.map((part) => part.type === "text" ? part.text : "").join("")

const isNothing = (content: string | ReadonlyArray<Block>): boolean =>
  typeof content === "string" ? isBlank(content) : content.length === 0

export const read = (messages: ReadonlyArray<Message>): Either.Either<Conversation, Invalid> =>
  Either.gen(function*() {
    const system: Array<string> = []
    const turns: Array<Said> = []
    const calls = new Map<string, Call>()
    let results: Array<Result> = []
    for (const [i, message] of messages.entries()) {
      const at = `messages.${i}`
      const { id } = message
      switch (message.role) {
        case "developer":
        case "system": {
          const text = textOf(message.content)
          if (!isBlank(text)) system.push(text)
          break
        }
        case "user": {
          const content = yield* contentOf(message.content, `${at}.content`)
          if (!isNothing(content)) turns.push({ role: "user", at, id, content, name: message.name || "user" })
          break
        }
        case "assistant": {
          const made = (message.toolCalls ?? []).map((call): Call => ({
            id: call.id,
            name: call.function.name,
            input: call.function.arguments,
            output: undefined,
            hasFailed: false
          }))
          for (const call of made) calls.set(call.id, call)
          const text = textOf(message.content)
          results = []
          if (text !== "" || made.length > 0) turns.push({ role: "assistant", at, id, text, calls: made })
          break
        }
        case "tool": {
          const hasFailed = message.error != null && message.error !== ""
          const content = yield* contentOf(message.content, `${at}.content`)
          results.push({
            at,
            callId: message.toolCallId,
            content: hasFailed && isNothing(content) ? message.error : content,
            hasFailed
          })
          const call = calls.get(message.toolCallId)
          if (call !== undefined) {
            call.output = textOf(message.content) || (message.error ?? "")
            call.hasFailed = hasFailed
          }
        }
      }
    }
    return { system, turns, results }
  })
