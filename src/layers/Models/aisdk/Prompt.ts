/**
 * Our messages as an AI SDK prompt. A message never changes, so each is
 * converted once, however many turns it is part of; again only when the session
 * goes to another model.
 */
import type { LanguageModelV3Message, LanguageModelV3Prompt } from "@ai-sdk/provider"
import type { Message } from "../../../domain/Message.ts"
import { textOf } from "../../../domain/MessageText.ts"
import { isBlank } from "../../../domain/Text.ts"
import { newestTurn, type Reader } from "./Media.ts"
import { said, user } from "./Parts.ts"
import { assistant } from "./Replies.ts"
import { argumentsIn } from "./Verbatim.ts"

/** What the first of a conversation's messages follows, where the model may not speak first. */
const beginning = said("(The conversation begins.)")

/** The messages on the wire that one of ours becomes; `ids` are those of its calls. */
interface Wired {
  readonly messages: ReadonlyArray<LanguageModelV3Message>
  readonly ids: ReadonlyArray<string>
}

const noIds: ReadonlyArray<string> = []

const convert = (message: Message, reader: Reader, taken: ReadonlySet<string>): Wired => {
  switch (message.role) {
    case "assistant":
      return assistant(message, reader, taken)
    case "system": {
      const content = textOf(message.content)
      if (isBlank(content)) return { messages: [], ids: noIds }
      return {
        messages: reader.dialect.systemFirst === true
          ? [said(content)]
          : [{ role: "system", content: content.toWellFormed() }],
        ids: noIds
      }
    }
    case "user": {
      const content = message.content.filter((block) => block.type === "text" || block.type === "data")
      return { messages: [user(content, reader)], ids: noIds }
    }
  }
}

interface Converted extends Reader, Wired {}

const converted = new WeakMap<Message, Converted>()

const wired = (message: Message, reader: Reader, taken: ReadonlySet<string>): Wired => {
  const known = converted.get(message)
  if (
    known?.dialect === reader.dialect && known.author === reader.author && known.takes === reader.takes &&
    known.withoutLinks === reader.withoutLinks &&
    known.ids.every((id) => !taken.has(id))
  ) return known
  const made = { ...reader, ...convert(message, reader, taken) }
  converted.set(message, made)
  return made
}

/** The reader of each message: the newest turn's links are sent whatever became of those before. */
const readers = (messages: ReadonlyArray<Message>, reader: Reader): (n: number) => Reader => {
  if (reader.withoutLinks !== true) return () => reader
  const newest = newestTurn(messages)
  const { withoutLinks: _, ...whole } = reader
  return (n) => n < newest ? reader : whole
}

/**
 * Does what the first prompt with these messages takes time for. Of a long
 * history, as after a restart, that is much: step by step others have their turn.
 */
export function* prepare(messages: ReadonlyArray<Message>, reader: Reader): Generator<void> {
  const taken = new Set<string>()
  const readerOf = readers(messages, reader)
  for (const [n, message] of messages.entries()) {
    for (const block of message.content) {
      if (block.type !== "tool_call") continue
      argumentsIn(block)
      yield
    }
    for (const id of wired(message, readerOf(n), taken).ids) taken.add(id)
    yield
  }
}

const goOn = said("Go on.")

/**
 * The prompt of a turn begins with that of the turn before, message by message,
 * so that a provider finds what it has kept of it. Only the end of an answer in
 * the making, and what then asks the model to go on, gives way to the rest of it.
 */
export const promptOf = (
  system: string,
  messages: ReadonlyArray<Message>,
  reader: Reader
): LanguageModelV3Prompt => {
  const { afterResults, prefill, userFirst = false } = reader.dialect
  const prompt: LanguageModelV3Prompt = isBlank(system) ? [] : [{ role: "system", content: system.toWellFormed() }]
  const taken = new Set<string>()
  const readerOf = readers(messages, reader)
  let begun = !userFirst
  for (const [n, message] of messages.entries()) {
    const { ids, messages: own } = wired(message, readerOf(n), taken)
    for (const one of own) {
      if (!begun && one.role !== "system") {
        begun = true
        if (one.role !== "user") prompt.push(beginning)
      }
      if (afterResults !== undefined && one.role === "user" && prompt.at(-1)?.role === "tool") {
        prompt.push({ role: "assistant", content: [{ type: "text", text: afterResults }] })
      }
      prompt.push(one)
    }
    for (const id of ids) taken.add(id)
  }
  if (!prefill && prompt.at(-1)?.role === "assistant") prompt.push(goOn)
  return prompt
}
