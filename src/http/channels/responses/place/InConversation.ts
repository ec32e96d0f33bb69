/**
 * An answer in a conversation: in its session, one after the other. The session changes when another agent answers, or when
 * something was taken out of the conversation; it begins with a copy of the rest then.
 */
import { Effect } from "effect"
import { NotFound } from "../../../../domain/Errors.ts"
import type { Message } from "../../../../domain/Message.ts"
import type { Conversation } from "../../../../domain/Response.ts"
import type { Session } from "../../../../domain/Session.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import { homeOf, itemId } from "../output/ItemIds.ts"
import { conversationLocked, needsApproval, noCall, nothingSaid, onlyOutputs, otherAgent } from "../Refusals.ts"
import { releasing } from "../Stored.ts"
import * as Heads from "./Heads.ts"
import * as History from "./History.ts"
import { asks, fits, type Place, type Places, plain, type Request } from "./Place.ts"
import * as Waiting from "./Waiting.ts"

/** A message without the items that were taken out; undefined when nothing is left. */
const without = (home: string, message: Message, removed: ReadonlySet<string>): Message | undefined => {
  if (removed.size === 0) return message
  if (message.role !== "assistant") return removed.has(itemId("msg", home, message.id)) ? undefined : message
  const kinds = {
    text: ["msg"],
    thinking: ["rs"],
    data: ["ig"],
    tool_call: ["fc", "mcp", "mcpr"],
    tool_result: ["fco"]
  }
  const gone = new Set(
    message.content.flatMap((block) =>
      block.type === "hint" || !kinds[block.type].some((kind) => removed.has(itemId(kind as "msg", home, block.id)))
        ? []
        : [block.id as string]
    )
  )
  const content = message.content.filter(({ id }) => !gone.has(id))
  return content.length === 0 ? undefined : { ...message, content }
}

/** Files that tools and models have made stay where they are: the session that they were made in has to stay as well. */
const hasOwnFiles = ({ content, role }: Message): boolean =>
  role !== "user" && content.some((block) =>
    block.type === "data" ||
    (block.type === "tool_result" && typeof block.output !== "string" &&
      block.output.some(({ type }) => type === "data"))
  )

/** The input is accepted by then, whatever becomes of this. */
const afterwards = <E>(effect: Effect.Effect<unknown, E>): Effect.Effect<void> =>
  Effect.catchAllCause(
    Effect.asVoid(effect),
    (cause) => Effect.logWarning("What an answer has changed in its conversation could not be noted", cause)
  )

export const make = (places: Places, channel: string) =>
  Effect.gen(function*() {
    const heads = yield* Heads.make
    const hub = yield* SessionHub
    const release = yield* releasing(channel)
    const history = yield* History.make
    const waiting = yield* Waiting.make

    /** What the conversation holds beside what was added: all that was said and not taken out. */
    const heldIn = Effect.fnUntraced(function*({ id, removed }: Conversation, session: Session) {
      const gone = new Set(removed)
      return (yield* history.upTo(session, undefined)).flatMap((message) => without(homeOf(id), message, gone) ?? [])
    })

    const inSame = Effect.fnUntraced(function*(request: Request, session: Session, status: Waiting.Status | undefined) {
      const { results, turns } = request.said
      if (status === "awaiting_permission") return yield* needsApproval
      if (status === "awaiting_external_result") {
        const run = yield* waiting.runIn(session, status)
        if (run !== undefined) {
          const input = yield* waiting.withResults(session, run, results)
          if (turns.length > 0) return yield* onlyOutputs
          return { ...plain, session, input, history: [] } satisfies Place as Place
        }
      }
      const [result] = results
      if (result !== undefined) return yield* noCall(result.at, result.call)
      if (!asks(turns)) return yield* nothingSaid
      return yield* places.begun(request, session, [])
    })

    const moved = Effect.fnUntraced(
      function*(request: Request, conversation: Conversation, before: Session | undefined) {
        const [result] = request.said.results
        if (result !== undefined) return yield* noCall(result.at, result.call)
        if (!asks(request.said.turns)) return yield* nothingSaid
        if (before !== undefined && (yield* hub.status(before)) !== "idle") return yield* conversationLocked
        const held = before === undefined ? [] : yield* heldIn(conversation, before)
        const place = yield* places.inMade(request, held, true)
        const isFree = before !== undefined && !held.some(hasOwnFiles)
        const done = isFree ? afterwards(release(before)) : Effect.void
        return { ...place, done } satisfies Place as Place
      }
    )

    /** Those that were added go before the input, and are no longer waiting once it is accepted. */
    const withAdded = Effect.fnUntraced(function*(conversation: Conversation, place: Place) {
      const isAnswer = place.input !== null && "type" in place.input
      const added = isAnswer ? [] : conversation.added
      const before = added.length === 0 ? [] : yield* history.moved(place.session, added)
      const move = yield* heads.announce(conversation, place.session, added.map(({ id }) => id))
      const whole: Place = {
        ...place,
        history: [...place.history.slice(0, place.known), ...before, ...place.history.slice(place.known)],
        known: place.known + added.length,
        done: Effect.zipRight(afterwards(move), place.done)
      }
      return whole
    })

    return {
      heads,
      heldIn,
      in: Effect.fnUntraced(function*(request: Request, id: string) {
        const { conversation, unused } = yield* Effect.mapError(
          heads.settle(request.owner, id),
          () => NotFound.of("Conversation", id)
        )
        if (unused !== undefined) yield* places.drop(unused)
        const session = yield* heads.sessionOf(conversation)
        if (request.said.approvals.length > 0) {
          const place = yield* places.answering(request)
          return place.session.id === session?.id ? place : yield* needsApproval
        }
        // A run that waits goes on where it is; what is different is for the answer after it.
        const status = session && (yield* hub.waitsFor(session))
        if (status !== undefined && session?.agent_id !== request.agent.id) return yield* otherAgent
        const stays = session !== undefined &&
          (status !== undefined || (conversation.removed.length === 0 && fits(session, request)))
        const place = yield* stays ? inSame(request, session, status) : moved(request, conversation, session)
        return yield* Effect.onError(
          withAdded(conversation, place),
          () => place.isNew ? places.drop(place.session) : Effect.void
        )
      })
    }
  })
export type InConversation = Effect.Effect.Success<ReturnType<typeof make>>
