/**
 * Pages of a transcript, from its beginning on or from its end back. The reply
 * in the making is its last message; the log holds it from its end, or its
 * parking, on. No message is ever placed before one that the log holds already,
 * so that neither an offset nor a message's place changes while somebody pages.
 */
import { Effect } from "effect"
import { NotFound } from "../../domain/Errors.ts"
import type { MessageId, SessionId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import { pageBytes } from "../../domain/Page.ts"
import type { Run } from "../../domain/Run.ts"
import type { Session } from "../../domain/Session.ts"
import type { EventLog } from "../../services/EventLog.ts"
import type { RunOwner } from "../../services/RunOwner.ts"
import type { TranscriptPage } from "../../services/SessionHub.ts"

/** How often a page is read again because the reply was stored while it was read. */
const maxTries = 3

/** Sessions whose messages were counted; the least recently asked one is forgotten first. */
const maxCounted = 10_000

/** The reply of the active run, as far as it is. */
interface Present {
  readonly run: Run | undefined
  readonly reply: Message | undefined
  /** It was parked before, and the log holds it as it was then. */
  readonly isStored: boolean
}

/** The bytes that are left for others beside a message; one more may come in any case. */
const leftBeside = (message: Message | undefined): number =>
  message === undefined ? pageBytes : Math.max(0, pageBytes - Buffer.byteLength(JSON.stringify(message)))

export const make = (
  log: typeof EventLog.Service,
  owner: typeof RunOwner.Service,
  running: (session: Session) => Effect.Effect<Run | undefined>
) => {
  /** Up to which place a transcript was counted. What comes later has a later place, so only that is counted again. */
  const counted = new Map<SessionId, { readonly count: number; readonly last: number }>()

  const countOf = (session: SessionId) =>
    Effect.suspend(() => {
      const before = counted.get(session) ?? { count: 0, last: 0 }
      return Effect.map(log.countMessages(session, before.last), ({ count, last }) => {
        const now = { count: before.count + count, last }
        counted.delete(session)
        counted.set(session, now)
        if (counted.size > maxCounted) counted.delete(counted.keys().next().value!)
        return now.count
      })
    })

  const present = Effect.fnUntraced(function*(session: Session) {
    const here = owner.activity(session.id)?.reply
    const run = yield* running(session)
    const reply = here ?? (run === undefined ? undefined : yield* owner.replyInLog(run))
    // It is asked last: a reply that is not stored now was not stored when it was looked at.
    const isStored = reply !== undefined && (yield* log.placeOf(session.id, reply.id)) !== undefined
    return { run, reply, isStored }
  })

  /**
   * A page, whose reply in the making is not stored by its end either: its place
   * would be another one then, before what came after it.
   */
  const steady = <E>(
    session: Session,
    read: (now: Present) => Effect.Effect<TranscriptPage, E>
  ): Effect.Effect<TranscriptPage, E> => {
    const attempt = (left: number): Effect.Effect<TranscriptPage, E> =>
      Effect.gen(function*() {
        const now = yield* present(session)
        const page = yield* read(now)
        const isMoved = now.reply !== undefined && !now.isStored &&
          (yield* log.placeOf(session.id, now.reply.id)) !== undefined
        return isMoved && left > 0 ? yield* attempt(left - 1) : page
      })
    return attempt(maxTries - 1)
  }

  /** Whoever reads it while it goes on after a parking sees it as it is now. */
  const asItIs = (stored: ReadonlyArray<Message>, { isStored, reply }: Present): ReadonlyArray<Message> =>
    isStored && reply !== undefined ? stored.map((message) => message.id === reply.id ? reply : message) : stored

  return {
    /** The reply in the making, while it is not stored. */
    unfinished: (session: Session) =>
      Effect.map(present(session), ({ isStored, reply }) => isStored ? undefined : reply),

    /** From the `offset`th message on. */
    from: (session: Session, { limit, offset }: { readonly offset: number; readonly limit: number }) =>
      steady(
        session,
        Effect.fnUntraced(function*(now) {
          const making = now.isStored ? undefined : now.reply
          const placed = yield* log.messages(session.id, { offset, limit, bytes: pageBytes })
          const count = yield* countOf(session.id)
          const stored = asItIs(placed.map(({ message }) => message), now)
          const isLast = offset + stored.length >= count
          const messages = making !== undefined && isLast && stored.length < limit && offset <= count
            ? [...stored, making]
            : stored
          const total = count + (making === undefined ? 0 : 1)
          return { messages, total, is_running: now.run !== undefined, has_more: offset + messages.length < total }
        })
      ),

    /** The newest ones, or the newest of those before a message; oldest first. */
    newest: (
      session: Session,
      { before, limit }: { readonly before?: MessageId | undefined; readonly limit: number }
    ) =>
      steady(
        session,
        Effect.fnUntraced(function*(now) {
          const making = now.isStored ? undefined : now.reply
          const seq = before === undefined ? undefined : yield* log.placeOf(session.id, before)
          // What comes before the reply in the making is all that is stored.
          if (before !== undefined && seq === undefined && before !== making?.id) {
            return yield* NotFound.of("Message", before)
          }
          const shown = before === undefined ? making : undefined
          const room = shown === undefined ? limit : limit - 1
          const bytes = leftBeside(shown)
          const { messages: placed, more } = yield* log.older(session.id, seq, { limit: Math.max(room, 1), bytes })
          const count = yield* countOf(session.id)
          const stored = asItIs(placed.map(({ message }) => message), now)
          return {
            messages: shown === undefined ? stored : room === 0 ? [shown] : [...stored, shown],
            total: count + (making === undefined ? 0 : 1),
            is_running: now.run !== undefined,
            has_more: more || (room === 0 && stored.length > 0)
          }
        })
      )
  }
}
