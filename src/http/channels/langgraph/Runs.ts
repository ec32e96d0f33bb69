/** Takes what a client says in a thread, or without one: as new words, or as an answer to what its run waits for. */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatInput, type OnBusy } from "../../../domain/Chat.ts"
import { Conflict } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { InputMessage, Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Session } from "../../../domain/Session.ts"
import type { Thread } from "../../../domain/Thread.ts"
import { Idempotency, type Once } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import type { Options } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import { messageOf } from "../openai/request/Messages.ts"
import { refuse } from "../openai/request/Refused.ts"
import * as Sessions from "../Sessions.ts"
import * as Target from "../uimessages/Target.ts"
import { clientIdOf, metadataField } from "./output/Messages.ts"
import { check } from "./request/Asked.ts"
import type { RunBody } from "./request/Requests.ts"
import * as Resuming from "./request/Resuming.ts"
import { read, type Said } from "./request/Said.ts"
import type { Threads } from "./Threads.ts"

/** Newest messages among which a user's is looked for that came before, and those among which the reply is that waits. */
const recent = 100
const few = 5

export interface Request {
  readonly owner: UserId
  /** Undefined: the run stands alone, and what was said in it does not stay. */
  readonly thread: Thread | undefined
  readonly payload: RunBody
  readonly idempotencyKey: string | undefined
}

type UserTurn = Extract<Said, { readonly role: "user" }>

const isUser = (turn: Said): turn is UserTurn => turn.role === "user"

const notInterrupted = new Conflict({
  code: "not_interrupted",
  detail: "Nothing in this thread waits for an answer. It may have been answered already, or its run was stopped."
})

const interrupted = new Conflict({
  code: "interrupts_open",
  detail: "The thread waits for an answer: send it by command.resume, or say something new."
})

const both = refuse("invalid", "input.messages", "Expected results of tools, or something new, and not both at once")

export const make = (options: Options, threads: Threads) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { once } = yield* Idempotency
    const newId = yield* NewId
    const own = yield* Sessions.make(options)
    const target = yield* Target.make(options)

    const waiting = Effect.fnUntraced(function*(session: Session) {
      if ((yield* hub.waitsFor(session)) === undefined) return undefined
      const { messages } = yield* Effect.orDie(hub.newest(session, { limit: few }))
      return messages.findLast((message) => awaited(message).length > 0)
    })

    const inputOf = (run: RunBody["metadata"]) => ({ content, id, name }: UserTurn, i: number): InputMessage => {
      const kept = { ...(id !== undefined && { id }), ...(i === 0 && run != null && { run }) }
      return { role: "user", name, content, metadata: Object.keys(kept).length === 0 ? {} : { [metadataField]: kept } }
    }

    /** What a conversation began with, before it came here. */
    const historyOf = Effect.fnUntraced(function*(session: Session, turns: ReadonlyArray<Said>) {
      if (turns.length === 0) return []
      const at = yield* now
      const words = turns.filter(isUser)
      const { user_id: owner } = session
      const taken = words.length === 0 ? [] : yield* Effect.map(
        hub.take(owner, {
          agent_id: session.agent_id,
          session_id: session.id,
          on_busy: "enqueue",
          tools: [],
          input: words.map(inputOf(undefined))
        }),
        ({ input }) => input as ReadonlyArray<InputMessage>
      )
      const inputs = new Map<Said, InputMessage>(words.map((turn, i) => [turn, taken[i]!]))
      const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short }
      return turns.map((turn): Message => {
        if (!isUser(turn)) return messageOf(turn, making)
        const { content, metadata } = inputs.get(turn)!
        return { ...messageOf({ ...turn, content }, making), metadata }
      })
    })

    const placed = (input: ChatInput, on_busy: OnBusy, history: ReadonlyArray<Message> = []) => ({
      input,
      on_busy,
      history
    })

    /** What of the request is sent, as the session is now. */
    const plan = Effect.fnUntraced(function*(session: Session, isNew: boolean, payload: RunBody) {
      const { command, input, metadata, multitask_strategy } = payload
      const { results, system, turns } = yield* read(input)
      const on_busy = multitask_strategy === "reject" || multitask_strategy === "interrupt"
        ? multitask_strategy
        : "enqueue"
      const said = (place: ReturnType<typeof placed>) => ({ ...place, instructions: system })
      const waits = isNew ? undefined : yield* waiting(session)
      if (command?.resume !== undefined) {
        if (turns.length > 0) return yield* both
        return waits === undefined
          ? yield* notInterrupted
          : said(placed(yield* Resuming.answerOf(waits, command.resume), on_busy))
      }
      const split = turns.findLastIndex(({ role }) => role === "assistant") + 1
      const words = turns.slice(split).filter(isUser)
      if (results.length > 0 && waits !== undefined) {
        const answer = yield* Resuming.resultsFor(waits, results)
        if (answer !== undefined) return words.length > 0 ? yield* both : said(placed(answer, on_busy))
      }
      if (words.length === 0) {
        if (turns.length > 0 || results.length > 0) {
          return yield* refuse("nothing_said", "input.messages", "Expected a message of the user's at the end")
        }
        return waits === undefined ? said(placed(null, on_busy)) : yield* interrupted
      }
      const { messages } = isNew
        ? { messages: [] }
        : yield* Effect.orDie(hub.newest(session, { limit: recent }))
      const known = new Set(messages.map(clientIdOf))
      const unknown = words.filter(({ id }) => id === undefined || !known.has(id))
      const inputs = (unknown.length > 0 ? unknown : words.slice(-1)).map(inputOf(metadata))
      const isEmpty = messages.length === 0 && (isNew || (yield* hub.status(session)) === "idle")
      const history = isEmpty ? yield* historyOf(session, turns.slice(0, split)) : []
      // Whoever says something new while the thread waits for an answer gives that up.
      return said(placed(inputs, waits === undefined ? on_busy : "interrupt", history))
    })

    const begin = Effect.fnUntraced(function*(request: Request, agent: Agent, claim: Once<Accepted>["claim"]) {
      const { owner, payload, thread } = request
      const { isNew, session } = yield* own.of(owner, agent, thread?.id, {})
      const { history, input, instructions, on_busy } = yield* plan(session, isNew, payload)
      return yield* hub.send(
        owner,
        { agent_id: agent.id, session_id: session.id, input, on_busy, tools: [] },
        claim,
        { source: "channel", source_id: options.name, instructions, history }
      )
    })

    /** When this returns, the run is durable. */
    return Effect.fnUntraced(function*(request: Request) {
      const { idempotencyKey, owner, payload, thread } = request
      yield* check(payload)
      const agent = yield* target(owner, payload.assistant_id, undefined)
      const accepted = yield* once(
        {
          owner,
          key: idempotencyKey,
          request: `POST ${options.name}/runs`,
          body: idempotencyKey === undefined ? undefined : comparable({ ...payload, thread: thread?.id }),
          answer: Accepted
        },
        ({ claim }) => begin(request, agent, claim)
      )
      // Its clients look for threads by what ran in them. A thread that was removed meanwhile is not looked for.
      if (thread !== undefined) {
        yield* Effect.ignore(threads.update(thread, { graph_id: agent.data.name, assistant_id: agent.id }))
      }
      return { accepted, agent }
    })
  })
