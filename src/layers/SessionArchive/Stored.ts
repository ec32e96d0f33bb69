/** Looks through sessions by what is stored of them. */
import { Chunk, Effect, Either, Layer, Option, Stream } from "effect"
import { Malformed } from "../../domain/Errors.ts"
import * as Find from "../../domain/Find.ts"
import type { UserId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import { cursorAfter, keyOfCursor } from "../../domain/Page.ts"
import type { Session } from "../../domain/Session.ts"
import { EventLog } from "../../services/EventLog.ts"
import { SessionArchive, type SessionQuery } from "../../services/SessionArchive.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"

/** How many sessions, and bytes of messages, one page of a search looks at. */
const searchedSessions = 200
const searchedBytes = 32 * 1024 * 1024

/** How many messages, and bytes of them, are looked at in one go: meanwhile an embedded database serves nobody else. */
const lookedAtOnce = { limit: 500, bytes: 512 * 1024 }

/** How many messages, and bytes of them, an export reads at a time. */
const exportedAtOnce = { limit: 200, bytes: 512 * 1024 }

/** Where a search goes on: before the message at `before` of a session, or after the session where that is 0. */
interface Place {
  readonly session: string
  readonly before: number
}

const cursorOf = ({ before, session }: Place) => cursorAfter(`${session}@${before}`)

const placeOf = (cursor: string): Either.Either<Place, Malformed> =>
  Either.flatMap(keyOfCursor(cursor), (key) => {
    const [, session, before] = /^(.+)@(\d{1,10})$/.exec(key) ?? []
    return session === undefined || Number(before) > 2 ** 31 - 1
      ? Either.left(
        new Malformed({
          code: "invalid_cursor",
          detail: "The cursor is not one that a search gave. Use the next_cursor of the page before, or leave it out."
        })
      )
      : Either.right({ session, before: Number(before) })
  })

export const make = Effect.gen(function*() {
  const { sessions } = yield* Storage
  const log = yield* EventLog
  const hub = yield* SessionHub

  /** Looks for a text in a session, from a place back. Answers where to go on when there is no room for more. */
  const isSaid = Effect.fnUntraced(
    function*(session: Session, text: Find.Text, from: number | undefined, budget: { bytes: number }) {
      for (let before = from;;) {
        const looked = yield* log.look(session.id, before, { ...lookedAtOnce, anchor: text.anchor })
        budget.bytes -= looked.bytes
        if (looked.messages.some(({ message }) => Find.isSaidIn(text, message))) return true
        if (!looked.more || looked.last === undefined) return false
        before = looked.last
        if (budget.bytes <= 0) return before
        // A log in memory answers at once: others have their turn in between.
        yield* Effect.yieldNow()
      }
    }
  )

  const search = Effect.fnUntraced(function*(owner: UserId, { agent_id, cursor, limit, q }: SessionQuery) {
    const text = yield* Find.textOf(q, "q")
    const place = cursor === undefined ? undefined : yield* placeOf(cursor)
    const items: Array<Session> = []
    const budget = { bytes: searchedBytes }
    let after = place?.session
    if (place !== undefined && place.before > 0) {
      // It may have been deleted meanwhile, or be somebody else's.
      const begun = yield* Effect.option(sessions.get(owner, place.session))
      const said = Option.isNone(begun) ? false : yield* isSaid(begun.value, text, place.before, budget)
      if (typeof said === "number") return { items, next_cursor: cursorOf({ session: place.session, before: said }) }
      if (said && Option.isSome(begun)) items.push(begun.value)
    }
    const next = yield* sessions.search(
      owner,
      { limit: searchedSessions, cursor: after === undefined ? undefined : cursorAfter(after) },
      { anchor: "", isIn: () => true },
      agent_id === undefined ? {} : { agent_id }
    )
    for (const session of next.items) {
      if (items.length === limit || budget.bytes <= 0) {
        return { items, next_cursor: after === undefined ? null : cursorOf({ session: after, before: 0 }) }
      }
      const said = Find.isIn(text, session.config.name) || (yield* isSaid(session, text, undefined, budget))
      if (typeof said === "number") return { items, next_cursor: cursorOf({ session: session.id, before: said }) }
      if (said) items.push(session)
      after = session.id
    }
    const more = next.next_cursor === null ? undefined : Either.getOrUndefined(keyOfCursor(next.next_cursor))
    return { items, next_cursor: more === undefined ? null : cursorOf({ session: more, before: 0 }) }
  })

  /** The next messages after a place; at the end the reply in the making, if there is one. */
  const nextOf = Effect.fnUntraced(function*(session: Session, after: number) {
    const read = log.newer(session.id, after, exportedAtOnce)
    let placed = yield* read
    let making: Message | undefined
    if (placed.length === 0) {
      making = yield* hub.unfinished(session)
      // It may have been stored since the end was read: what is not stored now comes after all that is.
      placed = yield* read
    }
    const last = placed.at(-1)
    return last === undefined
      ? { messages: making === undefined ? [] : [making], next: Option.none<number>() }
      : { messages: placed.map(({ message }) => message), next: Option.some(last.seq) }
  })

  const transcript = (session: Session): Stream.Stream<ReadonlyArray<Message>> =>
    Stream.paginateChunkEffect(0, (after) =>
      Effect.map(
        nextOf(session, after),
        ({ messages, next }) => [messages.length === 0 ? Chunk.empty() : Chunk.of(messages), next] as const
      ))

  return SessionArchive.of({ search, transcript })
})

export const layer: Layer.Layer<SessionArchive, never, Storage | EventLog | SessionHub> = Layer.effect(
  SessionArchive,
  make
)
