/**
 * The decoder: a client's whole conversation as messages of ours. Results of tools
 * go to the calls that they answer; what does not fit together is refused, for no
 * provider would take it.
 */
import { Either } from "effect"
import type { Invalid } from "../../../../domain/Errors.ts"
import { maxUrl, mediaTypeOf } from "../../../../domain/File.ts"
import type { BlockId, MessageId, Timestamp, ToolCallId } from "../../../../domain/Ids.ts"
import type { DataSource, InputMessage, Message } from "../../../../domain/Message.ts"
import { isBlank } from "../../../../domain/Text.ts"
import * as Base64 from "../../../../services/Base64.ts"
import { refuse } from "./Refused.ts"
import type { ChatMessage, UserPart } from "./Requests.ts"

export interface Call {
  readonly id: string
  readonly name: string
  readonly input: string
  /** Undefined while nothing has answered it. */
  output: string | undefined
  /** What has answered it is why it failed. */
  hasFailed: boolean
}

/** One turn of the conversation, with the place at which the request has it. */
export type Turn =
  | { readonly role: "user"; readonly at: string; readonly content: InputMessage["content"]; readonly name: string }
  | { readonly role: "assistant"; readonly at: string; readonly text: string; readonly calls: ReadonlyArray<Call> }
  | { readonly role: "system"; readonly at: string; readonly text: string }

export interface Conversation {
  /** What the system and the developer say before anybody else. */
  readonly system: string
  readonly turns: ReadonlyArray<Turn>
}

const textOf = (
  content: string | ReadonlyArray<{ readonly text: string } | { readonly refusal: string }> | null | undefined
): string =>
  content == null
    ? ""
    : typeof content === "string"
    ? content
    : content.map((part) => "text" in part ? part.text : part.refusal).join("")

const pictures: ReadonlyArray<readonly [end: RegExp, type: string]> = [
  [/\.png$/i, "image/png"],
  [/\.gif$/i, "image/gif"],
  [/\.webp$/i, "image/webp"]
]

/** The type of a picture at an address, by the end of its path: nobody else says it. */
export const pictureAt = (url: string): string => {
  const path = URL.canParse(url) ? new URL(url).pathname : url
  return pictures.find(([end]) => end.test(path))?.[1] ?? "image/jpeg"
}

/** A `data:` URL as a source; undefined when it cannot be read. */
export const inPlace = (url: string): DataSource | undefined => {
  const read = Base64.readDataUrl(url)
  if (read === undefined) return undefined
  const media_type = mediaTypeOf(url.slice("data:".length, url.indexOf(",")))
  return { type: "base64", media_type, data: read.isBase64 ? read.data : Buffer.from(read.data).toString("base64") }
}

type Source = { readonly source: DataSource; readonly name?: string } | {
  readonly problem: string
  readonly at: string
}

const sourceOf = (part: Exclude<UserPart, { readonly type: "text" }>): Source => {
  switch (part.type) {
    case "image_url": {
      const { url } = part.image_url
      const at = "image_url.url"
      if (Base64.isDataUrl(url)) {
        const source = inPlace(url)
        return source === undefined ? { problem: "Expected a data: URL in base64", at } : { source }
      }
      if (url.length > maxUrl) return { problem: `Expected at most ${maxUrl} characters, or a data: URL`, at }
      return { source: { type: "url", url, media_type: pictureAt(url) } }
    }
    case "input_audio": {
      const { data, format } = part.input_audio
      return { source: { type: "base64", data, media_type: format === "wav" ? "audio/wav" : "audio/mpeg" } }
    }
    case "file": {
      const { file_data, file_id, filename } = part.file
      if (file_id != null) return { problem: "Files are not kept here: send file_data", at: "file.file_id" }
      if (file_data == null) return { problem: "Expected file_data", at: "file.file_data" }
      const named = filename == null ? {} : { name: filename }
      if (!Base64.isDataUrl(file_data)) {
        return { source: { type: "base64", data: file_data, media_type: "application/pdf" }, ...named }
      }
      const source = inPlace(file_data)
      return source === undefined ? { problem: "Expected a data: URL in base64", at: "file.file_data" } : {
        source,
        ...named
      }
    }
  }
}

const userContent = (
  content: string | ReadonlyArray<UserPart>,
  at: string
): Either.Either<InputMessage["content"], Invalid> => {
  const path = `${at}.content`
  const blank = () => Either.left(refuse("invalid", path, "Expected a text that is not blank, or a file"))
  if (typeof content === "string") return isBlank(content) ? blank() : Either.right(content)
  const blocks: Array<Exclude<InputMessage["content"], string>[number]> = []
  for (const [i, part] of content.entries()) {
    if (part.type === "text") {
      if (!isBlank(part.text)) blocks.push(part)
      continue
    }
    const read = sourceOf(part)
    if ("problem" in read) {
      return Either.left(refuse("invalid_file", `${path}.${i}.${read.at}`, read.problem))
    }
    blocks.push({ type: "data", ...read })
  }
  return blocks.length === 0 ? blank() : Either.right(blocks)
}

/** A message as some protocols have it: the result of a tool may be why it failed. */
export type Told = ChatMessage & { readonly tool_call_error?: boolean | null | undefined }

export const read = (messages: ReadonlyArray<Told>): Either.Either<Conversation, Invalid> =>
  Either.gen(function*() {
    const system: Array<string> = []
    const turns: Array<Turn> = []
    /** Calls of the last assistant message that nothing has answered yet. */
    let open: ReadonlyArray<Call> = []
    let calls: ReadonlyArray<Call> = []
    const unanswered = (at: string) =>
      refuse(
        "invalid",
        at,
        `Expected a message of the role tool for each call of a tool first. Missing: ${
          open.map(({ id }) => id).join(", ")
        }`
      )
    for (const [i, message] of messages.entries()) {
      const at = `messages.${i}`
      if (message.role === "tool") {
        const call = calls.find(({ id }) => id === message.tool_call_id)
        const path = `${at}.tool_call_id`
        if (call === undefined) {
          const why = "Expected the id of a call in the assistant's message before"
          return yield* Either.left(refuse("invalid", path, why))
        }
        if (call.output !== undefined) {
          return yield* Either.left(refuse("invalid", path, "This call is answered twice"))
        }
        call.output = textOf(message.content)
        call.hasFailed = message.tool_call_error === true
        open = open.filter(({ id }) => id !== call.id)
        continue
      }
      if (open.length > 0) return yield* Either.left(unanswered(at))
      calls = []
      switch (message.role) {
        case "system":
        case "developer":
          if (turns.length === 0) system.push(textOf(message.content))
          else turns.push({ role: "system", at, text: textOf(message.content) })
          break
        case "user":
          turns.push({
            role: "user",
            at,
            content: yield* userContent(message.content, at),
            name: message.name ?? "user"
          })
          break
        case "assistant": {
          calls = (message.tool_calls ?? []).map(({ function: { arguments: input, name }, id }) => ({
            id,
            name,
            input,
            output: undefined,
            hasFailed: false
          }))
          const twice = calls.findIndex(({ id }, j) => calls.findIndex((other) => other.id === id) !== j)
          if (twice >= 0) {
            const path = `${at}.tool_calls.${twice}.id`
            return yield* Either.left(refuse("invalid", path, "Another call has this id"))
          }
          open = calls
          const text = textOf(message.content) || (message.refusal ?? "")
          if (text !== "" || calls.length > 0) turns.push({ role: "assistant", at, text, calls })
        }
      }
    }
    if (open.length > 0) return yield* Either.left(unanswered(`messages.${messages.length}`))
    return { system: system.join("\n\n"), turns }
  })

export interface Making {
  readonly at: Timestamp
  readonly newId: () => string
  readonly newBlock: () => string
  /** The id that a call has inside, of the one that the client knows. */
  readonly callId?: (id: string) => string
}

/** A turn as a message of ours; a user's content may have been looked at meanwhile. */
export const messageOf = (turn: Turn, making: Making): Message => {
  const { at, callId = (id: string) => id, newBlock, newId } = making
  const id = () => newBlock() as BlockId
  const text = (text: string) => text === "" ? [] : [{ type: "text" as const, id: id(), text }]
  const base = {
    id: newId() as MessageId,
    metadata: {},
    created_at: at,
    finished_at: at,
    usage: null
  }
  switch (turn.role) {
    case "system":
      return { ...base, role: "system", name: "system", content: text(turn.text) }
    case "user":
      return {
        ...base,
        role: "user",
        name: turn.name,
        content: typeof turn.content === "string"
          ? text(turn.content)
          : turn.content.map((block) => ({ ...block, id: id() }))
      }
    case "assistant":
      return {
        ...base,
        role: "assistant",
        name: "assistant",
        content: [
          ...text(turn.text),
          ...turn.calls.map((call) => ({
            type: "tool_call" as const,
            id: callId(call.id) as ToolCallId,
            name: call.name,
            input: call.input,
            state: "finished" as const,
            suggested_rules: []
          })),
          ...turn.calls.flatMap((call) =>
            call.output === undefined ? [] : [{
              type: "tool_result" as const,
              id: callId(call.id) as ToolCallId,
              name: call.name,
              output: call.output,
              state: call.hasFailed ? "error" as const : "success" as const
            }]
          )
        ]
      }
  }
}
