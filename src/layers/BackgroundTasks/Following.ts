/** Follows one task of this process to its end, and tells the session what it says meanwhile. */
import { Cause, Deferred, Duration, Effect, Exit, Fiber, Schedule } from "effect"
import type { BackgroundTask, TaskStatus } from "../../domain/BackgroundTask.ts"
import type { EventDraft } from "../../domain/Event.ts"
import type { MovedCall } from "../../services/BackgroundTasks.ts"
import { now } from "../../services/Now.ts"
import type { OwnedSession } from "../../services/RunOwner.ts"

/** How often the session is told of new output, and most characters of it in one event. */
const tellEvery = Duration.millis(300)
const maxDelta = 16 * 1024

/** How long its last words are tried to be told: what it has brought is stored by then. */
const lastWords = Duration.seconds(5)

/** How often the end of a task is written again while storage is away. */
const writeAgain = Schedule.exponential("200 millis").pipe(Schedule.union(Schedule.spaced("5 seconds")))

/** How often an end is tried that storage refuses with what the task has brought. */
const maxRefused = 3

export interface Following {
  readonly call: MovedCall
  /** `cancelled` by somebody, or its row is gone with its session. */
  readonly stop: Deferred.Deferred<"cancelled" | "gone">
  /** Completes when its end is written, or never will be. */
  readonly over: Deferred.Deferred<void>
  /** Whether the log has it. */
  isKept: boolean
}

export interface Options {
  /** Writes the end of a task; answers whether it ran until now. */
  readonly end: (task: BackgroundTask) => Effect.Effect<boolean>
  readonly tell: (session: OwnedSession, drafts: ReadonlyArray<EventDraft>) => Effect.Effect<boolean>
  /** The process ends: what still runs is lost. */
  readonly isLeaving: () => boolean
}

export const ended = (task: BackgroundTask): EventDraft => ({
  type: "CUSTOM",
  name: "task_ended",
  value: { task_id: task.id, tool_call_id: task.tool_call_id, tool_name: task.tool_name, status: task.status }
})

/** The next piece of a text, which never ends inside a character. */
const pieceOf = (text: string, from: number) => text.slice(from, from + maxDelta).replace(/[\uD800-\uDBFF]$/, "")

export const make = ({ end, isLeaving, tell }: Options) => {
  const sessionOf = ({ session_id: id, user_id }: BackgroundTask): OwnedSession => ({ id, user_id })

  /** What the session has not been told yet, once. */
  const teller = ({ events, said, task }: MovedCall) => {
    let told = 0
    let drafts: ReadonlyArray<EventDraft> = []
    const step = (last: ReadonlyArray<EventDraft>): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        drafts = [...drafts, ...events()]
        const delta = pieceOf(said(), told)
        const more = [...drafts]
        if (delta !== "") {
          const value = { task_id: task.id, tool_call_id: task.tool_call_id, delta }
          more.push({ type: "CUSTOM", name: "task_output", value })
        }
        const isLast = told + delta.length >= said().length
        if (isLast) more.push(...last)
        if (more.length === 0) return Effect.succeed(true)
        return Effect.map(tell(sessionOf(task), more), (isTold) => {
          if (!isTold) return false
          told += delta.length
          drafts = []
          return isLast
        })
      })
    return step
  }

  const safely = <A>(work: Effect.Effect<A>) =>
    Effect.catchAllCause(work, (cause) => Effect.logDebug("A session cannot be told of its task now", cause))

  /** Storage may be away for long; what it cannot hold is left out in the end. */
  const write = (task: BackgroundTask) => {
    let refused = 0
    return Effect.suspend(() => end(refused < maxRefused ? task : { ...task, output: [] })).pipe(
      Effect.sandbox,
      Effect.tapError((cause) => {
        if (!Cause.isInterruptedOnly(cause)) refused++
        return Effect.logWarning("The end of a task could not be written and is written again", cause)
      }),
      Effect.retry(writeAgain),
      Effect.orDie
    )
  }

  const finish = Effect.fnUntraced(function*(call: MovedCall, status: TaskStatus) {
    const output = yield* Effect.catchAllCause(
      call.output,
      (cause) => Effect.as(Effect.logWarning("What a task has brought could not be kept", cause), [])
    )
    const at = yield* now
    const task: BackgroundTask = { ...call.task, status, output, updated_at: at, ended_at: at }
    // Somebody else has taken this process for dead, and has told of the task already.
    return (yield* write(task)) ? task : undefined
  })

  return (following: Following): Effect.Effect<void> =>
    Effect.gen(function*() {
      const { call, over, stop } = following
      const kept = yield* Effect.exit(call.durable)
      if (Exit.isFailure(kept)) {
        yield* call.stop
        // The log may have it although it did not say so.
        yield* finish(call, "lost")
        return
      }
      following.isKept = true
      const step = teller(call)
      const telling = yield* Effect.forkScoped(Effect.forever(Effect.delay(safely(step([])), tellEvery)))
      const how = yield* Effect.raceFirst(call.end, Deferred.await(stop))
      yield* Fiber.interrupt(telling)
      if (how === "cancelled" || how === "gone") yield* call.stop
      if (how === "gone" || isLeaving()) return
      const task = yield* finish(call, how)
      // Whoever waits for the end need not wait for what is told of it.
      yield* Deferred.succeed(over, undefined)
      if (task === undefined) return
      yield* safely(step([ended(task)])).pipe(
        Effect.repeat({ until: (isOver) => isOver === true, schedule: Schedule.spaced(tellEvery) }),
        Effect.timeoutOption(lastWords)
      )
    }).pipe(
      Effect.scoped,
      Effect.catchAllCause((cause) =>
        Cause.isInterruptedOnly(cause) ? Effect.void : Effect.logError("A task could not be followed", cause)
      ),
      Effect.ensuring(Deferred.succeed(following.over, undefined)),
      Effect.annotateLogs({ task_id: following.call.task.id, session_id: following.call.task.session_id })
    )
}
