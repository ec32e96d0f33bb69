/** Takes what a client says in a chat: as new words, as an answer to what a run waits for, or in a branch of the chat. */
import { Duration, Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatInput } from "../../../domain/Chat.ts"
import { Conflict, Invalid } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { InputMessage, Message } from "../../../domain/Message.ts"
import { newSession } from "../../../domain/NewSession.ts"
import { isUnnamed, type Session } from "../../../domain/Session.ts"
import { Idempotency, type Once } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { SessionKeys } from "../../../services/SessionKeys.ts"
import type { Options } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import * as History from "../responses/place/History.ts"
import * as Sessions from "../Sessions.ts"
import { answerIn } from "./Answering.ts"
import { type Placed, type Plan, planOf } from "./Deciding.ts"
import type { ChatBody } from "./Requests.ts"
import * as Said from "./Said.ts"
import * as Target from "./Target.ts"

export interface Request {
  readonly owner: UserId
  readonly key: string
  readonly payload: ChatBody
  readonly idempotencyKey: string | undefined
}

/** How many of the newest messages are looked at before all are. */
const fewMessages = 50

const notWaiting = new Conflict({
  code: "not_waiting",
  detail: "Nothing in this chat waits for these answers. They may have come already."
})

const nothingNew = new Conflict({
  code: "nothing_new",
  detail: "These messages are in the chat already. Ask for another reply to have them answered again."
})

const tooLong = new Invalid({
  code: "chat_too_long",
  detail: "The chat is too long to go on from one of its earlier messages. Go on at its end, or begin a new one."
})

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const keys = yield* SessionKeys
    const { once } = yield* Idempotency
    const newId = yield* NewId
    const history = yield* History.make
    const own = yield* Sessions.make(options)
    const target = yield* Target.make(options)
    const idle = options.idleHours === 0 ? undefined : Duration.hours(options.idleHours)

    const keyOf = ({ key, owner }: Pick<Request, "key" | "owner">) => ({ owner, channel: options.name, key })

    const inputsOf = (placed: ReadonlyArray<Placed>) =>
      Effect.forEach(placed, ({ at, message }) => Said.inputOf(message, at))

    /** All that the log has of a chat. */
    const all = (session: Session) => Effect.mapError(history.upTo(session, undefined), () => tooLong)

    /** What the request wants of a session that is there. */
    const planIn = Effect.fnUntraced(function*(session: Session, payload: ChatBody) {
      const { has_more, messages } = yield* Effect.orDie(hub.newest(session, { limit: fewMessages }))
      const plan = (known: ReadonlyArray<Message>) => {
        const ids = new Set(known.map(Said.clientIdOf))
        return planOf(payload, { isEmpty: known.length === 0, isKnown: (id) => ids.has(id) })
      }
      const first = yield* plan(messages)
      // An older message may be the one that is meant.
      const mayBeOlder = has_more && first.type === "append" &&
        (payload.trigger === "regenerate-message" || payload.messageId != null)
      return mayBeOlder ? yield* plan(yield* all(session)) : first
    })

    /** A new session for the chat that begins as the old one did, up to a message. The old one stays, without the key. */
    const branched = Effect.fnUntraced(function*(request: Request, agent: Agent, old: Session, before: string) {
      const known = yield* all(old)
      const end = known.findIndex((message) => Said.clientIdOf(message) === before)
      yield* hub.interrupt(old, "drop")
      yield* keys.reset(keyOf(request))
      const made = Effect.map(now, (at) => {
        const fresh = newSession({ agent_id: agent.id }, request.owner, at, () => newId.record(Date.parse(at)))
        const { permission_context } = old.state
        return {
          ...fresh,
          config: {
            ...old.config,
            workspace_id: fresh.config.workspace_id,
            name: isUnnamed(old) ? fresh.config.name : old.config.name
          },
          state: { ...fresh.state, permission_context }
        }
      })
      const { session } = yield* keys.of({ ...keyOf(request), idle }, made)
      return { session, history: yield* history.moved(session, known.slice(0, Math.max(0, end))) }
    })

    /** What was said before, as far as its client knows. */
    const begun = Effect.fnUntraced(function*(session: Session, placed: ReadonlyArray<Placed>) {
      if (placed.length === 0) return []
      const users = placed.filter(({ message }) => message.role === "user")
      const inputs = yield* inputsOf(users)
      const taken = inputs.length === 0 ? [] : yield* Effect.map(
        hub.take(session.user_id, {
          agent_id: session.agent_id,
          session_id: session.id,
          input: inputs,
          on_busy: "enqueue",
          tools: []
        }),
        ({ input }) => input as ReadonlyArray<InputMessage>
      )
      const at = yield* now
      const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short }
      const words = new Map(users.map(({ message }, i) => [message, taken[i]!]))
      return placed.map(({ message }) => {
        const input = words.get(message)
        return input === undefined ? Said.replyOf(message, making) : Said.wordsOf(input, making)
      }).filter(({ content }) => content.length > 0)
    })

    const answerTo = Effect.fnUntraced(function*(session: Session, plan: Extract<Plan, { readonly type: "answer" }>) {
      const { messages: [reply] } = yield* Effect.orDie(hub.newest(session, { limit: 1 }))
      // Providers count calls anew in every reply: a page that is behind must not answer a call of another one.
      const isIts = reply?.role === "assistant" && Said.clientIdOf(reply) === plan.message.id
      const answer = isIts ? answerIn(plan.message, reply) : undefined
      return answer ?? (yield* notWaiting)
    })

    /** Where the input goes, and what comes before it there. */
    const placeOf = Effect.fnUntraced(function*(request: Request, agent: Agent, session: Session, plan: Plan) {
      const place = (session: Session, input: ChatInput, history: ReadonlyArray<Message> = []) => ({
        session,
        input,
        history
      })
      switch (plan.type) {
        case "nothing":
          return yield* nothingNew
        case "answer":
          return place(session, yield* answerTo(session, plan))
        case "append":
          return place(session, yield* inputsOf(plan.input))
        case "begin":
          return place(session, yield* inputsOf(plan.input), yield* begun(session, plan.history))
        case "branch": {
          const input = yield* inputsOf(plan.input)
          const { history, session: made } = yield* branched(request, agent, session, plan.before)
          return place(made, input, history)
        }
      }
    })

    const begin = Effect.fnUntraced(function*(request: Request, claim: Once<Accepted>["claim"]) {
      const { owner, payload } = request
      const known = yield* keys.find(keyOf(request))
      const agent = yield* target(owner, payload.agent, known?.agent_id)
      const { session: found } = yield* own.of(owner, agent, request.key, {})
      const plan = yield* planIn(found, payload)
      const { history, input, session } = yield* placeOf(request, agent, found, plan)
      const instructions = payload.messages.flatMap((message) =>
        message.role === "system" ? [Said.textOf(message)] : []
      ).filter((text) => text !== "").join("\n\n")
      return yield* hub.send(
        owner,
        {
          agent_id: agent.id,
          session_id: session.id,
          input,
          // Whoever says something new while a reply is being made has stopped reading that one.
          on_busy: "interrupt",
          tools: payload.tools ?? []
        },
        claim,
        { source: "channel", source_id: options.name, instructions, history }
      )
    })

    return {
      keyOf,
      /** When this returns, the run is durable. It goes on whoever leaves. */
      accept: (request: Request) => {
        const { idempotencyKey, key, owner, payload } = request
        return once(
          {
            owner,
            key: idempotencyKey,
            request: `POST ${options.name}`,
            body: idempotencyKey === undefined ? undefined : comparable({ ...payload, key }),
            answer: Accepted
          },
          ({ claim }) => begin(request, claim)
        )
      }
    }
  })
