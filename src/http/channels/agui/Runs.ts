/**
 * A run for a request, in the session of its thread. Clients send all that was said; the session knows it, so that only
 * what is new is taken: words, results of the client's own tools, answers to interrupts.
 */
import { Effect } from "effect"
import type { Agent } from "../../../domain/Agent.ts"
import { Accepted, type ChatInput } from "../../../domain/Chat.ts"
import { Invalid } from "../../../domain/Errors.ts"
import type { UserId } from "../../../domain/Ids.ts"
import type { InputMessage, Message } from "../../../domain/Message.ts"
import type { Session } from "../../../domain/Session.ts"
import { Idempotency, type Once } from "../../../services/Idempotency.ts"
import { NewId } from "../../../services/NewId.ts"
import { now } from "../../../services/Now.ts"
import { SessionHub } from "../../../services/SessionHub.ts"
import { Storage } from "../../../services/Storage.ts"
import { note } from "../../LogNotes.ts"
import * as Body from "../../middleware/Body.ts"
import type { Options, Policy } from "../Channel.ts"
import { comparable } from "../Comparable.ts"
import * as Follow from "../Follow.ts"
import { messageOf } from "../openai/request/Messages.ts"
import * as Sessions from "../Sessions.ts"
import * as Asked from "./Asked.ts"
import { Stream } from "./Encode.ts"
import { idAtClient, metadataOf } from "./Metadata.ts"
import type { Said } from "./Read.ts"
import type { RunAgentInput } from "./Requests.ts"
import * as Waiting from "./Waiting.ts"

/** Leaving changes nothing: whoever comes back looks at the thread again. Interrupts show what has to be allowed. */
const policy: Policy = { leaving: "goes on", approval: "shown", end: "" }

/** Newest messages among which a user's is looked for that came before. */
const recent = 100

export interface Request {
  readonly owner: UserId
  readonly agent: Agent
  readonly key: string
  readonly payload: RunAgentInput
  readonly idempotencyKey: string | undefined
}

type UserTurn = Extract<Said, { readonly role: "user" }>

const isUser = (turn: Said): turn is UserTurn => turn.role === "user"

const none: ReadonlyArray<UserTurn> = []

const nothingSaid = new Invalid({
  code: "nothing_said",
  detail: "messages: Expected a message of the user's at the end, or the result of a tool.",
  errors: [{ path: "messages", message: "Expected a message of the user's at the end, or the result of a tool" }]
})

export const make = (options: Options) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { sessions } = yield* Storage
    const { once } = yield* Idempotency
    const follow = yield* Follow.make
    const newId = yield* NewId
    const own = yield* Sessions.make(options)
    const waiting = yield* Waiting.make

    const newestOf = (session: Session) =>
      Effect.map(Effect.orDie(hub.newest(session, { limit: recent })), ({ messages }) => messages)

    const inputOf = ({ state }: RunAgentInput) => ({ content, id, name }: UserTurn): InputMessage => ({
      content,
      name,
      role: "user",
      metadata: metadataOf(id, state)
    })

    /** What a client's conversation began with, before it came here. */
    const historyOf = Effect.fnUntraced(function*(request: Request, session: Session, turns: ReadonlyArray<Said>) {
      const at = yield* now
      const words = turns.filter(isUser)
      const taken = words.length === 0 ? [] : yield* Effect.map(
        hub.take(request.owner, {
          agent_id: session.agent_id,
          session_id: session.id,
          on_busy: "enqueue",
          tools: [],
          input: words.map(inputOf(request.payload))
        }),
        ({ input }) => input as ReadonlyArray<InputMessage>
      )
      const contents = new Map<Said, InputMessage["content"]>(words.map((turn, i) => [turn, taken[i]!.content]))
      const making = { at, newId: () => newId.record(Date.parse(at)), newBlock: newId.short }
      return turns.map((turn): Message => ({
        ...messageOf(isUser(turn) ? { ...turn, content: contents.get(turn)! } : turn, making),
        ...(isUser(turn) && { metadata: metadataOf(turn.id, undefined) })
      }))
    })

    /** What of the request is sent, as the session is now. */
    const placed = Effect.fnUntraced(
      function*(request: Request, asked: Asked.Asked, found: { readonly session: Session; readonly isNew: boolean }) {
        const { isNew, session } = found
        const { results, turns } = asked
        const resume = request.payload.resume ?? []
        const known = isNew ? [] : yield* newestOf(session)
        const isBegun = known.length > 0 || (!isNew && (yield* hub.status(session)) !== "idle")
        const split = turns.findLastIndex(({ role }) => role === "assistant") + 1
        const ids = new Set(known.map(idAtClient))
        const last = turns.slice(split).filter(isUser)
        const unknown = last.filter(({ id }) => !ids.has(id))
        const isPlain = results.length === 0 && resume.length === 0
        // Who sends what is known, and nothing else, asks the same again.
        const words = unknown.length > 0 || !isPlain ? unknown : last.slice(-1)
        const input: ChatInput = words.map(inputOf(request.payload))
        if (!isBegun && words.length > 0 && resume.every(({ status }) => status === "cancelled")) {
          const history = yield* historyOf(request, session, turns.slice(0, split))
          return { input, history, more: none, isAnswer: false }
        }
        if (isPlain && words.length === 0 && (yield* hub.waitsFor(session)) === undefined) return yield* nothingSaid
        const answer = yield* waiting.answerOf(session, { resume, results, saysMore: words.length > 0 })
        return answer === undefined
          ? { input, history: [], more: none, isAnswer: false }
          : { input: answer as ChatInput, history: [], more: words, isAnswer: true }
      }
    )

    const accept = Effect.fnUntraced(function*(request: Request, asked: Asked.Asked) {
      const { agent, idempotencyKey, key, owner, payload } = request
      const { instructions, tools } = asked
      const begin = Effect.fnUntraced(function*(claim: Once<Accepted>["claim"]) {
        const found = yield* own.of(owner, agent, key, {})
        const { session } = found
        const { history, input, isAnswer, more } = yield* placed(request, asked, found)
        // Who goes on without the results of the client's tools gives them up.
        const waits = isAnswer ? undefined : yield* hub.waitsFor(session)
        const base = { agent_id: agent.id, session_id: session.id, tools }
        const origin = { source: "channel" as const, source_id: options.name, instructions, history }
        const on_busy = waits === undefined ? "enqueue" as const : "interrupt" as const
        const answering = hub.send(owner, { ...base, input, on_busy }, claim, origin)
        if (more.length === 0) return yield* answering
        // What came with the answer becomes a part of what the agent goes on with.
        const words = more.map(inputOf(payload))
        const steering = hub.send(owner, { ...base, input: words, on_busy: "steer" }, undefined, origin)
        return yield* Effect.uninterruptible(Effect.zipLeft(answering, steering))
      })
      return yield* once(
        {
          owner,
          key: idempotencyKey,
          request: `POST ${options.name}/agents/${agent.id}`,
          body: idempotencyKey === undefined ? undefined : comparable({ ...payload, key }),
          answer: Accepted
        },
        ({ claim }) => begin(claim)
      )
    })

    return Effect.fnUntraced(function*(request: Request) {
      const { agent, idempotencyKey, owner, payload } = request
      const asked = yield* Asked.ofRequest(payload, agent.data)
      const accepted = yield* Effect.ensuring(accept(request, asked), Body.release)
      yield* note({ session_id: accepted.session_id, run_id: accepted.run_id })
      const session = yield* sessions.get(owner, accepted.session_id)
      const encoder = new Stream({
        threadId: payload.threadId,
        runId: payload.runId,
        parentRunId: payload.parentRunId ?? undefined,
        isOld: asked.isOld,
        answered: new Set(asked.results.map(({ callId }) => callId)),
        state: payload.state
      })
      return yield* follow.stream({ session, accepted, encoder, policy, isKept: idempotencyKey !== undefined })
    })
  })
