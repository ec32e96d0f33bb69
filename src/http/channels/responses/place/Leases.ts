/**
 * One answer begins in a conversation at a time, whichever process gives it: what it finds in the conversation must be
 * what it changes. What a process holds that was killed is free again after a while.
 */
import { Effect, Fiber } from "effect"
import { NotFound } from "../../../../domain/Errors.ts"
import type { UserId } from "../../../../domain/Ids.ts"
import type { Conversation } from "../../../../domain/Response.ts"
import { NewId } from "../../../../services/NewId.ts"
import { now, timestampOf } from "../../../../services/Now.ts"
import { Storage } from "../../../../services/Storage.ts"
import { conversationLocked } from "../Refusals.ts"

/** How long a lease holds, in milliseconds. To begin an answer takes a small part of that; where it takes longer, the lease is renewed. */
const life = 15_000

/** How often a lease is renewed, and how many times at most: what takes longer hangs. */
const renewal = life / 3
const maxRenewals = 40

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

  /** A look that storage refuses is made up for by the next one: a lease outlives two of them. */
  const renewing = (owner: UserId, id: string, by: string) =>
    Effect.flatMap(now, (at) => {
      const until = timestampOf(Date.parse(at) + life)
      return conversations.modify(owner, id, (one) => one.lease?.by === by ? { ...one, lease: { by, until } } : one)
    }).pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("The lease of a conversation could not be renewed now", cause)),
      Effect.delay(renewal),
      Effect.repeatN(maxRenewals - 1)
    )

  /** What is done has been done, whatever becomes of this. */
  const giveBack = (owner: UserId, id: string, by: string) =>
    Effect.catchAllCause(
      conversations.modify(owner, id, (one) => one.lease?.by === by ? withoutLease(one) : one),
      (cause) => Effect.logDebug("A conversation is free again only when its lease has ended", cause)
    )

  return (owner: UserId, id: string) => <A, E, R>(begin: Effect.Effect<A, E, R>) =>
    Effect.suspend(() => {
      const by = newId.short()
      const renewed = Effect.acquireUseRelease(
        Effect.fork(Effect.interruptible(renewing(owner, id, by))),
        () => begin,
        Fiber.interrupt
      )
      return Effect.acquireUseRelease(waitFor(owner, id, by), () => renewed, () => giveBack(owner, id, by))
    })
})
