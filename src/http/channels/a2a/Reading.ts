/** What a message says, in our words: an input, or the answer to what a run waits for. */
import { Either, Schema } from "effect"
import type { AnswerInput } from "../../../domain/Chat.ts"
import type { Invalid } from "../../../domain/Errors.ts"
import type { MessageId } from "../../../domain/Ids.ts"
import type { InputMessage, Message, ToolCallBlock, ToolOutput } from "../../../domain/Message.ts"
import { isBlank } from "../../../domain/Text.ts"
import { noContent, wrong } from "./Errors.ts"
import { json } from "./Parts.ts"
import { contextIdKey, messageIdKey } from "./Render.ts"
import type { Message as Sent, Part, SendRequest } from "./Requests.ts"

type InputBlock = Exclude<InputMessage["content"], string>[number]

const isMediaType = (text: string) =>
  /^[a-z0-9][a-z0-9!#$&^_.+-]{0,126}\/[a-z0-9*][a-z0-9!#$&^_.+-]{0,126}(?:;[ -~]{0,200})?$/i.test(text)

const unnamedFile = (at: string) =>
  Either.left(noContent(`${at}: A file needs its media type, such as image/png.`, `${at}.mediaType`))

const blockOf = (part: Part, at: string): Either.Either<InputBlock, Invalid> => {
  const { filename: name, mediaType } = part
  if (mediaType != null && mediaType !== "" && !isMediaType(mediaType)) {
    return Either.left(noContent(`${at}.mediaType: That is no media type.`, `${at}.mediaType`))
  }
  if ("text" in part) {
    return mediaType == null || mediaType === "" || /^text\//i.test(mediaType) || mediaType === json
      ? Either.right({ type: "text", text: part.text })
      : Either.left(noContent(`${at}: A text is text/plain, not another type.`, `${at}.mediaType`))
  }
  if ("data" in part) return Either.right({ type: "text", text: JSON.stringify(part.data) })
  if (mediaType == null || mediaType === "") return unnamedFile(at)
  const source = "raw" in part
    ? { type: "base64" as const, data: part.raw, media_type: mediaType }
    : { type: "url" as const, url: part.url, media_type: mediaType }
  return Either.right({ type: "data", source, ...(name != null && name !== "" && { name }) })
}

/** The message as an input. Its own id, its context and its metadata stay with it. */
export const inputOf = (
  { messageId, metadata, parts }: Sent,
  contextId: string
): Either.Either<InputMessage, Invalid> =>
  Either.gen(function*() {
    const content = yield* Either.all(parts.map((part, i) => blockOf(part, `message.parts.${i}`)))
    if (content.every((block) => block.type === "text" && isBlank(block.text))) {
      return yield* Either.left(wrong("message.parts", "Expected a text that is not blank, data, or a file"))
    }
    return {
      name: "user",
      role: "user",
      content,
      metadata: { ...metadata, [messageIdKey]: messageId, [contextIdKey]: contextId }
    }
  })

/** What an agent answers with, whatever its client would rather have. */
export const outputModes: ReadonlyArray<string> = ["text/plain", json]

/** Whoever takes nothing that is given is told so before an agent works for it. */
export const fitsOutput = ({ configuration }: SendRequest): Either.Either<void, Invalid> => {
  const modes = configuration?.acceptedOutputModes ?? []
  const fits = modes.length === 0 || modes.some((mode) => {
    const type = mode.split(";", 1)[0]!.trim().toLowerCase()
    return type === "*/*" || type === "text" || type === "text/*" || outputModes.includes(type)
  })
  return fits ? Either.void : Either.left(noContent(
    `Agents answer in ${outputModes.join(" and ")}, of which the client accepts none.`,
    "configuration.acceptedOutputModes"
  ))
}

const maxAnswers = 100
const callId = Schema.String.pipe(Schema.maxLength(256))

const isApprovals = Schema.is(Schema.Struct({
  approvals: Schema.Array(Schema.Struct({ id: callId, approved: Schema.Boolean })).pipe(
    Schema.minItems(1),
    Schema.maxItems(maxAnswers)
  )
}))

const isResults = Schema.is(Schema.Struct({
  results: Schema.Array(Schema.Struct({ id: callId, output: Schema.Unknown })).pipe(
    Schema.minItems(1),
    Schema.maxItems(maxAnswers)
  )
}))

const textIn = (parts: Sent["parts"]): string => parts.map((part) => "text" in part ? part.text : "").join("").trim()

/** Words that are plainly one or the other. Nothing else is ever taken for a permission. */
const words: ReadonlyMap<string, boolean> = new Map([
  ["approve", true],
  ["approved", true],
  ["yes", true],
  ["deny", false],
  ["denied", false],
  ["no", false]
])

const stranger = Either.left(
  wrong("message.parts", "Expected answers to the calls that the task waits for, each by its id")
)

const approvals = (
  { parts }: Sent,
  calls: ReadonlyArray<ToolCallBlock>
): Either.Either<
  ReadonlyArray<{ readonly confirmed: boolean; readonly tool_call: { readonly id: ToolCallBlock["id"] } }>,
  Invalid
> => {
  const said = parts.flatMap((part) => "data" in part && isApprovals(part.data) ? part.data.approvals : [])
  if (said.length > 0) {
    const found = said.map(({ approved, id }) => ({ confirmed: approved, call: calls.find((call) => call.id === id) }))
    const ids = new Set(said.map(({ id }) => id))
    if (found.some(({ call }) => call === undefined) || ids.size < said.length) return stranger
    return Either.right(found.map(({ call, confirmed }) => ({ confirmed, tool_call: { id: call!.id } })))
  }
  const word = words.get(textIn(parts).toLowerCase())
  return word === undefined
    ? Either.left(wrong(
      "message.parts",
      "The task waits for a permission: expected the text approve or deny, or data with approvals"
    ))
    : Either.right(calls.map(({ id }) => ({ confirmed: word, tool_call: { id } })))
}

const outputOf = (value: unknown): ToolOutput => typeof value === "string" ? value : JSON.stringify(value) ?? ""

const results = (
  { parts }: Sent,
  calls: ReadonlyArray<ToolCallBlock>
): Either.Either<
  ReadonlyArray<{ readonly id: ToolCallBlock["id"]; readonly output: ToolOutput; readonly state: "success" }>,
  Invalid
> => {
  const said = parts.flatMap((part) => "data" in part && isResults(part.data) ? part.data.results : [])
  const [only] = calls
  if (said.length === 0) {
    const text = textIn(parts)
    return only === undefined || calls.length > 1 || text === ""
      ? Either.left(wrong("message.parts", "The task waits for results of tools: expected data with results"))
      : Either.right([{ id: only.id, output: text, state: "success" }])
  }
  const given = new Map(said.map(({ id, output }) => [id, output]))
  const isWhole = given.size === said.length && calls.length === given.size && calls.every(({ id }) => given.has(id))
  return isWhole
    ? Either.right(calls.map(({ id }) => ({ id, output: outputOf(given.get(id)), state: "success" as const })))
    : stranger
}

/** The answer to a run that waits, whose calls these are. */
export const answerOf = (
  sent: Sent,
  waiting: "awaiting_permission" | "awaiting_external_result",
  reply: Message,
  calls: ReadonlyArray<ToolCallBlock>
): Either.Either<AnswerInput, Invalid> => {
  const reply_id: MessageId = reply.id
  return waiting === "awaiting_permission"
    ? Either.map(approvals(sent, calls), (confirm_results): AnswerInput => ({
      type: "USER_CONFIRM_RESULT",
      reply_id,
      confirm_results
    }))
    : Either.map(results(sent, calls), (execution_results): AnswerInput => ({
      type: "EXTERNAL_EXECUTION_RESULT",
      reply_id,
      execution_results
    }))
}
