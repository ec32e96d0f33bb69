/**
 * One answer begins in a conversation at a time, whichever process gives it: what it finds in the conversation must be
 * what it changes. What a process holds that was killed is free again after a while.
 */
import { Effect } from "effect"
import { NotFound } from "../../../../domain/Errors.ts"
import type { UserId } from "../../../../domain/Ids.ts"
import type { Conversation } from "../../../../domain/Response.ts"
import { NewId } from "../../../../services/NewId.ts"
import { now, timestampOf } from "../../../../services/Now.ts"
import { Storage } from "../../../../services/Storage.ts"
import { conversationLocked } from "../Refusals.ts"

/** How long a lease holds, in milliseconds. To begin an answer takes a small part of that. */
const life = 15_000

/** The first and the longest pause between two looks, and how many looks there are: together longer than a lease holds. */
const firstPause = 20
const longestPause = 250
const maxLooks = 80

const withoutLease = ({ lease: _, ...rest }: Conversation): Conversation => rest

export const make = Effect.gen(function*() {
  const { conversations } = yield* Storage
  const newId = yield* NewId

  const take = Effect.fnUntraced(function*(owner: UserId, id: string, by: string) {
    const at = yield* now
    const until = timestampOf(Date.parse(at) + life)
    const { lease } = yield* Effect.mapError(
      conversations.modify(
        owner,
        id,
        (one) => one.lease === undefined || one.lease.until < at ? { ...one, lease: { by, until } } : one
      ),
      () => NotFound.of("Conversation", id)
    )
    return lease?.by === by
  })

  const waitFor = Effect.fnUntraced(function*(owner: UserId, id: string, by: string) {
    for (let look = 0, pause = firstPause; look < maxLooks; look++, pause = Math.min(pause * 2, longestPause)) {
      if (yield* take(owner, id, by)) return
      // Whoever leaves waits no longer: nothing is begun yet.
      yield* Effect.interruptible(Effect.sleep(pause))
    }
    return yield* conversationLocked
  })

  /** What is done has been done, whatever becomes of this. */
  const giveBack = (owner: UserId, id: string, by: string) =>
    Effect.catchAllCause(
      conversations.modify(owner, id, (one) => one.lease?.by === by ? withoutLease(one) : one),
      (cause) => Effect.logDebug("A conversation is free again only when its lease has ended", cause)
    )

  return (owner: UserId, id: string) => <A, E, R>(begin: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const by = newId.short()
      return Effect.acquireUseRelease(waitFor(owner, id, by), () => begin, () => giveBack(owner, id, by))
    })
})
