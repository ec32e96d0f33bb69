/** A reply of the model's as alternating messages: what it said, and what its calls gave. */
import type { LanguageModelV3Message, SharedV3ProviderOptions } from "@ai-sdk/provider"
import type { JsonObject } from "../../../domain/Json.ts"
import type { Message, ThinkingBlock, ToolCallBlock } from "../../../domain/Message.ts"
import { isBlank } from "../../../domain/Text.ts"
import { idsOf, usual } from "./CallId.ts"
import { type Dialect, returned } from "./Dialect.ts"
import { fileOf, named, type Reader } from "./Media.ts"
import { dataOf, nameOf, type Of, resultOf, textPart, user } from "./Parts.ts"
import { argumentsIn } from "./Verbatim.ts"

type AssistantPart = Of<"assistant">["content"][number]

const optionsOf = (metadata: JsonObject | undefined, { author, dialect }: Reader) => {
  const own = returned(dialect, author, metadata)
  return own === undefined ? undefined : { providerOptions: { [dialect.sendAs ?? dialect.namespace]: own } } as {
    readonly providerOptions: SharedV3ProviderOptions
  }
}

/**
 * A server of which nothing is known may refuse a field that it has not used itself: it gets
 * the thoughts that it has told, unless its model wants some with each message.
 */
const isChoosy = ({ reasoning, standIn }: Dialect) => reasoning === "as it came" && standIn === undefined

/**
 * Thinking that goes back. It does so in every turn: a message that lost its
 * thoughts later would not be the one that the provider has kept, and some refuse it.
 */
const thoughtOf = ({ provider_metadata, thinking }: ThinkingBlock, reader: Reader): ReadonlyArray<AssistantPart> => {
  const { namespace, thinking: whose } = reader.dialect
  switch (whose) {
    case "signed": {
      const options = optionsOf(provider_metadata, reader)
      return options === undefined ? [] : [{ type: "reasoning", text: thinking.toWellFormed(), ...options }]
    }
    case "text": {
      const isTaken = isChoosy(reader.dialect)
        ? returned(reader.dialect, reader.author, provider_metadata) !== undefined
        : provider_metadata === undefined || provider_metadata[namespace] !== undefined
      return isTaken && !isBlank(thinking) ? [{ type: "reasoning", text: thinking.toWellFormed() }] : []
    }
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

/** The message with its thoughts beside its content. */
const asReasoning = (content: Array<AssistantPart>): Of<"assistant"> => ({
  role: "assistant",
  content: content.filter(isSaid),
  providerOptions: {
    openaiCompatible: { reasoning: content.map((part) => part.type === "reasoning" ? part.text : "").join("") }
  }
})

const noAnswer: AssistantPart = { type: "text", text: "(No answer.)" }

interface Wired {
  readonly messages: ReadonlyArray<LanguageModelV3Message>
  readonly ids: ReadonlyArray<string>
}

/**
 * A reply as alternating assistant and tool messages. Every call is followed by
 * its result, whether or not there is one. None of its calls' ids is in `taken`.
 */
export const assistant = (message: Message, reader: Reader, taken: ReadonlySet<string>): Wired => {
  const { finished_at } = message
  // What the provider ran itself it does not take back; its text says what came of it.
  const content = message.content.filter((block) => !("provider_executed" in block && block.provider_executed === true))
  const { dialect } = reader
  const messages: Array<LanguageModelV3Message> = []
  const results = new Map(
    content.flatMap((block) => block.type === "tool_result" ? [[block.id as string, block] as const] : [])
  )
  const callIds = content.flatMap((block) => block.type === "tool_call" ? [block.id as string] : [])
  const ids = idsOf(message.id, callIds, taken, dialect.callId ?? usual)
  const idOf = ({ id }: ToolCallBlock): string => ids.get(id) ?? id
  let parts: Array<AssistantPart> = []
  let calls: Array<ToolCallBlock> = []
  let late: SharedV3ProviderOptions | undefined
  let cameAsReasoning = false
  /** Whether the model has begun to answer, be it with what does not go back. */
  let begun = false
  const say = (said: Array<AssistantPart>) => {
    if (late !== undefined) return void messages.push({ role: "assistant", content: said, providerOptions: late })
    const { standIn } = dialect
    const thoughtless = standIn !== undefined && said.every(isSaid)
    const whole = thoughtless ? [{ type: "reasoning", text: standIn } as const, ...said] : said
    const beside = dialect.reasoning === "always" || dialect.reasoning === "as it came" && cameAsReasoning
    messages.push(beside && !whole.every(isSaid) ? asReasoning(whole) : { role: "assistant", content: whole })
  }
  const close = () => {
    const thoughts = late === undefined ? withoutUnsealed(parts, dialect) : parts.filter(isSaid)
    const said = withoutLastThoughts(thoughts)
    if (said.length > 0) say(said)
    if (calls.length > 0) {
      messages.push({
        role: "tool",
        content: calls.map((call) => resultOf(call, results.get(call.id), idOf(call)))
      })
      const data = calls.flatMap((call) => dataOf(call, results.get(call.id), reader))
      if (data.length > 0) messages.push({ role: "user", content: data })
    }
    parts = []
    calls = []
    late = undefined
    cameAsReasoning = false
    begun = false
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
        begun = true
        if (!isBlank(block.text)) {
          parts.push({ ...textPart(block.text), ...optionsOf(block.provider_metadata, reader) })
        }
        break
      case "thinking":
        begun = true
        if (dialect.late === true) late ??= optionsOf(block.provider_metadata, reader)?.providerOptions
        if (returned(dialect, reader.author, block.provider_metadata)?.["field"] === "reasoning") cameAsReasoning = true
        parts.push(...thoughtOf(block, reader))
        break
      case "data": {
        const part = fileOf(block, reader)
        // A link in a model's own words is not taken back.
        const own = dialect.ownFiles === true && part.type === "file" && !(part.data instanceof URL)
        parts.push(own ? { ...part, ...optionsOf(block.provider_metadata, reader) } : named(block))
        break
      }
      case "hint":
        if (begun && !parts.some(isSaid)) parts.push(noAnswer)
        close()
        messages.push(user(block.hint, reader))
        break
      case "tool_call":
        calls.push(block)
        parts.push({
          type: "tool-call",
          toolCallId: idOf(block),
          toolName: nameOf(block.name),
          input: argumentsIn(block),
          ...optionsOf(block.provider_metadata, reader)
        })
        break
    }
  }
  close()
  // A reply that is left out would put two messages of a person next to each other.
  if (finished_at !== null && (messages.at(-1)?.role ?? "user") === "user") say([noAnswer])
  return { messages, ids: [...ids.values()] }
}
