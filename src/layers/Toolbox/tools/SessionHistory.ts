/** Finds what was said and done in the session, also what the model is not shown any more. */
import { Effect, Schema } from "effect"
import { taskIdIn } from "../../../domain/BackgroundTask.ts"
import type { AgentEvent } from "../../../domain/Event.ts"
import * as Find from "../../../domain/Find.ts"
import { eventsOf } from "../../../domain/Frames.ts"
import type { SessionId } from "../../../domain/Ids.ts"
import type { ContentBlock, Message } from "../../../domain/Message.ts"
import * as Reply from "../../../domain/Reply.ts"
import { bytesPerToken, charactersWithin, written } from "../../../domain/Tokens.ts"
import { EventLog } from "../../../services/EventLog.ts"
import { define, ToolFailed } from "../BuiltInTool.ts"

/** What is looked at in one go, and in one call, in bytes of messages. */
const atOnce = { limit: 200, bytes: 512 * 1024 }
const maxLooked = 16 * 1024 * 1024

/** Most places that one call tells, and characters of a text around each. */
const maxPlaces = 10
const around = 160

/** Most characters of one answer, and how many of them stay free for what is said about it. */
const maxShown = 12_000
const aside = 300

/** Pages of the log that are read at a time. */
const pagesAtOnce = 64

/** Behind every message that is stored. */
const beyondAll = 2 ** 31 - 1

const place = Schema.NonNegativeInt.pipe(Schema.lessThanOrEqualTo(beyondAll))

const textOf = (block: ContentBlock): string => block.type === "thinking" ? "" : written(block)

const nameOf = (message: Message, block: ContentBlock): string => {
  switch (block.type) {
    case "tool_call":
      return `arguments of a call of ${block.name}, message_id ${message.id}`
    case "tool_result":
      return `result of ${block.name}, tool_call_id ${block.id}`
    default:
      return `${message.role}, message_id ${message.id}`
  }
}

/** Between the blocks of a message that is read as a whole. */
const between = "\n\n"

/** Where each block begins in the text in which it is read: a result in its own, others in that of their message. */
const beginnings = ({ content }: Message): ReadonlyArray<number> => {
  let end = 0
  return content.map((block) => {
    const begin = block.type === "tool_result" ? 0 : end
    const { length } = textOf(block)
    if (length > 0) end += length + between.length
    return begin
  })
}

const wholes = {
  result: (id: string) => ({ content }: Message) => {
    const result = content.find((block) => block.type === "tool_result" && block.id === id)
    return result && textOf(result)
  },
  task: (id: string) => ({ content }: Message) => {
    const hint = content.find((block) =>
      block.type === "hint" && block.source === "background_task" && taskIdIn(textOf(block)) === id
    )
    return hint && textOf(hint)
  },
  message: (id: string) => (message: Message) =>
    message.id === id ? message.content.map(textOf).filter((one) => one !== "").join(between) : undefined
}

/** The text around a place, in one line. */
const excerpt = (text: string, at: number, length: number): string => {
  const from = Math.max(0, at - around)
  const to = Math.min(text.length, at + length + around)
  const words = text.slice(from, to).replace(/\s+/g, " ").trim()
  return `${from > 0 ? "…" : ""}${words}${to < text.length ? "…" : ""}`
}

export const sessionHistory = Effect.map(EventLog, (log) => {
  /** The reply that goes on now: it is in the log, and in no transcript yet. */
  const present = Effect.fnUntraced(function*(session: SessionId) {
    const run = (yield* log.open(session)).find(({ status }) => status === "running")
    if (run?.first_seq == null) return undefined
    const events: Array<AgentEvent> = []
    for (let after = run.first_seq - 1;;) {
      const pages = yield* log.read(session, after, pagesAtOnce)
      const last = pages.at(-1)
      if (last === undefined) return Reply.ofEvents(events)?.message
      for (const page of pages) {
        if (page.run_id !== run.id) continue
        for (const { event, seq } of eventsOf(page.frames)) if (seq > after) events.push(event)
      }
      after = last.last_seq
      yield* Effect.yieldNow()
    }
  })

  /** Looks at messages from the newest back until `look` has found enough; answers where to go on. */
  const through = Effect.fnUntraced(function*(
    session: SessionId,
    text: Find.Text,
    from: number | undefined,
    look: (message: Message) => boolean
  ) {
    const now = from === undefined ? yield* present(session) : undefined
    if (now !== undefined && look(now)) return beyondAll
    let left = maxLooked
    for (let before = from;;) {
      const looked = yield* log.look(session, before, { ...atOnce, anchor: text.anchor })
      for (const { message, seq } of looked.messages) {
        if (message.id !== now?.id && look(message)) return seq
      }
      left -= looked.bytes
      if (!looked.more || looked.last === undefined) return undefined
      before = looked.last
      if (left <= 0) return before
      // A log in memory answers at once: others have their turn in between.
      yield* Effect.yieldNow()
    }
  })

  const piece = (text: string, offset: number, bytes: number): string => {
    if (offset >= text.length && text.length > 0) return `There are only ${text.length} characters.`
    const rest = text.slice(offset, offset + maxShown)
    const shown = rest.slice(0, charactersWithin(rest, bytes))
    const end = offset + shown.length
    return end >= text.length
      ? `${shown}\n[This is the end, after ${text.length} characters.]`
      : `${shown}\n[Characters ${offset} to ${end} of ${text.length}. Go on with the offset ${end}.]`
  }

  const found = Effect.fnUntraced(function*(session: SessionId, sought: string, from: number | undefined) {
    const text = yield* Effect.mapError(
      Find.textOf(sought, "query"),
      ({ detail }) => new ToolFailed({ message: detail })
    )
    const places: Array<string> = []
    const next = yield* through(session, text, from, (message) => {
      const begins = beginnings(message)
      for (let i = message.content.length - 1; i >= 0; i--) {
        const block = message.content[i]!
        const whole = textOf(block)
        const at = Find.fold(whole).indexOf(text.folded)
        if (at >= 0 && places.length < maxPlaces) {
          places.push(
            `- ${message.created_at}, ${nameOf(message, block)}, offset ${begins[i]! + at}: ${
              excerpt(whole, at, sought.length)
            }`
          )
        }
      }
      return places.length >= maxPlaces
    })
    const last = next === undefined ? "" : `\n[There may be more in what is older. Go on with before: ${next}.]`
    return `${places.length === 0 ? "Nothing was found." : places.join("\n")}${last}`
  })

  const whole = Effect.fnUntraced(function*(session: SessionId, id: string, of: keyof typeof wholes) {
    const textIn = wholes[of](id)
    let text: string | undefined
    yield* through(session, { folded: Find.fold(id), anchor: Find.anchorOf(Find.fold(id)) }, undefined, (message) => {
      text = textIn(message)
      return text !== undefined
    })
    return text ?? (yield* new ToolFailed({ message: `There is no ${of} with the id '${id}' in this session.` }))
  })

  return define({
    name: "SessionHistory",
    description:
      "Finds what was said and done in this session, also what is not shown any more. With `query`: the places, newest "
      + "first, where this text stands. With `tool_call_id`, `task_id` or `message_id`: the whole text of that result or "
      + "message, piece by piece from `offset` on.",
    effect: "read",
    idempotent: true,
    onRequest: true,
    onHistory: true,
    parameters: Schema.Struct({
      query: Schema.optionalWith(Schema.String.pipe(Schema.minLength(1), Schema.maxLength(256)), { exact: true })
        .annotations({ description: "A text, as it stands there; capitals do not matter." }),
      tool_call_id: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(128)), { exact: true }),
      task_id: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(64)), { exact: true }),
      message_id: Schema.optionalWith(Schema.String.pipe(Schema.maxLength(128)), { exact: true }),
      offset: Schema.optionalWith(place, { exact: true, default: () => 0 })
        .annotations({ description: "The character to begin with." }),
      before: Schema.optionalWith(place, { exact: true })
        .annotations({ description: "Where an earlier search said to go on." })
    }),
    run: Effect.fnUntraced(function*({ before, message_id, offset, query, task_id, tool_call_id }, { agent, session }) {
      // A longer answer would be cut itself.
      const bytes = Math.max(aside, agent.data.context_config.tool_result_limit * bytesPerToken - aside)
      if (tool_call_id !== undefined) return piece(yield* whole(session.id, tool_call_id, "result"), offset, bytes)
      if (task_id !== undefined) return piece(yield* whole(session.id, task_id, "task"), offset, bytes)
      if (message_id !== undefined) return piece(yield* whole(session.id, message_id, "message"), offset, bytes)
      if (query === undefined) {
        return yield* new ToolFailed({ message: "Give a query, a tool_call_id, a task_id or a message_id." })
      }
      return yield* found(session.id, query, before)
    })
  })
})
