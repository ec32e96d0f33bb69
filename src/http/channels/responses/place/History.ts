/** What was said before, for a session that begins with it: read from the session that has it, and the words of the request. */
import { Effect } from "effect"
import type { ChatRequest } from "../../../../domain/Chat.ts"
import { Invalid } from "../../../../domain/Errors.ts"
import type { BlockId, MessageId, Timestamp } from "../../../../domain/Ids.ts"
import { charactersIn, type InputMessage, type Message } from "../../../../domain/Message.ts"
import { maxMessages } from "../../../../domain/Page.ts"
import type { Run } from "../../../../domain/Run.ts"
import type { Session } from "../../../../domain/Session.ts"
import { NewId } from "../../../../services/NewId.ts"
import { now } from "../../../../services/Now.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import type { Turn } from "../request/Reading.ts"

/** Most messages, and characters, of a history that a new session begins with. */
const maxHistory = 2_048
const maxCharacters = 8 * 1024 * 1024

const tooLong = new Invalid({
  code: "context_length_exceeded",
  detail:
    `What was said before is too long to begin a session with: more than ${maxHistory} messages, or ${maxCharacters} `
    + "characters. Go on from the newest response, or in the conversation as it is, with the same model and parameters; "
    + "or make it shorter by POST responses/compact."
})

const charactersOf = ({ content }: Message) => content.reduce((sum, block) => sum + charactersIn(block), 0)

export interface Making {
  readonly at: Timestamp
  readonly newId: () => MessageId
  readonly newBlock: () => BlockId
}

const asInput = (message: Message): InputMessage => ({
  role: "user",
  name: message.name,
  metadata: {},
  content: message.content.flatMap((block) => block.type === "text" || block.type === "data" ? [block] : [])
})

/** A turn that was just said, as a message. */
const messageOf = (turn: Turn, { at, newBlock, newId }: Making): Message => ({
  id: newId(),
  name: turn.role,
  role: turn.role,
  content: typeof turn.content === "string"
    ? [{ type: "text", id: newBlock(), text: turn.content }]
    : turn.content.map((block) => ({ ...block, id: block.id ?? newBlock() }) as Message["content"][number]),
  metadata: {},
  created_at: at,
  finished_at: at,
  usage: null
})

const isPlain = ({ content }: InputMessage) =>
  typeof content === "string" || content.every(({ type }) => type === "text")

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const newId = yield* NewId

  const making = Effect.map(now, (at): Making => ({
    at,
    newId: () => newId.record(Date.parse(at)) as MessageId,
    newBlock: () => newId.short() as BlockId
  }))

  /** Users' contents with their files stored in this session. */
  const taken = Effect.fnUntraced(function*(session: Session, inputs: ReadonlyArray<InputMessage>) {
    if (inputs.every(isPlain)) return inputs
    const request: ChatRequest = {
      agent_id: session.agent_id,
      session_id: session.id,
      on_busy: "enqueue",
      tools: [],
      input: [...inputs]
    }
    return (yield* hub.take(session.user_id, request)).input as ReadonlyArray<InputMessage>
  })

  return {
    /** All messages up to the end of this run, or to the end. The one that is in the making is none of the latter. */
    upTo: Effect.fnUntraced(function*(session: Session, run: Pick<Run, "created_at" | "reply_id"> | undefined) {
      const pages: Array<ReadonlyArray<Message>> = []
      let count = 0
      let characters = 0
      for (let before: MessageId | undefined, more = true; more;) {
        const page = yield* Effect.orDie(hub.newest(session, { before, limit: maxMessages }))
        pages.push(page.messages)
        count += page.messages.length
        characters += page.messages.reduce((sum, message) => sum + charactersOf(message), 0)
        if (count > maxHistory || characters > maxCharacters) return yield* tooLong
        const [oldest] = page.messages
        before = oldest?.id
        more = page.has_more && oldest !== undefined
      }
      const all = pages.toReversed().flat()
      const end = run === undefined ? 0 : all.findIndex(({ id }) => id === run.reply_id) + 1
      if (end > 0) return all.slice(0, end)
      // A run that was ended before it began has no reply; what others have said since is no part of it.
      return all.filter(({ created_at, finished_at, role }) =>
        (role !== "assistant" || finished_at !== null) && (run === undefined || created_at <= run.created_at)
      )
    }),

    /** The same messages as messages of another session. */
    moved: Effect.fnUntraced(function*(session: Session, messages: ReadonlyArray<Message>) {
      const users = messages.filter(({ content, role }) =>
        role === "user" && content.some(({ type }) => type === "data")
      )
      const contents = yield* taken(session, users.map(asInput))
      const settled = new Map(users.map(({ id }, i) => [id, contents[i]!.content]))
      return messages.map((message): Message => {
        const content = settled.get(message.id)
        return {
          ...message,
          finished_at: message.finished_at ?? message.created_at,
          ...(content !== undefined && typeof content !== "string" && { content: content as Message["content"] })
        }
      })
    }),

    /** The turns of a request: what comes before the user's last words, and those. */
    said: Effect.fnUntraced(function*(session: Session, turns: ReadonlyArray<Turn>) {
      const made = yield* making
      const words = turns.flatMap((turn): ReadonlyArray<InputMessage> =>
        turn.role === "user" ? [{ role: "user", name: "user", metadata: {}, content: turn.content }] : []
      )
      const contents = yield* taken(session, words)
      let place = 0
      const settled = turns.map((turn): Turn =>
        turn.role === "user" ? { ...turn, content: contents[place++]!.content } : turn
      )
      const split = settled.findLastIndex(({ role }) => role === "assistant") + 1
      return {
        history: settled.slice(0, split).map((turn) => messageOf(turn, made)),
        input: settled.slice(split).flatMap((turn): ReadonlyArray<InputMessage> =>
          turn.role === "user" ? [{ role: "user", name: "user", metadata: {}, content: turn.content }] : []
        )
      }
    }),

    /** Turns that are only kept, as messages. */
    kept: (turns: ReadonlyArray<Turn>) => Effect.map(making, (made) => turns.map((turn) => messageOf(turn, made)))
  }
})
