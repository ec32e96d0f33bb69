/**
 * Starts a run for a result that no run has told. It says nothing by itself: the run tells what is there in its first
 * step, and an active one that takes it up as a steering input does so before its next. So it may come twice and too late.
 */
import { Clock, Duration, Effect, Option, Schema } from "effect"
import { isUntold } from "../../domain/BackgroundTask.ts"
import type { Accepted, ChatRequest } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import type { Conflict } from "../../domain/Errors.ts"
import { SessionId, TaskId } from "../../domain/Ids.ts"
import { BackgroundTasks, taskJobKind } from "../../services/BackgroundTasks.ts"
import { done, type JobHandler, type Jobs, type Outcome } from "../../services/Jobs.ts"
import { now } from "../../services/Now.ts"
import { SessionHub } from "../../services/SessionHub.ts"
import { Storage } from "../../services/Storage.ts"
import { TaskStore } from "../../services/TaskStore.ts"
import { Waker } from "../../services/Waker.ts"
import { supervise } from "../Supervise.ts"

const Payload = Schema.Struct({ task_id: TaskId, session_id: SessionId })
const decode = Schema.decodeUnknownOption(Payload)

/** Attempts that leave it to the run which goes on in the session: most tell of it before their next step. */
const patient = 3

const pauses = [
  ...["500 millis", "1 second", "2 seconds"].map((pause) => Duration.decode(pause as Duration.DurationInput)),
  ...Array.from({ length: 12 }, (_, i) => Duration.seconds(Math.min(5 * 2 ** i, 3_600)))
]

/** Tasks are kept for a month after their end. */
const kept = Duration.days(30)
const pruneEvery = Duration.minutes(10)
const pruneBatch = 500

/** Its jobs are done apart from those of others: it needs sessions, which tell others of what they do by jobs. */
export const handler = Effect.gen(function*() {
  const store = yield* TaskStore
  const storage = yield* Storage
  const hub = yield* SessionHub

  const again = (error: string): Outcome => ({ result: "again", error })
  const notYet = again("It is not told yet.")

  const waking: JobHandler = {
    kind: taskJobKind,
    timeout: Duration.seconds(20),
    pauses,
    work: Effect.fnUntraced(function*({ attempts, payload, user_id: owner }) {
      const named = Option.getOrUndefined(decode(payload))
      if (named === undefined) return { result: "dead", error: "Its payload cannot be read." }
      const task = Option.getOrUndefined(yield* Effect.option(storage.backgroundTasks.get(owner, named.task_id)))
      const session = Option.getOrUndefined(yield* Effect.option(storage.sessions.get(owner, named.session_id)))
      // Its session is gone, it is told already, or somebody has stopped the session: then it is told by the next run.
      if (task === undefined || session === undefined || !isUntold(task)) return done
      if (yield* store.isQuiet(task.id)) return done
      const status = yield* hub.status(session)
      if (attempts <= patient && status === "running") return again("A run goes on.")
      // An input that was taken may not have told it: its run may have been killed between two of the steps that tell. So
      // only what is told is done; it is asked for again where nothing is left that could tell.
      const wasSent = Option.isSome(yield* Effect.option(storage.claims.host.get(`task ${task.id}`)))
      const isLast = attempts > pauses.length
      if (wasSent && (isLast || status !== "idle")) return isLast ? done : notYet
      const claimId = wasSent ? `task ${task.id} ${attempts}` : `task ${task.id}`
      const request: ChatRequest = {
        agent_id: session.agent_id,
        session_id: session.id,
        input: null,
        on_busy: "steer",
        tools: []
      }
      const at = yield* now
      const claimOf = (answer: Accepted): Claim => ({
        id: claimId,
        user_id: owner,
        created_at: at,
        updated_at: at,
        digest: "",
        answer: JSON.stringify(answer),
        is_sealed: false
      })
      return yield* hub.send(owner, request, claimOf, { source: "task", source_id: task.id }).pipe(
        // What waits for a person may wait for long. It is told by the run that goes on then.
        Effect.as(isLast ? done : notYet),
        // What its owner has to mend first, such as a model that is missing: it is told when somebody talks to the session.
        Effect.catchTags({
          NotFound: () => Effect.succeed(done),
          Invalid: () => Effect.succeed(done),
          Conflict: (refused: Conflict) =>
            Effect.succeed(refused.code === "session_moved" ? again(refused.detail) : done),
          LimitReached: ({ detail }) => Effect.succeed(again(detail)),
          Unavailable: ({ detail }) => Effect.succeed(again(detail))
        })
      )
    })
  }

  return waking
})

export const make = Effect.fnUntraced(function*(jobs: typeof Jobs.Service) {
  const tasks = yield* BackgroundTasks
  const store = yield* TaskStore

  const pruning = Effect.flatMap(Clock.currentTimeMillis, (millis) =>
    Effect.repeat(
      store.prune(millis - Duration.toMillis(kept), pruneBatch),
      { while: (removed) => removed === pruneBatch }
    )).pipe(
      Effect.catchAllCause((cause) => Effect.logDebug("Old tasks cannot be removed now", cause)),
      Effect.delay(pruneEvery),
      Effect.forever
    )

  return Waker.of({
    run: Effect.gen(function*() {
      yield* tasks.listen(() => Effect.runSync(jobs.wake))
      yield* Effect.forkScoped(supervise("Removal of old tasks", pruning))
      return yield* jobs.run
    }).pipe(Effect.scoped)
  })
})
