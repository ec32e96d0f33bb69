/**
 * The tasks of this process, and those of others as far as storage tells of them.
 *
 *   running ── its call ends ──► completed, failed ──┐
 *      │ ├──── its process is gone ──► lost ─────────┼──► told, by the next step of its agent
 *      │ └──── somebody stops it ──► cancelled       │
 *      └ its row begins with the call's result       └ its row has a job, which starts a run for it in an idle session
 *
 * Each arrow is one write: of the log, with the events that tell of it, or of one row that must be `running` still.
 */
import { Clock, Deferred, Duration, Effect, Exit, FiberId, FiberSet, Layer, Scope } from "effect"
import type { BackgroundTask } from "../../domain/BackgroundTask.ts"
import { isUntold } from "../../domain/BackgroundTask.ts"
import { NotFound, Unavailable } from "../../domain/Errors.ts"
import type { RunId, SessionId, TaskId } from "../../domain/Ids.ts"
import { newJob } from "../../domain/Job.ts"
import { BackgroundTasks, missing, type MovedCall, taskJobKind } from "../../services/BackgroundTasks.ts"
import { JobStore } from "../../services/JobStore.ts"
import { now } from "../../services/Now.ts"
import { Peers } from "../../services/Peers.ts"
import { Rooms } from "../../services/Rooms.ts"
import type { OwnedSession } from "../../services/RunOwner.ts"
import { Storage } from "../../services/Storage.ts"
import { type Chosen, type RunningTask, TaskStore } from "../../services/TaskStore.ts"
import * as Listeners from "../Listeners.ts"
import { supervise } from "../Supervise.ts"
import * as Following from "./Following.ts"
import * as Telling from "./Telling.ts"

/** Most tasks that run in one session, of one owner and in all, in this process. Calls beyond wait for their end as before. */
export const maxOfSession = 16
export const maxOfOwner = 100
const maxOfAll = 1_000

/** How many results are told before one step; the next ones before the step after it. */
const maxTold = 8

/** How long a request to stop waits until the stop is durable, and how often it looks. */
const stopTimeout = Duration.millis(1_700)
const lookEvery = Duration.millis(100)

/** How often it is looked at what other processes want and have left. */
const sweepEvery = Duration.seconds(1)

/** How long the end of the process waits for calls that do not stop. */
const leaveTimeout = Duration.seconds(2)

const notStopped = new Unavailable({
  code: "task_not_stopped",
  detail: "The task does not say yet that it has stopped. The stop stays asked for; ask again to know.",
  retry_after: 2
})

export const make = Effect.gen(function*() {
  const store = yield* TaskStore
  const storage = yield* Storage
  const jobs = yield* JobStore
  const rooms = yield* Rooms
  const peers = yield* Peers
  const { self } = peers
  const scope = yield* Scope.make()
  const fibers = yield* Scope.extend(FiberSet.make<void, never>(), scope)
  const fork = yield* FiberSet.runtime(fibers)<never>()
  const live = new Map<TaskId, Following.Following>()
  /** Sessions in which there may be something to tell. */
  let ringing = new Set<SessionId>()
  const ended = Listeners.make()
  let isLeaving = false

  // Calls that do not stop are abandoned: the process must end all the same.
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      isLeaving = true
      return Effect.timeoutOption(Effect.disconnect(Effect.interruptible(Scope.close(scope, Exit.void))), leaveTimeout)
    })
  )

  const tell = Telling.make(rooms, peers)

  /** The end of a task and the job that tells of it are written together. */
  const end = (task: BackgroundTask) =>
    storage.transaction(Effect.gen(function*() {
      if (!(yield* store.end(task))) return false
      if (!isUntold(task)) return true
      const payload = { task_id: task.id, session_id: task.session_id }
      yield* jobs.add([newJob(`task.${task.id}`, task.user_id, taskJobKind, payload, task.updated_at)])
      return true
    })).pipe(Effect.tap((isWritten) => {
      // The row is there before anybody looks for it.
      if (!isWritten || !isUntold(task)) return
      ringing.add(task.session_id)
      ended.call()
    }))

  const follow = Following.make({ end, tell, isLeaving: () => isLeaving })

  const adopt = (call: MovedCall) => {
    const following: Following.Following = {
      call,
      stop: Deferred.unsafeMake(FiberId.none),
      over: Deferred.unsafeMake(FiberId.none),
      isKept: false
    }
    live.set(call.task.id, following)
    fork(Effect.ensuring(follow(following), Effect.sync(() => live.delete(call.task.id))))
  }

  const stopHere = ({ stop }: Following.Following) => {
    Deferred.unsafeDone(stop, Effect.succeed("cancelled"))
  }

  /** Ends a task whose process cannot do it any more. */
  const endFor = Effect.fnUntraced(function*({ id, stop }: Pick<RunningTask, "id" | "stop">) {
    const at = yield* now
    const before = yield* storage.backgroundTasks.host.get(id)
    const task: BackgroundTask = { ...before, status: stop ? "cancelled" : "lost", updated_at: at, ended_at: at }
    if (!(yield* end(task))) return
    yield* Effect.timeoutOption(
      tell({ id: task.session_id, user_id: task.user_id }, [Following.ended(task)]),
      lookEvery
    )
  }, Effect.catchTag("NotFound", () => Effect.void))

  /** Tasks that no process follows: theirs is gone, or this one has lost them. */
  const lostOf = Effect.fnUntraced(function*(running: ReadonlyArray<RunningTask>) {
    const foreign = running.some(({ process }) => process !== self)
    const living = foreign ? yield* peers.living : new Set<string>()
    return running.filter(({ id, process }) => process === self ? !live.has(id) : !living.has(process))
  })

  const recover = Effect.gen(function*() {
    const { running, untold } = yield* store.look
    for (const session of untold) ringing.add(session)
    const lost = yield* lostOf(running)
    if (lost.length > 0) yield* Effect.logInfo(`Telling of ${lost.length} tasks whose server has stopped`)
    yield* Effect.forEach(lost, endFor, { concurrency: 8, discard: true })
  })

  const isOf = ({ id, owner, run_id, session_id }: Chosen) => ({ call: { task } }: Following.Following) =>
    task.user_id === owner && task.session_id === session_id && (id === undefined || task.id === id) &&
    (run_id === undefined || task.run_id === run_id)

  /** Those of other processes, and of processes that are gone. */
  const stopElsewhere = Effect.fnUntraced(function*(chosen: Chosen) {
    if ((yield* store.stop(chosen)) === 0) return
    for (;;) {
      const { running } = yield* store.look
      const open = running.filter(({ id, owner, session_id, stop }) =>
        stop && owner === chosen.owner && session_id === chosen.session_id &&
        (chosen.id === undefined || id === chosen.id)
      )
      if (open.length === 0) return
      yield* Effect.forEach(yield* lostOf(open), endFor, { discard: true })
      // A notice may be lost, so it is given again.
      peers.notify({ type: "tasks", session: chosen.session_id })
      yield* Effect.sleep(lookEvery)
    }
  })

  const stop = (chosen: Chosen) =>
    Effect.suspend(() => {
      const here = [...live.values()].filter(isOf(chosen))
      for (const following of here) stopHere(following)
      const isKnown = peers.alone && (here.length > 0 || chosen.id === undefined) && !ringing.has(chosen.session_id)
      return Effect.forEach(here, ({ over }) => Deferred.await(over), { discard: true }).pipe(
        // Alone, nothing can run or wait to be told that this process does not know of.
        Effect.zipRight(isKnown ? Effect.void : stopElsewhere(chosen)),
        Effect.timeoutFail({ duration: stopTimeout, onTimeout: () => notStopped })
      )
    })

  const untold = ({ id, user_id }: OwnedSession) =>
    Effect.suspend(() => {
      // Before the question: what ends meanwhile rings again.
      ringing.delete(id)
      return storage.backgroundTasks.list(
        user_id,
        { limit: maxTold, cursor: undefined },
        { session_id: id, untold: "yes" }
      )
    }).pipe(
      Effect.orDie,
      Effect.map(({ items }) => items),
      Effect.tap((items) => {
        if (items.length > 0) ringing.add(id)
      })
    )

  /** What other processes want of this one and have left, and what there is to tell. */
  const sweeping = Effect.gen(function*() {
    const bell = yield* Effect.makeLatch(false)
    yield* peers.listen(({ type }) => {
      if (type === "tasks" || type === "look") bell.unsafeOpen()
    })
    let suspects = new Set<TaskId>()
    return yield* Effect.forever(
      Effect.gen(function*() {
        yield* Effect.timeoutOption(bell.await, sweepEvery)
        bell.unsafeClose()
        const before = new Set(ringing)
        const kept = [...live.values()].filter(({ isKept }) => isKept)
        const look = yield* store.look
        const rung = new Set(look.untold)
        // What has begun to ring meanwhile may not be among them.
        ringing = new Set([...rung, ...[...ringing].filter((session) => !before.has(session))])
        const byId = new Map(look.running.map((task) => [task.id, task]))
        for (const following of kept) {
          const row = byId.get(following.call.task.id)
          if (row?.stop === true) stopHere(following)
          else if (row === undefined) Deferred.unsafeDone(following.stop, Effect.succeed("gone"))
        }
        // A process that is away for a moment keeps its tasks: only what is found twice is lost.
        const lost = yield* lostOf(look.running)
        yield* Effect.forEach(lost.filter(({ id }) => suspects.has(id)), endFor, { concurrency: 8, discard: true })
        suspects = new Set(lost.map(({ id }) => id))
      }).pipe(
        Effect.catchAllCause((cause) =>
          Effect.zipRight(Effect.logDebug("Tasks cannot be looked at now", cause), Effect.sleep(sweepEvery))
        )
      )
    )
  }).pipe(Effect.scoped)

  if (!peers.alone) {
    yield* Effect.forkIn(Effect.withClock(supervise("The look at tasks", sweeping), Clock.make()), scope)
  }

  return BackgroundTasks.of({
    self,
    begin: (call) => Effect.forkIn(Effect.interruptible(call), scope),
    hasRoom: ({ id, user_id }) => {
      if (isLeaving || live.size >= maxOfAll) return false
      const mine = [...live.values()].filter(({ call: { task } }) => task.user_id === user_id)
      return mine.length < maxOfOwner &&
        mine.filter(({ call: { task } }) => task.session_id === id).length < maxOfSession
    },
    adopt,
    mayTell: (session) => ringing.has(session),
    untold,
    told: (session) => Effect.asVoid(untold(session)),
    said: (id) => live.get(id)?.call.said(),
    cancel: Effect.fnUntraced(function*({ id: session_id, user_id: owner }, id) {
      const chosen = { owner, session_id, id }
      const following = live.get(id)
      if (following === undefined || !isOf(chosen)(following)) {
        const task = yield* Effect.mapError(
          storage.backgroundTasks.get(owner, id),
          () => new NotFound({ detail: missing(id, session_id) })
        )
        if (task.session_id !== session_id) return yield* new NotFound({ detail: missing(id, session_id) })
        if (task.status !== "running") return
      }
      yield* stop(chosen)
    }),
    cancelAll: ({ id, user_id }: OwnedSession, run?: RunId) =>
      stop({ owner: user_id, session_id: id, ...(run !== undefined && { run_id: run }) }),
    listen: ended.listen,
    recover
  })
})

export const layer: Layer.Layer<BackgroundTasks, never, TaskStore | Storage | JobStore | Rooms | Peers> = Layer.scoped(
  BackgroundTasks,
  make
)
