/**
 * The head of a conversation: the session that its next answer goes on in. Where an answer is about to move it, that is
 * noted before the answer's run is accepted, and counts from then on, also when the process is killed in between.
 */
import { Effect, Option } from "effect"
import type { NotFound } from "../../../../domain/Errors.ts"
import type { UserId } from "../../../../domain/Ids.ts"
import type { Conversation } from "../../../../domain/Response.ts"
import type { Session } from "../../../../domain/Session.ts"
import { now } from "../../../../services/Now.ts"
import { Storage } from "../../../../services/Storage.ts"

/** Runs that are looked at: others may have been sent into the session since, by whoever knows it. */
const newest = { limit: 20, cursor: undefined }

type Moving = NonNullable<Conversation["moving"]>

const staying = ({ moving: _, ...rest }: Conversation): Conversation => rest

/** What was told by the answer waits no longer, and what was taken out before is not in its session. */
const moved = (one: Conversation, { added, removed, session_id }: Moving): Conversation => {
  const [told, gone] = [new Set<string>(added), new Set(removed)]
  return {
    ...staying(one),
    session_id,
    added: one.added.filter((message) => !told.has(message.id)),
    removed: one.removed.filter((item) => !gone.has(item))
  }
}

export const make = Effect.gen(function*() {
  const { conversations, runs, sessions } = yield* Storage

  /** Whether the answer was accepted that was to move it: its run is there, and has what waited as a part of its input. */
  const isMoved = ({ session_id, user_id }: Conversation, moving: Moving) =>
    Effect.map(
      Effect.orDie(runs.list(user_id, newest, { session_id: moving.session_id }, "newest")),
      ({ items }) =>
        moving.session_id === session_id
          ? items.some(({ input }) => input.some(({ id }) => moving.added.includes(id)))
          : items.length > 0
    )

  /** As it is, whatever has been written of that. */
  const get = (owner: UserId, id: string): Effect.Effect<Conversation, NotFound> =>
    Effect.flatMap(conversations.get(owner, id), (one) => {
      const { moving } = one
      return moving === undefined
        ? Effect.succeed(one)
        : Effect.map(isMoved(one, moving), (isMoved) => isMoved ? moved(one, moving) : staying(one))
    })

  const sessionOf = ({ session_id, user_id }: Pick<Conversation, "session_id" | "user_id">) =>
    session_id === ""
      ? Effect.succeed(undefined)
      : Effect.map(Effect.option(sessions.get(user_id, session_id)), Option.getOrUndefined)

  return {
    get,
    sessionOf,

    /** The same, written down; with the session that was made and not used, if there is one. Only who may begin an answer in it may ask. */
    settle: Effect.fnUntraced(function*(owner: UserId, id: string) {
      const before = yield* conversations.get(owner, id)
      const { moving } = before
      if (moving === undefined) return { conversation: before, unused: undefined }
      const change = (yield* isMoved(before, moving)) ? (one: Conversation) => moved(one, moving) : staying
      const conversation = yield* conversations.modify(owner, id, change)
      const isUnused = conversation.session_id !== moving.session_id
      return {
        conversation,
        unused: isUnused ? yield* sessionOf({ user_id: owner, session_id: moving.session_id }) : undefined
      }
    }),

    /** Notes where an answer is about to move it; answers with what does so, for when it was accepted. */
    announce: Effect.fnUntraced(
      function*({ id, removed, session_id, user_id }: Conversation, session: Session, added: Moving["added"]) {
        if (session.id === session_id && added.length === 0) return Effect.void
        const moving: Moving = { session_id: session.id, added, removed: session.id === session_id ? [] : removed }
        const at = yield* now
        yield* conversations.modify(user_id, id, (one) => ({ ...one, moving }))
        return conversations.modify(
          user_id,
          id,
          (one) => one.moving?.session_id === moving.session_id ? { ...moved(one, moving), updated_at: at } : one
        )
      }
    )
  }
})
