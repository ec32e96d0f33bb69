/** Stops what a run has handed over, when it has ended without an answer itself. What those have handed over is stopped by their ends. */
import { Duration, Effect, Option, Schema } from "effect"
import { maxDelegations, stopKind } from "../../domain/Delegation.ts"
import { RunId } from "../../domain/Ids.ts"
import { done, type JobHandler, type Outcome } from "../../services/Jobs.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"

const Payload = Schema.Struct({ run_id: RunId })
const decode = Schema.decodeUnknownOption(Payload)

/** Pauses of the job, while a run does not say that it has stopped. */
const pauses = Array.from({ length: 10 }, (_, i) => Duration.seconds(2 ** i))

/** What was on its way when the run ended is there by then. */
const lookAgain = Duration.seconds(2)

export const handler = Effect.gen(function*() {
  const { runs, sessions } = yield* Storage
  const hub = yield* SessionHub

  const stopping: JobHandler = {
    kind: stopKind,
    timeout: Duration.seconds(60),
    pauses,
    work: Effect.fnUntraced(function*({ error, payload, user_id: owner }) {
      const named = Option.getOrUndefined(decode(payload))
      if (named === undefined) return { result: "dead", error: "Its payload cannot be read." }
      const { items } = yield* Effect.orDie(
        runs.list(owner, { limit: maxDelegations, cursor: undefined }, { source: "agent", source_id: named.run_id })
      )
      const open = items.filter(({ status }) => status !== "ended")
      const stopped = yield* Effect.forEach(
        open,
        ({ id, session_id }) =>
          Effect.flatMap(sessions.get(owner, session_id), (session) => hub.cancel(session, id)).pipe(
            // Its session was deleted meanwhile, and it has ended with it.
            Effect.catchTag("NotFound", () => Effect.void),
            Effect.option
          )
      )
      const isFirst = error === null
      if (isFirst) return { result: "again", error: "It is looked once more.", pause: lookAgain }
      const again: Outcome = { result: "again", error: "A run does not say that it has stopped." }
      return stopped.some(Option.isNone) ? again : done
    })
  }
  return stopping
})
