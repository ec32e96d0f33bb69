/**
 * What a model is given of a session: its messages, or since a compaction the summary of the older ones and those that
 * came after. The log and the transcript keep everything; this is a pure view of them, so that it is the same after a
 * restart, and byte for byte the same from one call to the next.
 */
import { taskIdIn } from "./BackgroundTask.ts"
import type { AgentEvent } from "./Event.ts"
import type { BlockId, MessageId, SessionId, UserId } from "./Ids.ts"
import type { ContentBlock, DataBlock, HintBlock, Message, TextBlock, ToolResultBlock } from "./Message.ts"
import { isOfStep, textOf } from "./MessageText.ts"
import { charactersWithin } from "./Tokens.ts"

/** Messages that a room keeps for the model at most. */
export const maxMessages = 2_000

/** About their largest size together, in characters or bytes of JSON. The newest one is kept whatever its size. */
export const maxSize: number = 8 * 1024 * 1024

/** The event that tells of a compaction, which is all that there is to know of it. */
export type Compacted = Extract<AgentEvent, { readonly name: "context_compacted" }>

/** A session's newest compaction with the place in the transcript from which on messages are given beside the summary. */
export interface PlacedCompaction {
  readonly session_id: SessionId
  readonly owner: UserId
  readonly seq: number
  readonly event: Compacted
}

/** The name of the message that stands for what was summarised. */
export const summaryName = "context"

const summaries = new WeakMap<Compacted, Message>()

/** The message that stands for what was summarised: always the same object, and the same bytes. */
const summaryOf = (event: Compacted): Message => {
  const known = summaries.get(event)
  if (known !== undefined) return known
  const message: Message = {
    id: event.id as MessageId,
    name: summaryName,
    role: "user",
    content: [{
      type: "text",
      id: event.id as BlockId,
      text: `<context-summary>\n${event.value.summary}\n</context-summary>\n`
        + "<system-reminder>The summary stands for the older part of this conversation, which is not shown any more. "
        + "The conversation goes on below.</system-reminder>"
    }],
    metadata: {},
    created_at: event.created_at,
    finished_at: event.created_at,
    usage: null
  }
  summaries.set(event, message)
  return message
}

/** The first characters of a text, without half a character at the end. */
export const headOf = (text: string, characters: number): string =>
  text.length <= characters ? text : text.slice(0, characters).replace(/[\uD800-\uDBFF]$/, "")

/** Characters of the end of a long result that models are shown too: programs say there how they ended. */
const shownTail = 300

/** How many characters of a long text models are shown before its last words, of which they may see so many bytes. */
export const shownWithin = (text: string, bytes: number): number =>
  charactersWithin(text, Math.max(Math.floor(bytes / 2), bytes - shownTail))

const noteOn = (text: string, shown: number, where: string) =>
  `\n<<<TRUNCATED>>>\n<system-reminder>The first ${shown} of ${text.length} characters are shown. ${where}. `
  + `It ends so:</system-reminder>\n${tailOf(text, shown)}`

const inHistory = (named: string, shown: number) =>
  `Read on with the tool SessionHistory: {${named}, "offset": ${shown}}`

/** The end of a text, behind its first characters, without half a character at its beginning. */
const tailOf = (text: string, shown: number): string =>
  text.slice(Math.max(shown, text.length - shownTail)).replace(/^[\uDC00-\uDFFF]/, "")

const shortened = new WeakMap<ToolResultBlock, ToolResultBlock>()

/** A result as the model is shown it. What was offloaded of it is decided once and stands in the log. */
const shownResult = (result: ToolResultBlock): ToolResultBlock => {
  const { offloaded, output } = result
  if (offloaded === undefined) return result
  const known = shortened.get(result)
  if (known !== undefined) return known
  const { path, shown } = offloaded
  const where = path === null
    ? inHistory(`"tool_call_id": "${result.id}"`, shown)
    : `All of it is in ${path}: read it with Read or Grep`
  const note = noteOn(textOf(output), shown, where)
  let left = shown
  const cut = (text: string) => {
    const head = headOf(text, left)
    left -= head.length
    return head
  }
  const made: ToolResultBlock = {
    ...result,
    output: typeof output === "string" ? cut(output) + note : [
      ...output.flatMap((block): ReadonlyArray<TextBlock | DataBlock> => {
        if (block.type !== "text") return [block]
        const text = cut(block.text)
        return text === "" ? [] : [{ ...block, text }]
      }),
      { type: "text", id: `${result.id}-cut` as BlockId, text: note }
    ]
  }
  shortened.set(result, made)
  return made
}

const cutHints = new WeakMap<HintBlock, HintBlock>()

/** What a task has brought, as the model is shown it. */
const shownHint = (block: HintBlock): HintBlock => {
  const { hint, shown } = block
  if (shown === undefined) return block
  const known = cutHints.get(block)
  if (known !== undefined) return known
  const whole = textOf(hint)
  const text = headOf(whole, shown) + noteOn(whole, shown, inHistory(`"task_id": "${taskIdIn(whole) ?? ""}"`, shown))
  const made: HintBlock = {
    ...block,
    hint: typeof hint === "string" ? text : hint.map((one) => one.type === "text" ? { ...one, text } : one)
  }
  cutHints.set(block, made)
  return made
}

const isShortened = (block: ContentBlock): boolean =>
  (block.type === "tool_result" && block.offloaded !== undefined) ||
  (block.type === "hint" && block.shown !== undefined)

const shownBlock = (block: ContentBlock): ContentBlock =>
  block.type === "tool_result" ? shownResult(block) : block.type === "hint" ? shownHint(block) : block

const shown = new WeakMap<Message, Message>()

/** A message as the model is shown it, block for block. It is mostly the message itself. */
export const shownMessage = (message: Message): Message => {
  const known = shown.get(message)
  if (known !== undefined) return known
  const made = message.content.some(isShortened)
    ? { ...message, content: message.content.map(shownBlock) }
    : message
  shown.set(message, made)
  return made
}

const rests = new WeakMap<Message, { readonly blocks: number; readonly rest: Message }>()

/** A message without its first blocks, which a summary stands for. */
const restOf = (message: Message, blocks: number): Message => {
  const known = rests.get(message)
  if (known?.blocks === blocks) return known.rest
  const rest: Message = {
    ...message,
    content: message.content.slice(blocks),
    // For models that play a script: the rounds that they do not see have been played.
    metadata: { ...message.metadata, summarised_rounds: roundsIn(message.content.slice(0, blocks)) }
  }
  rests.set(message, { blocks, rest })
  return rest
}

/** How many times the model's own calls were answered. */
export const roundsIn = (blocks: ReadonlyArray<ContentBlock>): number => {
  let rounds = 0
  let called = false
  for (const block of blocks) {
    const { type } = block
    if (isOfStep(block)) continue
    if (type === "tool_call") called = true
    else if (type === "tool_result" && called) {
      called = false
      rounds++
    }
  }
  return rounds
}

/** The messages that are given beside the summary, from which on others may have been left out already. */
export const keptOf = (messages: ReadonlyArray<Message>, compaction: Compacted | undefined): ReadonlyArray<Message> => {
  if (compaction === undefined) return messages
  const { blocks, keeps_from, up_to } = compaction.value
  const from = messages.findIndex(({ id }) => id === keeps_from)
  const kept = from > 0 ? messages.slice(from) : messages
  if (blocks === null) return kept
  return kept.map((message) => message.id === up_to ? restOf(message, blocks) : message)
}

const stepless = new WeakMap<Message, Message>()

/** A message without what the steps of workflows did: the model is given what the workflows brought. */
const withoutSteps = (message: Message): Message => {
  const known = stepless.get(message)
  if (known !== undefined) return known
  const made = message.content.some(isOfStep)
    ? { ...message, content: message.content.filter((block) => !isOfStep(block)) }
    : message
  stepless.set(message, made)
  return made
}

/** What a model is given of these messages. Empty ones say nothing, and stay out of a reply that has just begun. */
export const contextOf = (
  messages: ReadonlyArray<Message>,
  compaction: Compacted | undefined
): ReadonlyArray<Message> => {
  const kept = keptOf(messages, compaction).map((message) => withoutSteps(shownMessage(message)))
  return compaction === undefined ? kept : [summaryOf(compaction), ...kept]
}

/** Whether something was taken out of what the model is shown that it can only find in the session's history. */
export const needsHistory = (messages: ReadonlyArray<Message>, compaction: Compacted | undefined): boolean =>
  compaction !== undefined || messages.some(isCutWithoutFile)

const cutWithoutFile = new WeakMap<Message, boolean>()

const isCutWithoutFile = (message: Message): boolean => {
  const known = cutWithoutFile.get(message)
  if (known !== undefined) return known
  const is = message.content.some((block) =>
    isShortened(block) && (block.type !== "tool_result" || block.offloaded?.path === null)
  )
  cutWithoutFile.set(message, is)
  return is
}
