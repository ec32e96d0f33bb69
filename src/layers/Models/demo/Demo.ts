/**
 * Models that need no key and no network: one talks, one plays a script (its
 * instructions are in `Script.ts`), one makes embeddings. They are the
 * first-run default, the load generator and the test double.
 */
import { Effect, Schema } from "effect"
import { setImmediate } from "node:timers/promises"
import { summaryName } from "../../../domain/Context.ts"
import type { JsonObject } from "../../../domain/Json.ts"
import type { Message } from "../../../domain/Message.ts"
import { textOf } from "../../../domain/MessageText.ts"
import { spoken, titleInstructions } from "../../../domain/Title.ts"
import type { EmitPart, ModelFailed } from "../../../services/Models.ts"
import { NewId } from "../../../services/NewId.ts"
import { measure, words } from "../Measure.ts"
import * as Provider from "../Provider.ts"
import * as DemoEmbedding from "./Embedding.ts"
import { type Instruction, parse, playedParts, replyOf, type Step, steps } from "./Script.ts"

/** Most text that `demo-chat` repeats, in characters. */
const longestEcho = 4000

/** Longest pause before a delta. */
const maxDelay = 60_000

/** Default pauses before a delta, in milliseconds. */
const chatDelay = 20
const scriptDelay = 0

const parameters = (delay: number) =>
  Schema.Struct({
    delay_ms: Schema.optionalWith(
      Schema.Number.pipe(Schema.between(0, maxDelay)).annotations({
        title: "Delay",
        description: `milliseconds before each delta, from 0 to ${maxDelay}`,
        default: delay
      }),
      { exact: true }
    )
  })

const chat = (text: string): ReadonlyArray<Instruction> => {
  const echo = text.length > longestEcho ? `${text.slice(0, longestEcho)}…` : text
  const greeting = "Hello! I am Stoa's demo model: I need no key, and I have no thoughts of my own."
  return [{ do: "say", text: echo.trim() === "" ? greeting : `${greeting} You said: ${echo}` }]
}

/** Words of a title, and most characters of one. */
const titleWords = 6
const longestTitle = 60

/** The first words of the user's: what a model that understands nothing can call a conversation. */
const titleOf = (conversation: string): Instruction => {
  const begin = conversation.indexOf(spoken("user", ""))
  const said = begin < 0 ? conversation : conversation.slice(begin + spoken("user", "").length)
  const words = said.slice(0, longestEcho).split("\n\n", 1)[0]!.split(/\s/).filter((word) => word !== "")
  return { do: "say", text: words.slice(0, titleWords).join(" ").slice(0, longestTitle).toWellFormed() }
}

/** What a reply was told before anything else, where no person has said anything: what a task has brought. */
const toldFirst = (messages: ReadonlyArray<Message>): string | undefined => {
  const reply = replyOf(messages)
  const [first] = reply?.content ?? []
  const before = messages.at(-2)
  // A summary is nobody's words.
  const isAsked = before?.role === "user" && before.name !== summaryName
  return first?.type === "hint" && !isAsked ? textOf(first.hint) : undefined
}

/** Most characters of a field of a summary. */
const longestField = 120

/** What a model that understands nothing can say in the place of a summary: how long the record is, and how it begins and ends. */
const summaryOf = (record: string, { properties }: JsonObject): Instruction => {
  const line = record.replace(/\s+/g, " ").trim()
  const words = [
    `A record of ${record.length} characters.`,
    `It begins: ${line.slice(0, longestField)}`,
    `It ends: ${line.slice(-longestField)}`
  ]
  const names = typeof properties === "object" && properties !== null ? Object.keys(properties) : []
  const fields = names.map((name, i) => [name, words[i] ?? "The demo model knows nothing of it."])
  return { do: "json", text: JSON.stringify(Object.fromEntries(fields)) }
}

/** The text of the newest message of a person. */
const newestText = (messages: ReadonlyArray<Message>): string => {
  const told = toldFirst(messages)
  if (told !== undefined) return told
  for (let i = messages.length - 1; i >= 0; i--) {
    const message = messages[i]!
    if (message.role === "user") return textOf(message.content)
  }
  return ""
}

/**
 * Hands over parts until the steps pause, fail or are used up. Without a pause
 * there is one delta a turn of the event loop, as a socket would bring them.
 */
const handOver = async (from: Iterator<Step, void>, emit: EmitPart, signal: AbortSignal) => {
  let deltas = 0
  for (let next = from.next(); next.done !== true; next = from.next()) {
    const step = next.value
    if (step.type === "pause" || step.type === "fail") return step
    // oxlint-disable-next-line no-await-in-loop -- one delta a turn of the event loop, as from a real model
    if ("delta" in step && deltas++ > 0) await setImmediate()
    if (signal.aborted) return undefined
    const behind = emit(step)
    // oxlint-disable-next-line no-await-in-loop -- the log is behind: nothing more before it has caught up
    if (behind !== undefined) await behind
    if (signal.aborted) return undefined
  }
  return undefined
}

const perform = (from: Iterator<Step, void>, emit: EmitPart): Effect.Effect<void, ModelFailed> =>
  Effect.flatMap(Effect.promise((signal) => handOver(from, emit, signal)), (stop) => {
    if (stop === undefined) return Effect.void
    if (stop.type === "fail") return Effect.fail(stop.failed)
    return Effect.zipRight(Effect.sleep(stop.millis), perform(from, emit))
  })

/** The same steps with a pause before each delta. */
function* paced(from: Iterable<Step>, millis: number): Generator<Step, void> {
  for (const step of from) {
    if ("delta" in step) yield { type: "pause", millis }
    yield step
  }
}

export const provider: Provider.Provider = Provider.make({
  type: "demo_credential",
  title: "Demo",
  fields: Schema.Struct({}),
  parameters: parameters(chatDelay),
  accepts: (model) => model === "demo-chat" || model === "demo-script",
  stream: ({ messages, model, output, parameters, system }, emit) =>
    Effect.flatMap(NewId, ({ short }) => {
      const text = newestText(messages)
      const summary = output?.name === "context_summary" ? summaryOf(text, output.schema) : undefined
      const title = model === "demo-chat" && system === titleInstructions ? titleOf(text) : undefined
      const scripted = model === "demo-script" && summary === undefined
      const own = summary ?? title
      const script = own !== undefined ? [[own]] : scripted ? parse(text) : [chat(text)]
      if ("failed" in script) return Effect.fail(script.failed)
      const size = measure(messages)
      const reply = replyOf(messages)
      const given = {
        reply,
        messages: size.messages,
        chars: size.chars,
        words: size.words + words(system),
        newId: short
      }
      const played = steps(script[scripted ? playedParts(reply) : 0] ?? [], given)
      const delay = parameters.delay_ms ?? (scripted ? scriptDelay : chatDelay)
      return perform(delay > 0 ? paced(played, delay) : played, emit)
    }),
  embed: ({ dimensions, input }) => DemoEmbedding.embedAll(input, dimensions),
  check: () => Effect.succeed({ models: ["demo-chat", "demo-script"] })
})
