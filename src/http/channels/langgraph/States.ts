/** What a thread holds: its messages, what it waits for, and how it was before. */
import { Effect } from "effect"
import { charactersIn, type Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Thread } from "../../../domain/Thread.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { valuesOf } from "./output/Encode.ts"
import { interruptsOf } from "./output/Interrupts.ts"
import { messagesOf, type Told } from "./output/Messages.ts"
import type { HistoryBody, ThreadStatus } from "./request/Requests.ts"

/** A state has the newest messages: those of so many pages, of so many messages each, until they have so many characters. */
const maxPages = 20
const page = 100
const maxCharacters = 4 * 1024 * 1024

/** Most messages that a thread in a list shows. */
const few = 20

/** Most characters of all states of a history. Each has all messages that came before. */
const maxHistory = 4 * 1024 * 1024

const newestRun = { limit: 1, cursor: undefined }

const idIn = (before: HistoryBody["before"]): string | undefined => {
  if (before == null) return undefined
  if (typeof before === "string") return before
  const { checkpoint_id, configurable } = before as {
    readonly checkpoint_id?: unknown
    readonly configurable?: { readonly checkpoint_id?: unknown }
  }
  const id = checkpoint_id ?? configurable?.checkpoint_id
  return typeof id === "string" ? id : undefined
}

export const make = Effect.gen(function*() {
  const hub = yield* SessionHub
  const { runs } = yield* Storage

  const transcript = Effect.fnUntraced(function*(session: Session, limit = maxPages * page) {
    const pages: Array<ReadonlyArray<Message>> = []
    for (let left = limit, characters = 0; left > 0 && characters < maxCharacters; left -= page) {
      const before = pages.at(-1)?.[0]?.id
      // A message that was there a moment ago is there.
      const found = yield* Effect.orDie(hub.newest(session, { before, limit: Math.min(page, left) }))
      pages.push(found.messages)
      characters += found.messages.flatMap(({ content }) => content).reduce(
        (sum, block) => sum + charactersIn(block),
        0
      )
      if (!found.has_more || found.messages.length === 0) break
    }
    return pages.toReversed().flat()
  })

  const status = Effect.fnUntraced(function*(session: Session | undefined) {
    if (session === undefined) return "idle" satisfies ThreadStatus as ThreadStatus
    const now = yield* hub.status(session)
    if (now === "running") return "busy"
    if (now !== "idle") return "interrupted"
    const { items: [newest] } = yield* Effect.orDie(
      runs.list(session.user_id, newestRun, { session_id: session.id }, "newest")
    )
    return newest?.finished_reason === "error" ? "error" : "idle"
  })

  const told = (messages: ReadonlyArray<Message>): ReadonlyArray<Told> => messages.flatMap(messagesOf)

  const valuesIn = (messages: ReadonlyArray<Message>) =>
    valuesOf(told(messages), messages.findLast(({ role }) => role === "assistant"))

  const checkpointOf = ({ thread_id }: Thread, message: Message | undefined) => ({
    thread_id,
    checkpoint_ns: "",
    checkpoint_id: message?.id ?? null,
    checkpoint_map: null
  })

  /** The state when the last of these messages had been said; `isNewest`: nothing has been said since. */
  const stateOf = (thread: Thread, messages: ReadonlyArray<Message>, isNewest: boolean) => {
    const last = messages.at(-1)
    const reply = last?.role === "assistant" && isNewest ? last : undefined
    const interrupts = reply === undefined ? [] : interruptsOf(reply)
    const isOpen = last?.role === "user" || last?.finished_at === null
    const next = reply !== undefined && awaited(reply).length > 0 ? ["tools"] : isOpen ? ["agent"] : []
    return {
      values: messages.length === 0 ? {} : valuesIn(messages),
      next,
      tasks: interrupts.map((interrupt) => ({
        id: interrupt.id,
        name: "tools",
        path: [],
        error: null,
        interrupts: [interrupt],
        checkpoint: null,
        state: null,
        result: null
      })),
      checkpoint: checkpointOf(thread, last),
      metadata: { ...thread.metadata, source: last?.role === "user" ? "input" : "loop", step: messages.length - 1 },
      created_at: last?.finished_at ?? last?.created_at ?? thread.created_at,
      parent_checkpoint: messages.length > 1 ? checkpointOf(thread, messages.at(-2)) : null
    }
  }

  return {
    status,
    /** A thread as lists and reads show it. */
    view: Effect.fnUntraced(function*(thread: Thread, session: Session | undefined, isShort: boolean) {
      const messages = session === undefined ? [] : yield* transcript(session, isShort ? few : undefined)
      const last = messages.at(-1)
      const interrupts = last?.role === "assistant" ? interruptsOf(last) : []
      const { created_at, metadata, thread_id, updated_at } = thread
      return {
        thread_id,
        created_at,
        updated_at,
        state_updated_at: updated_at,
        metadata,
        config: {},
        status: yield* status(session),
        values: messages.length === 0 ? {} : valuesIn(messages),
        interrupts: Object.fromEntries(interrupts.map((interrupt) => [interrupt.id, [interrupt]])),
        error: null
      }
    }),
    now: (thread: Thread, session: Session | undefined) =>
      Effect.map(
        session === undefined ? Effect.succeed([]) : transcript(session),
        (messages) => stateOf(thread, messages, true)
      ),
    /** The state at a checkpoint; undefined when there is none of this id. */
    at: (thread: Thread, session: Session | undefined, id: string) =>
      Effect.map(session === undefined ? Effect.succeed([]) : transcript(session), (messages) => {
        const place = messages.findIndex((message) => message.id === id)
        return place < 0 ? undefined : stateOf(thread, messages.slice(0, place + 1), place === messages.length - 1)
      }),
    /** The states after each message, newest first. */
    history: (thread: Thread, session: Session | undefined, { before, limit }: HistoryBody) =>
      Effect.map(session === undefined ? Effect.succeed([]) : transcript(session), (messages) => {
        const id = idIn(before)
        const end = id === undefined ? messages.length : messages.findIndex((message) => message.id === id)
        const sizes = messages.map((message) => JSON.stringify(messagesOf(message)).length)
        let size = sizes.slice(0, Math.max(0, end)).reduce((sum, one) => sum + one, 0)
        const states: Array<ReturnType<typeof stateOf>> = []
        for (let length = end, total = size; length > 0 && states.length < limit; length--) {
          if (states.length > 0 && total > maxHistory) break
          states.push(stateOf(thread, messages.slice(0, length), length === messages.length))
          size -= sizes[length - 1]!
          total += size
        }
        return states
      })
  }
})
export type States = Effect.Effect.Success<typeof make>
