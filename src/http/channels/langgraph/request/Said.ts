/** The decoder: what a client says, as turns of ours. */
import { Either } from "effect"
import type { Invalid } from "../../../../domain/Errors.ts"
import { maxUrl, mediaTypeOf } from "../../../../domain/File.ts"
import type { InputMessage } from "../../../../domain/Message.ts"
import { isBlank } from "../../../../domain/Text.ts"
import * as Base64 from "../../../../services/Base64.ts"
import { type Call, inPlace, pictureAt, type Turn } from "../../openai/request/Messages.ts"
import { refuse } from "../../openai/request/Refused.ts"
import type { Content, Input, Message, Part } from "./Requests.ts"

type Block = Exclude<InputMessage["content"], string>[number]

/** A turn, and the id that a user's message has at its client. */
export type Said = Turn & { readonly id: string | undefined }

/** What a client's own tool has brought. */
export interface Result {
  /** As the client knows it. */
  readonly callId: string
  readonly text: string
  readonly hasFailed: boolean
}

export interface Conversation {
  readonly system: string
  readonly turns: ReadonlyArray<Said>
  /** Results that stand behind the last message of the model. */
  readonly results: ReadonlyArray<Result>
}

/** The address of a part's bytes, or the bytes in base64. */
const placeOf = (
  part: Part
): { readonly text: string; readonly isData: boolean; readonly field: string } | undefined => {
  if (part.image_url != null) {
    const isText = typeof part.image_url === "string"
    return {
      text: isText ? part.image_url : part.image_url.url,
      isData: false,
      field: isText ? "image_url" : "image_url.url"
    }
  }
  if (part.data != null) return { text: part.data, isData: true, field: "data" }
  return part.url == null ? undefined : { text: part.url, isData: false, field: "url" }
}

const blockOf = (part: Part, at: string): Either.Either<Block, Invalid> => {
  const place = placeOf(part)
  if (place === undefined) {
    return Either.left(refuse("invalid_file", at, "Expected a text, or a file with image_url, url or data"))
  }
  const { field, isData, text } = place
  const path = `${at}.${field}`
  const named = part.name == null ? {} : { name: part.name }
  const usual = part.type.startsWith("image") ? pictureAt(text.slice(0, maxUrl)) : "application/octet-stream"
  const media_type = mediaTypeOf(part.mime_type ?? usual)
  if (isData) return Either.right({ type: "data", source: { type: "base64", data: text, media_type }, ...named })
  if (Base64.isDataUrl(text)) {
    const source = inPlace(text)
    return source === undefined
      ? Either.left(refuse("invalid_file", path, "Expected a data: URL in base64"))
      : Either.right({ type: "data", source, ...named })
  }
  return text.length > maxUrl
    ? Either.left(refuse("invalid_file", path, `Expected at most ${maxUrl} characters, or a data: URL`))
    : Either.right({ type: "data", source: { type: "url", url: text, media_type }, ...named })
}

const textOf = (content: Content | null | undefined): string =>
  content == null ? "" : typeof content === "string" ? content : content.map(({ text }) => text ?? "").join("")

const contentOf = (content: Content, at: string): Either.Either<InputMessage["content"], Invalid> =>
  Either.gen(function*() {
    const blank = refuse("invalid", at, "Expected a text that is not blank, or a file")
    if (typeof content === "string") return isBlank(content) ? yield* Either.left(blank) : content
    const blocks: Array<Block> = []
    for (const [i, part] of content.entries()) {
      if (part.type !== "text") blocks.push(yield* blockOf(part, `${at}.${i}`))
      else if (part.text != null && !isBlank(part.text)) blocks.push({ type: "text", text: part.text })
    }
    return blocks.length === 0 ? yield* Either.left(blank) : blocks
  })

const roles = {
  human: "user",
  user: "user",
  ai: "assistant",
  assistant: "assistant",
  system: "system",
  developer: "system",
  tool: "tool"
} as const

const listOf = (messages: Input["messages"]): ReadonlyArray<Message> => {
  if (messages == null) return []
  if (typeof messages === "string") return [{ type: "human", content: messages }]
  return Array.isArray(messages) ? messages : [messages as Message]
}

export const read = (input: Input | null | undefined): Either.Either<Conversation, Invalid> =>
  Either.gen(function*() {
    const system: Array<string> = []
    const turns: Array<Said> = []
    const calls = new Map<string, Call>()
    let results: Array<Result> = []
    for (const [i, message] of listOf(input?.messages).entries()) {
      const at = `input.messages.${i}`
      const given = message.role ?? message.type
      if (given == null) return yield* Either.left(refuse("invalid", `${at}.type`, "Expected type or role"))
      const id = message.id ?? undefined
      switch (roles[given]) {
        case "system":
          system.push(textOf(message.content))
          break
        case "user":
          turns.push({
            role: "user",
            at,
            id,
            name: message.name || "user",
            content: yield* contentOf(message.content ?? "", `${at}.content`)
          })
          break
        case "assistant": {
          const made = (message.tool_calls ?? []).map((call, n): Call => ({
            id: call.id ?? `${i}-${n}`,
            name: call.name,
            input: JSON.stringify(call.args ?? {}),
            output: undefined,
            hasFailed: false
          }))
          for (const call of made) calls.set(call.id, call)
          results = []
          const text = textOf(message.content)
          if (text !== "" || made.length > 0) turns.push({ role: "assistant", at, id, text, calls: made })
          break
        }
        case "tool": {
          const callId = message.tool_call_id
          if (callId == null) return yield* Either.left(refuse("invalid", `${at}.tool_call_id`, "is missing"))
          const text = textOf(message.content)
          const hasFailed = message.status === "error"
          const call = calls.get(callId)
          if (call !== undefined) {
            call.output = text
            call.hasFailed = hasFailed
          }
          results.push({ callId, text, hasFailed })
        }
      }
    }
    return { system: system.filter((text) => !isBlank(text)).join("\n\n"), turns, results }
  })
