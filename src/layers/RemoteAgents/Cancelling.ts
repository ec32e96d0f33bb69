/** Cancels the tasks that a run has begun elsewhere, when it has ended without an answer itself. */
import { Duration, Effect, Option, Schema } from "effect"
import { RunId } from "../../domain/Ids.ts"
import { maxRemoteCalls, remoteCancelKind } from "../../domain/RemoteAgent.ts"
import { done, type JobHandler, type Outcome } from "../../services/Jobs.ts"
import { Storage } from "../../services/Storage.ts"
import * as Calling from "./Calling.ts"

const decode = Schema.decodeUnknownOption(Schema.Struct({ run_id: RunId }))

/** Pauses of the job, while an agent cannot be reached. */
const pauses = [5, 30, 120, 600, 1_800].map(Duration.seconds)

export const handler = Effect.gen(function*() {
  const { remoteAgents, remoteCalls } = yield* Storage
  const { cancel } = yield* Calling.make

  const cancelling: JobHandler = {
    kind: remoteCancelKind,
    timeout: Duration.minutes(2),
    pauses,
    work: Effect.fnUntraced(function*({ payload, user_id: owner }) {
      const named = Option.getOrUndefined(decode(payload))
      if (named === undefined) return { result: "dead", error: "Its payload cannot be read." }
      const { items } = yield* Effect.orDie(
        remoteCalls.list(owner, { limit: maxRemoteCalls, cursor: undefined }, { run_id: named.run_id })
      )
      const left = yield* Effect.forEach(items, (call) =>
        Effect.flatMap(
          Effect.option(remoteAgents.get(owner, call.agent_id)),
          // Nobody knows any more how to reach it.
          (agent) =>
            Option.isNone(agent) ? Effect.succeed(false) : Effect.timeoutTo(cancel(agent.value, call), {
              duration: Duration.seconds(20),
              onSuccess: (again) => again,
              onTimeout: () => true
            })
        ), { concurrency: 8 })
      const again: Outcome = { result: "again", error: "An agent could not be reached." }
      return left.includes(true) ? again : done
    })
  }
  return cancelling
})
