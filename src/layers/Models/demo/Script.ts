/**
 * The language of `demo-script`, one instruction a line. Text without any is
 * said as a whole, a line without any between others by itself. `then` divides the script into parts, one a model call; a part
 * without a `call` ends the reply, because only tool results make the run call
 * the model again.
 */
import { roundsIn } from "../../../domain/Context.ts"
import type { Message } from "../../../domain/Message.ts"
import { textOf } from "../../../domain/MessageText.ts"
import { firstWord } from "../../../domain/Text.ts"
import { type ModelErrorType, ModelFailed, type ModelPart } from "../../../services/Models.ts"
import { words } from "../Measure.ts"

export type Instruction =
  | { readonly do: "say" | "think" | "json"; readonly text: string }
  | { readonly do: "repeat"; readonly times: number; readonly text: string }
  | { readonly do: "call"; readonly name: string; readonly input: string }
  | { readonly do: "results" }
  | { readonly do: "context" }
  | { readonly do: "sleep"; readonly millis: number }
  | { readonly do: "fail"; readonly failed: ModelFailed }

export type Step =
  | ModelPart
  | { readonly type: "pause"; readonly millis: number }
  | { readonly type: "fail"; readonly failed: ModelFailed }

/** What the model was given. */
export interface Given {
  /** The reply in the making, if it has begun. */
  readonly reply: Message | undefined
  readonly messages: number
  readonly chars: number
  readonly words: number
  readonly newId: () => string
}

/** Most deltas of one `repeat`. */
const maxRepeat = 1_000_000

/** Longest `sleep`, in milliseconds: an hour. */
const maxSleep = 3_600_000

/** Longest name of a tool that is called, in characters. */
const maxName = 128

/** Longest message of a `fail`, in characters. */
const maxMessage = 1000

/** Length of a delta of JSON, in characters. */
const fragment = 16

/** Most deltas of a call's arguments. */
const maxFragments = 4

const kinds: Readonly<
  Record<string, { readonly type: ModelErrorType; readonly retryable: boolean; readonly message: string }>
> = {
  authentication: { type: "authentication", retryable: false, message: "The provider does not accept the credential." },
  rate_limit: { type: "rate_limit", retryable: true, message: "The provider asks for fewer requests." },
  invalid_request: { type: "invalid_request", retryable: false, message: "The provider refused the request." },
  context_length: { type: "context_length", retryable: false, message: "The conversation is too long for the model." },
  upstream: { type: "upstream", retryable: true, message: "The provider failed." },
  connection: { type: "connection", retryable: true, message: "The provider could not be reached." },
  cut: { type: "upstream", retryable: true, message: "The provider's answer broke off." }
}

const failure = (kind: string, message: string): ModelFailed | undefined => {
  const known = Object.hasOwn(kinds, kind) ? kinds[kind] : undefined
  return known && new ModelFailed({ ...known, message: message.trim().slice(0, maxMessage) || known.message })
}

const isJson = (text: string): boolean => {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

/** The number that a text starts with, if it is from 0 to `most`, and what follows it after one blank. */
const leadingNumber = (text: string, most: number): readonly [number, string] | undefined => {
  const [all, digits] = /^(\d{1,10})(?:\s|$)/.exec(text) ?? []
  return all === undefined || Number(digits) > most ? undefined : [Number(digits), text.slice(all.length)]
}

/** The instruction of a line, if it is one; a text says what is wrong with it. */
const instruction = (line: string): Instruction | string | undefined => {
  const [all, word = ""] = /^\s*(\w+)(?:\s|$)/.exec(line) ?? [""]
  const rest = line.slice(all.length)
  const alone = rest.trim() === ""
  switch (word) {
    case "say":
    case "think":
      return { do: word, text: rest }
    case "repeat": {
      const [times, text] = leadingNumber(rest.trimStart(), maxRepeat) ?? []
      if (times === undefined || text === undefined || text === "") {
        return `'repeat' needs a number up to ${maxRepeat} and a text`
      }
      return { do: "repeat", times, text }
    }
    case "call": {
      const [name, input] = firstWord(rest)
      if (name === "" || name.length > maxName) return "'call' needs the name of a tool and its arguments as JSON"
      return { do: "call", name, input: input.trim() || "{}" }
    }
    case "sleep": {
      const [millis, after] = leadingNumber(rest.trim(), maxSleep) ?? []
      if (millis === undefined || after !== "") return `'sleep' needs a number of milliseconds up to ${maxSleep}`
      return { do: "sleep", millis }
    }
    case "fail": {
      const [kind, message] = firstWord(rest)
      const failed = failure(kind, message)
      return failed === undefined ? `'fail' needs one of ${Object.keys(kinds).join(", ")}` : { do: "fail", failed }
    }
    case "json":
      return isJson(rest) ? { do: "json", text: JSON.stringify(JSON.parse(rest)) } : "'json' needs valid JSON"
    case "results":
    case "context":
      return alone ? { do: word } : undefined
    default:
      return undefined
  }
}

type Script = ReadonlyArray<ReadonlyArray<Instruction>>

/** A script's parts; a broken line fails the call before anything is said. */
export const parse = (text: string): Script | { readonly failed: ModelFailed } => {
  const script: Array<Array<Instruction>> = [[]]
  let plain = true
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === "") continue
    if (line.trim() === "then") {
      plain = false
      script.push([])
      continue
    }
    const read = instruction(line)
    if (typeof read === "string") {
      const message = `Line ${i + 1} of the script: ${read}.`
      return { failed: new ModelFailed({ type: "invalid_request", message, retryable: false }) }
    }
    if (read !== undefined) plain = false
    script.at(-1)!.push(read ?? { do: "say", text: line })
  }
  return plain ? [[{ do: "say", text }]] : script
}

/** What a client sends of an exchange may end with the results of its tools: the answer to those goes on with the script. */
const endsWithResult = ({ content }: Message) => content.at(-1)?.type === "tool_result"

/** The reply in the making, if it has begun: then it is the last message. */
export const replyOf = (messages: ReadonlyArray<Message>): Message | undefined => {
  const last = messages.at(-1)
  return last?.role === "assistant" && (last.finished_at === null || endsWithResult(last)) ? last : undefined
}

/**
 * How many parts of the script a reply has behind it: each ended with tool
 * results. A part that was cut off before its first call is played again.
 */
export const playedParts = (reply: Message | undefined): number => {
  const { content = [], metadata = {} } = reply ?? {}
  // What a compaction has taken away of the reply has been played too.
  return roundsIn(content) + (typeof metadata["summarised_rounds"] === "number" ? metadata["summarised_rounds"] : 0)
}

const results = (reply: Message | undefined): string =>
  JSON.stringify(
    (reply?.content ?? []).flatMap((block) =>
      block.type === "tool_result" ? [{ name: block.name, state: block.state, output: textOf(block.output) }] : []
    )
  )

/**
 * Each word with the blanks behind it; those at the beginning go with the first. Blanks alone are nothing. One is found
 * at a time: a text may have a million.
 */
function* byWord(text: string): Generator<string> {
  const words = /\S+\s*/g
  for (let from = 0, found = words.exec(text); found !== null; found = words.exec(text)) {
    yield text.slice(from, words.lastIndex)
    from = words.lastIndex
  }
}

function* byLength(text: string, length: number): Generator<string> {
  for (let from = 0; from < text.length; from += length) yield text.slice(from, from + length)
}

/** The parts of one model call. What is open at a `fail` stays open, as when a stream breaks. */
export function* steps(instructions: ReadonlyArray<Instruction>, given: Given): Generator<Step, void> {
  let blocks = 0
  let output = 0
  let called = false
  let open: ModelPart | undefined
  function* end(): Generator<Step> {
    if (open !== undefined) yield open
    open = undefined
  }
  function* write(type: "text" | "thinking", deltas: Iterable<string>): Generator<Step> {
    let block: string | undefined
    for (const delta of deltas) {
      if (block === undefined) {
        yield* end()
        block = `${++blocks}`
        open = { type: "block_end", block }
      }
      output += words(delta)
      yield { type, block, delta }
    }
  }
  for (const what of instructions) {
    switch (what.do) {
      case "say":
        yield* write("text", byWord(what.text))
        break
      case "think":
        yield* write("thinking", byWord(what.text))
        break
      case "json":
        yield* write("text", byLength(what.text, fragment))
        break
      case "results":
        yield* write("text", byLength(results(given.reply), fragment))
        break
      case "context":
        yield* write("text", byLength(JSON.stringify({ messages: given.messages, chars: given.chars }), fragment))
        break
      case "repeat": {
        yield* end()
        const block = `${++blocks}`
        open = { type: "block_end", block }
        const step: Step = { type: "text", block, delta: what.text }
        for (let n = 0; n < what.times; n++) yield step
        output += what.times * words(what.text)
        break
      }
      case "call": {
        yield* end()
        const id = `call_${given.newId()}`
        called = true
        open = { type: "tool_call_end", id }
        output += 1 + words(what.input)
        yield { type: "tool_call_start", id, name: what.name }
        for (const delta of byLength(what.input, Math.max(fragment, Math.ceil(what.input.length / maxFragments)))) {
          yield { type: "tool_call_delta", id, delta }
        }
        break
      }
      case "sleep":
        yield { type: "pause", millis: what.millis }
        break
      case "fail":
        yield { type: "fail", failed: what.failed }
        return
    }
  }
  yield* end()
  const usage = { input_tokens: given.words, output_tokens: output }
  yield { type: "finish", reason: called ? "tool_calls" : "stop", usage }
}
