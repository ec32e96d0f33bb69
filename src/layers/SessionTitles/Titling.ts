/** Gives a session that nobody has named a title, which a model makes of its first exchange. */
import { Duration, Effect, Either, Option, Schema } from "effect"
import { BlockId, MessageId, SessionId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import { textOf } from "../../domain/MessageText.ts"
import type { ChatModelConfig } from "../../domain/Model.ts"
import { isUnnamed, type Session } from "../../domain/Session.ts"
import type { Settings } from "../../domain/Settings.ts"
import { cut, isBlank } from "../../domain/Text.ts"
import { spoken, titleInstructions } from "../../domain/Title.ts"
import { DirectCalls } from "../../services/DirectCalls.ts"
import { EventLog } from "../../services/EventLog.ts"
import { done, type JobHandler, type Outcome } from "../../services/Jobs.ts"
import { NewId } from "../../services/NewId.ts"
import { now } from "../../services/Now.ts"
import { Storage } from "../../services/Storage.ts"

export const titleKind = "session_title"

/** Most characters of a title, of what the model may answer, and of each message that it is shown. */
const maxTitle = 80
const maxAnswer = 1_000
const maxShown = 2_000

/** Messages that are shown, and bytes of them that are read. */
const firstMessages = { offset: 0, limit: 4, bytes: 256 * 1024 }

const Payload = Schema.Struct({ session_id: SessionId })
const decode = Schema.decodeUnknownOption(Payload)

/** What models like to put around a title. */
const around = new Set("\"'“”„«»*#. \t\r")

/** The first line that shows something, without what is around its title. */
export const titleIn = (answer: string): string | undefined => {
  const line = answer.split("\n").find((line) => !isBlank(line)) ?? ""
  const characters = [...line.replaceAll(/[\p{Cc}\p{Cf}]/gu, " ").replace(/^["'“”„«»*#\s]{0,9}title:/i, "")]
  const begin = characters.findIndex((character) => !around.has(character))
  const end = characters.findLastIndex((character) => !around.has(character)) + 1
  const title = begin < 0 ? "" : characters.slice(begin, end).join("")
  return isBlank(title) ? undefined : cut(title, maxTitle)
}

const conversationOf = (messages: ReadonlyArray<Message>): string | undefined => {
  const lines = messages
    .filter(({ role }) => role === "user" || role === "assistant")
    .map(({ content, role }) => ({ role, text: textOf(content).trim() }))
    .filter(({ text }) => text !== "")
  return lines.some(({ role }) => role === "user")
    ? lines.map(({ role, text }) => spoken(role, cut(text, maxShown))).join("\n\n")
    : undefined
}

export type Options = Pick<Settings, "session_titles" | "session_title_models">

const modelFor = (config: ChatModelConfig, models: ReadonlyArray<string>): ChatModelConfig => {
  const prefix = `${config.type}:`
  const named = models.find((model) => model.startsWith(prefix))
  return named === undefined ? config : { ...config, model: named.slice(prefix.length), parameters: {} }
}

export const make = Effect.fnUntraced(function*({ session_title_models, session_titles }: Options) {
  const calls = yield* DirectCalls
  const storage = yield* Storage
  const log = yield* EventLog
  const newId = yield* NewId

  /** A session that a channel made for a single request is looked at by nobody, and a title would double what it costs. */
  const isForOneRequest = ({ id: session_id, user_id }: Session) =>
    Effect.map(
      Effect.orDie(storage.sessionKeys.list(user_id, { limit: 1, cursor: undefined }, { session_id, kind: "once" })),
      ({ items }) => items.length > 0
    )

  /** What the model answers. What it took is in the ledger, whatever came of it. */
  const ask = Effect.fnUntraced(function*(session: Session, config: ChatModelConfig, conversation: string) {
    const created_at = yield* now
    let answer = ""
    const message: Message = {
      id: MessageId.make(newId.short()),
      name: session.user_id,
      role: "user",
      content: [{ type: "text", id: BlockId.make(newId.short()), text: conversation }],
      metadata: {},
      created_at,
      finished_at: created_at,
      usage: null
    }
    yield* calls.stream(
      { owner: session.user_id, config, fallbacks: [], system: titleInstructions, messages: [message], tools: [] },
      (part) => {
        if (part.type === "text" && answer.length < maxAnswer) answer += part.delta
        return undefined
      },
      session
    )
    return answer
  })

  const handler: JobHandler = {
    kind: titleKind,
    timeout: Duration.minutes(2),
    pauses: [Duration.seconds(30), Duration.minutes(10)],
    work: Effect.fnUntraced(function*(job) {
      const payload = Option.getOrUndefined(decode(job.payload))
      if (payload === undefined) return { result: "dead", error: "Its payload cannot be read." }
      if (!session_titles) return done
      const session = Option.getOrUndefined(
        yield* Effect.option(storage.sessions.get(job.user_id, payload.session_id))
      )
      const config = session?.config.chat_model_config
      if (session === undefined || config == null || !isUnnamed(session)) return done
      if (yield* isForOneRequest(session)) return done
      const placed = yield* log.messages(session.id, firstMessages)
      const conversation = conversationOf(placed.map(({ message }) => message))
      if (conversation === undefined) return done
      const answered = yield* Effect.either(ask(session, modelFor(config, session_title_models), conversation))
      if (Either.isLeft(answered)) {
        const { message: error, retryable } = answered.left
        return { result: retryable ? "again" : "dead", error } satisfies Outcome
      }
      const title = titleIn(answered.right)
      if (title === undefined) return { result: "dead", error: "The model answered with no title." }
      return {
        result: "done",
        write: () =>
          storage.sessions.modify(session.user_id, session.id, (session) =>
            // Somebody may have named it meanwhile.
            isUnnamed(session) ? { ...session, config: { ...session.config, name: title } } : session).pipe(
              Effect.asVoid,
              Effect.catchTag("NotFound", () => Effect.void)
            )
      } satisfies Outcome
    })
  }
  return handler
})
