/** Tells those who follow a session that its rules have changed, also while nothing runs in it. */
import { Deferred, Duration, Effect, FiberId } from "effect"
import { stateUpdated } from "../../domain/CustomEvents.ts"
import type { OwnedSession } from "../../services/RunOwner.ts"
import { elsewhere, type Parts } from "./Parts.ts"

/** How long to wait before another attempt, and for how long attempts are made. */
const retryEvery = Duration.millis(200)
const maxTelling = Duration.minutes(1)

/** How long a request waits for it. The change itself is stored by then. */
const patience = Duration.seconds(1)

export const make = (parts: Parts) => {
  const { background, rooms, storage: { sessions } } = parts

  /** Returns whether it is told. */
  const attempt = (session: OwnedSession) =>
    Effect.gen(function*() {
      const room = yield* rooms.get(session)
      // The lock makes two changes tell the newest state last; a run that is recovered meanwhile would take the event for another process's.
      const isTold = yield* room.lock.withPermits(1)(Effect.gen(function*() {
        const { state } = yield* sessions.get(session.user_id, session.id)
        yield* room.follow
        // A page of this process would end the run that another one drives: its end is waited for.
        if (elsewhere(parts, room) !== undefined) return false
        room.emit(null, stateUpdated(state))
        return true
      }))
      if (isTold) yield* room.durable
      return isTold
    }).pipe(
      Effect.scoped,
      Effect.catchTags({
        NotFound: () => Effect.succeed(true),
        // Another process was first: a new room knows what that one wrote.
        AppendRefused: ({ reason }) => Effect.succeed(reason !== "fenced")
      })
    )

  /**
   * The row has changed before: a process that is killed just between the two has told nobody. Whoever reads the
   * session finds the change.
   */
  const tellState = (session: OwnedSession): Effect.Effect<void> =>
    Effect.suspend(() => {
      const done = Deferred.unsafeMake<void>(FiberId.none)
      background(
        attempt(session).pipe(
          Effect.tap((isTold) => isTold ? Effect.void : Effect.sleep(retryEvery)),
          Effect.repeat({ until: (isTold) => isTold }),
          Effect.timeoutOption(maxTelling),
          Effect.catchAllCause((cause) => Effect.logError("A change of a session's state could not be told", cause)),
          Effect.annotateLogs({ session_id: session.id }),
          Effect.ensuring(Deferred.succeed(done, undefined))
        )
      )
      return Effect.asVoid(Effect.timeoutOption(Deferred.await(done), patience))
    })

  return { tellState }
}
