/**
 * An answer that follows another one. A response is a snapshot: the first that follows it goes on in its session, if that
 * has stayed as the response left it; all others begin sessions of their own, with a copy of what was said up to there.
 */
import { Deferred, Effect, FiberId } from "effect"
import type { AgentEvent } from "../../../../domain/Event.ts"
import { eventsOf } from "../../../../domain/Frames.ts"
import type { RunId, UserId } from "../../../../domain/Ids.ts"
import type { Message } from "../../../../domain/Message.ts"
import * as OpenCalls from "../../../../domain/OpenCalls.ts"
import * as Reply from "../../../../domain/Reply.ts"
import type { StoredResponse } from "../../../../domain/Response.ts"
import type { Run } from "../../../../domain/Run.ts"
import { endsStream } from "../../../../domain/RunOf.ts"
import type { Session } from "../../../../domain/Session.ts"
import { now } from "../../../../services/Now.ts"
import { SessionHub } from "../../../../services/SessionHub.ts"
import { Storage } from "../../../../services/Storage.ts"
import { needsApproval, noCall, notFinished, nothingSaid, previousNotFound } from "../Refusals.ts"
import * as History from "./History.ts"
import { asks, fits, type Place, type Places, plain, type Request } from "./Place.ts"
import * as Waiting from "./Waiting.ts"

const newestOnly = { limit: 1, cursor: undefined }

const isWaiting = ({ status }: Run) => status === "awaiting_external_result" || status === "awaiting_permission"

const decoder = new TextDecoder()

/** What is known of the response before. */
export interface Before {
  readonly record: StoredResponse
  readonly session: Session
  readonly run: Run
  /** No other response has gone on from its end. */
  readonly isLast: boolean
  /** The `seq` of its last event; undefined while it is being made, and when the log does not hold it any more. */
  readonly end: number | undefined
  /** Its run was parked at its end, and was answered elsewhere since then. */
  readonly hasGoneOn: boolean
  /** It is stored nowhere, and nobody else can go on from it. */
  readonly isOwn: boolean
}

export const make = (places: Places) =>
  Effect.gen(function*() {
    const hub = yield* SessionHub
    const { responses, runs, sessions } = yield* Storage
    const history = yield* History.make
    const waiting = yield* Waiting.make

    const find = (owner: UserId, id: string, unstored?: StoredResponse) =>
      Effect.gen(function*() {
        const isOwn = unstored?.id === id && unstored.user_id === owner
        const record = isOwn ? unstored : yield* responses.get(owner, id)
        const session = yield* sessions.get(owner, record.session_id)
        // First the end: what the run is after it, it is since then.
        const end = yield* hub.endAfter(session, record.run_id, record.after)
        const run = yield* runs.get(owner, record.run_id)
        const hasGoneOn = end !== undefined && (run.status === "ended"
          ? run.last_seq !== end
          : !isWaiting(run) || (yield* hub.endAfter(session, run.id, end)) !== undefined)
        const { items: [newest] } = yield* Effect.orDie(
          responses.list(owner, newestOnly, { run_id: run.id }, "newest")
        )
        const isLast = record.next === null && newest?.id === (isOwn ? undefined : record.id)
        return { record, session, run, isLast, end, hasGoneOn, isOwn } satisfies Before as Before
      }).pipe(Effect.mapError(() => previousNotFound(id)))

    /** Gives the events of a run, from a place on to the next end of its stream. */
    const partOf = (session: Session, only: RunId, after: number, take: (event: AgentEvent, seq: number) => void) =>
      Effect.scoped(Effect.gen(function*() {
        const over = Deferred.unsafeMake<void>(FiberId.none)
        yield* hub.attach(session, {
          write: (frames) => {
            for (const { event, seq } of eventsOf(decoder.decode(frames))) take(event, seq)
          },
          unread: () => 0,
          drained: Effect.void,
          end: () => Deferred.unsafeDone(over, Effect.void)
        }, { after, only })
        yield* Deferred.await(over)
      }))

    /** The reply as it was at the end of this response, from the log: its run has gone on since. */
    const replyThen = Effect.fnUntraced(function*({ end, record, run, session }: Before) {
      const events: Array<AgentEvent> = []
      // A stream of one run ends where the run was parked, also before this response.
      for (let at = (run.first_seq ?? record.after + 1) - 1, isOver = false; !isOver;) {
        const from = at
        yield* partOf(session, run.id, at, (event, seq) => {
          if (isOver) return
          at = seq
          events.push(event)
          isOver = seq === end || (endsStream(event) && seq > record.after)
        })
        isOver ||= at === from
      }
      return Reply.ofEvents(events)?.message
    })

    /**
     * All that was said up to the end of the response. Where its run was answered elsewhere and has come to its end, that is
     * a part of it, unless the request has answers of its own.
     */
    const snapshot = Effect.fnUntraced(function*(before: Before, hasResults: boolean) {
      const { hasGoneOn, isLast, run, session } = before
      const isAsItWas = isLast && (!hasGoneOn || (run.status === "ended" && !hasResults))
      const messages = yield* history.upTo(session, run)
      const last = messages.at(-1)
      if (isAsItWas || last?.id !== run.reply_id) return messages
      const then = yield* replyThen(before)
      return then === undefined ? messages : [...messages.slice(0, -1), then]
    })

    const branch = Effect.fnUntraced(function*(request: Request, before: Before) {
      const { results, turns } = request.said
      const messages = yield* snapshot(before, results.length > 0)
      const last = messages.at(-1)
      const waits = last !== undefined && last.role === "assistant" && OpenCalls.awaited(last).length > 0
      if (!waits) {
        const [result] = results
        if (result !== undefined) return yield* noCall(result.at, result.call)
        return yield* asks(turns) ? places.inNew(request, messages) : nothingSaid
      }
      if (OpenCalls.awaited(last).some(({ state }) => state === "asking")) return yield* needsApproval
      const whole: ReadonlyArray<Message> = [...messages.slice(0, -1), yield* Waiting.completed(last, results)]
      return yield* turns.length === 0 || asks(turns) ? places.inNew(request, whole) : nothingSaid
    })

    /** Whether the session is as the response left it: others may talk in it too. */
    const isUntouched = ({ run, session }: Before) =>
      Effect.map(
        Effect.orDie(hub.newest(session, { limit: 1 })),
        ({ messages: [newest] }) => newest?.id === run.reply_id
      )

    /** Of those that follow a response at once, one may go on in its session. The database decides which. */
    const take = ({ isOwn, record }: Before, id: string) =>
      isOwn ? Effect.succeed(true) : Effect.flatMap(now, (at) =>
        Effect.map(
          responses.modify(
            record.user_id,
            record.id,
            (one) => one.next === null ? { ...one, next: id, updated_at: at } : one
          ),
          ({ next }) => next === id
        ))

    const giveBack = ({ isOwn, record }: Before, id: string) =>
      isOwn ? Effect.void : Effect.ignore(
        responses.modify(record.user_id, record.id, (one) => one.next === id ? { ...one, next: null } : one)
      )

    const goOn = Effect.fnUntraced(function*(request: Request, before: Before) {
      const { run, session } = before
      const undo = giveBack(before, request.id)
      const { results, turns } = request.said
      if (isWaiting(run)) {
        const input = yield* Effect.onError(waiting.withResults(session, run, results), () => undo)
        return { ...plain, session, input, history: [], undo } satisfies Place as Place
      }
      const { history: said, input } = yield* Effect.onError(history.said(session, turns), () => undo)
      return {
        ...plain,
        session,
        history: said,
        input: input.length === 0 ? null : input,
        undo
      } satisfies Place as Place
    })

    return {
      find,
      /** All that was said up to the end of a response, whatever has been said since. */
      heldBy: (owner: UserId, id: string) => Effect.flatMap(find(owner, id), (before) => snapshot(before, false)),
      after: Effect.fnUntraced(function*(request: Request, previous: string) {
        const { asked, owner, said } = request
        const before = yield* find(owner, previous, request.unstored)
        const { hasGoneOn, isLast, isOwn, record, run, session } = before
        if (said.approvals.length > 0) {
          const place = yield* places.answering(request)
          if (!isLast || place.session.id !== session.id || !(yield* take(before, request.id))) {
            return yield* needsApproval
          }
          return { ...place, undo: giveBack(before, request.id) }
        }
        // With answers of its own a request goes on from what the run waited for then, whatever it does now.
        const isThere = isLast && (!hasGoneOn || said.results.length === 0)
        if (isThere && run.status !== "ended" && !isWaiting(run)) return yield* notFinished
        if (isThere && run.status === "awaiting_permission") return yield* needsApproval
        const waits = isThere && run.status === "awaiting_external_result"
        const mayGoOn = isThere && (!hasGoneOn || run.status === "ended") && record.conversation === null &&
          asked.stores !== isOwn && fits(session, request) &&
          (waits ? said.turns.length === 0 && said.results.length > 0 : said.results.length === 0 && asks(said.turns))
        if (
          !mayGoOn || !(yield* isUntouched(before)) ||
          !(yield* Effect.orElseSucceed(take(before, request.id), () => false))
        ) {
          return yield* branch(request, before)
        }
        return yield* goOn(request, before)
      })
    }
  })
