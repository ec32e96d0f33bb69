/** Where an answer is given: in a session of its own, in the one of the response before it, or in that of a conversation. */
import { Effect, Option } from "effect"
import type { Agent } from "../../../../domain/Agent.ts"
import type { ChatInput } from "../../../../domain/Chat.ts"
import type { UserId } from "../../../../domain/Ids.ts"
import type { Message } from "../../../../domain/Message.ts"
import type { ChatModelConfig } from "../../../../domain/Model.ts"
import { newSession } from "../../../../domain/NewSession.ts"
import type { StoredResponse } from "../../../../domain/Response.ts"
import type { Session } from "../../../../domain/Session.ts"
import { NewId } from "../../../../services/NewId.ts"
import { now } from "../../../../services/Now.ts"
import { SessionKeys } from "../../../../services/SessionKeys.ts"
import type { Options } from "../../Channel.ts"
import { sessionAt } from "../output/ItemIds.ts"
import { noApproval, noCall, nothingSaid, onlyApprovals, otherAgent } from "../Refusals.ts"
import type { Asked } from "../request/Asked.ts"
import type { Said, Turn } from "../request/Reading.ts"
import * as History from "./History.ts"
import * as Waiting from "./Waiting.ts"

export interface Place {
  readonly session: Session
  readonly input: ChatInput
  /** What comes before the input, and how many messages of it were said before this request. */
  readonly history: ReadonlyArray<Message>
  readonly known: number
  /** For when the input was not taken after all, and for when it was. */
  readonly undo: Effect.Effect<void>
  readonly done: Effect.Effect<void>
  /** The session was made for this request, and holds nothing else. */
  readonly isNew: boolean
}

export interface Request {
  readonly owner: UserId
  readonly agent: Agent
  readonly config: ChatModelConfig
  readonly asked: Asked
  readonly said: Said
  /** The id that the response is to have. */
  readonly id: string
  /** A response that can be gone on from by nobody but who asks, and is stored nowhere. */
  readonly unstored?: StoredResponse | undefined
}

/** Whether there is something to answer: words of the user's, or what a tool has brought. */
export const asks = (turns: ReadonlyArray<Turn>): boolean => {
  const last = turns.at(-1)
  return last?.role === "user" || last?.content.at(-1)?.type === "tool_result"
}

/** Whether a session answers as this request wants it. */
export const fits = ({ agent_id, config }: Session, { agent, config: wanted }: Request): boolean =>
  agent_id === agent.id && JSON.stringify(config.chat_model_config) === JSON.stringify(wanted)

export const plain = { undo: Effect.void, done: Effect.void, known: 0, isNew: false }

export const make = ({ name: channel }: Options) =>
  Effect.gen(function*() {
    const at = yield* sessionAt
    const keys = yield* SessionKeys
    const newId = yield* NewId
    const history = yield* History.make
    const waiting = yield* Waiting.make

    const draft = ({ agent, config, owner }: Request) =>
      Effect.map(now, (at): Session =>
        newSession({ agent_id: agent.id, chat_model_config: config }, owner, at, () =>
          newId.record(Date.parse(at))))

    /** A session that begins with what was said elsewhere. */
    const begun = Effect.fnUntraced(function*(request: Request, session: Session, before: ReadonlyArray<Message>) {
      const copied = yield* history.moved(session, before)
      const { history: after, input } = yield* history.said(session, request.said.turns)
      const place: Place = {
        ...plain,
        session,
        history: [...copied, ...after],
        known: copied.length,
        input: input.length === 0 ? null : input
      }
      return place
    })

    /** Nothing was said in a session that was made for a request: it goes. */
    const drop = (session: Session) =>
      Effect.catchAllCause(
        keys.discard(channel, session),
        (cause) =>
          Effect.logDebug("A session in which nothing was said could not be removed", cause)
      )

    /** A session of its own that begins with what was said before; whatever keeps its run from being accepted, it does not stay. */
    const inMade = Effect.fnUntraced(function*(request: Request, before: ReadonlyArray<Message>, stays: boolean) {
      const made = yield* draft(request)
      const session = yield* stays ? keys.kept(made) : keys.once(channel, made)
      const place = yield* Effect.onError(begun(request, session, before), () => drop(session))
      return { ...place, isNew: true } satisfies Place as Place
    })

    return {
      draft,
      begun,
      drop,
      inMade,
      inNew: (request: Request, before: ReadonlyArray<Message>) => inMade(request, before, request.asked.stores),

      /** The request holds all that there is. */
      alone: Effect.fnUntraced(function*(request: Request) {
        const [result] = request.said.results
        if (result !== undefined) return yield* noCall(result.at, result.call)
        if (!asks(request.said.turns)) return yield* nothingSaid
        return yield* inMade(request, [], request.asked.stores)
      }),

      /** Somebody says whether a tool may be used; the id of the question says in which session. */
      answering: Effect.fnUntraced(function*({ agent, owner, said }: Request) {
        const { approvals, endsWithApproval } = said
        if (!endsWithApproval || said.results.length > 0) return yield* onlyApprovals
        const { home } = approvals.at(-1)!
        const session = Option.getOrUndefined(yield* at(owner, home))
        if (session === undefined) return yield* noApproval
        if (session.agent_id !== agent.id) return yield* otherAgent
        const run = yield* waiting.runIn(session, "awaiting_permission")
        if (run === undefined) return yield* noApproval
        const input = yield* waiting.withApprovals(
          session,
          run,
          approvals.filter((approval) => approval.home === home)
        )
        const place: Place = { ...plain, session, input, history: [] }
        return place
      })
    }
  })
export type Places = Effect.Effect.Success<ReturnType<typeof make>>
