/** The active runs of this process: at most one in each session, each with a fiber that drives it to its end. */
import { Cause, type Clock, Deferred, Duration, Effect, Exit, FiberId, FiberSet, Option, Scope } from "effect"
import type { SessionId } from "../../domain/Ids.ts"
import type { Message } from "../../domain/Message.ts"
import type * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { AgentRunner } from "../../services/AgentRunner.ts"
import type { AppendRefused } from "../../services/EventLog.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Room, Rooms } from "../../services/Rooms.ts"
import type { Storage } from "../../services/Storage.ts"
import * as ActiveRun from "./ActiveRun.ts"
import { broken, crashLoop, gone, interrupted, maxAttempts, unstorable } from "./Endings.ts"
import { logEnd } from "./EndLog.ts"
import * as Records from "./Records.ts"

/** How long the end of a process waits for runs that do not stop, or whose storage does not write. */
const leaveTimeout = Duration.seconds(3)

export interface Options {
  readonly runner: typeof AgentRunner.Service
  readonly rooms: typeof Rooms.Service
  readonly storage: Pick<typeof Storage.Service, "agents" | "sessions">
  readonly clock: Clock.Clock
  /** The id of this process. */
  readonly self: string
  /** Reports that storage may hold a write that it never confirmed. */
  readonly onUnconfirmed: () => void
}

export const make = Effect.fnUntraced(function*({ clock, onUnconfirmed, rooms, runner, self, storage }: Options) {
  const { agents, sessions } = storage
  const scope = yield* Scope.make()
  const fibers = yield* Scope.extend(FiberSet.make<void, never>(), scope)
  // This runtime is uninterruptible, so that a run is never stopped before its first step: it could not write how it ended.
  const fork = yield* Effect.uninterruptible(FiberSet.runtime(fibers)<never>())
  const activeRuns = new Map<SessionId, ActiveRun.ActiveRun>()
  /** Rooms in which runs were active, and whether they have died. */
  const known = new WeakMap<Room, { isRefused: boolean }>()
  /** Runs of which storage refused something, although it wrote others'. */
  const unwritable = new Set<Run["id"]>()
  /** No run begins any more. */
  let isClosing = false
  /** Runs that are still active are left for the next start. */
  let isLeaving = false

  const now = () => timestampOf(clock.unsafeCurrentTimeMillis())

  const endUnbegun = (room: Room, run: Run, how: Reply.Ending) => {
    unwritable.delete(run.id)
    Records.endUnbegun(room, run, how, now())
  }

  /** Takes inputs out of the queue and ends their runs, in one turn of the event loop, so that none of them can begin. */
  const endPending = (
    active: ActiveRun.ActiveRun,
    those: (pending: ActiveRun.PendingInput) => boolean,
    how: Reply.Ending
  ) => {
    const ended = active.queue.filter(those)
    // The next run shares this array, so it must be changed in place.
    for (const pending of ended) active.queue.splice(active.queue.indexOf(pending), 1)
    for (const { run } of ended) endUnbegun(active.room, run, how)
    return ended
  }

  /** Ends the runs whose input goes into another reply, and hands that input over. */
  const takeSteering = (room: Room): ReadonlyArray<ReadonlyArray<Message>> => {
    const active = activeRuns.get(room.session_id)
    if (active === undefined) return []
    return endPending(active, ({ run }) => run.on_busy === "steer", { finished_reason: "completed", error: null })
      .map(({ run }) => run.input)
  }

  const { begin, of } = ActiveRun.make({ self, now, takeSteering })

  const work = Effect.fnUntraced(function*(room: Room, { out, run }: ActiveRun.ActiveRun) {
    // The attempt must be durable before it can fail: attempts are counted to give up a run that kills every process.
    if (run.attempt > 1) yield* out.durable
    if (run.attempt > maxAttempts) return unwritable.has(run.id) ? unstorable : crashLoop
    const session = yield* sessions.get(run.user_id, run.session_id)
    const agent = yield* agents.get(run.user_id, run.agent_id)
    const { chat_model_config, code, definition } = agent.data
    // The session names the model, but for agents that are code or defined by the operator.
    const model = session.config.chat_model_config ?? (definition === undefined ? null : chat_model_config)
    if (model === null && code === undefined) return gone
    const context = room.context()
    const before = context.at(-1)?.id === run.reply_id ? context.slice(0, -1) : context
    return yield* runner.run({ run, session, agent, context: before, compaction: room.compaction() }, out)
  }, Effect.catchTag("NotFound", () => Effect.succeed(gone)))

  const outcomeOf = (
    exit: Exit.Exit<Reply.Outcome, AppendRefused>,
    { run, stopping }: ActiveRun.ActiveRun
  ): Effect.Effect<Reply.Outcome> => {
    // The run was stopped in the moment in which it wanted to park: the stop wins.
    if (Exit.isSuccess(exit)) return Effect.succeed("waiting_for" in exit.value && stopping ? stopping : exit.value)
    if (stopping !== undefined) return Effect.succeed(stopping)
    if (Cause.isInterruptedOnly(exit.cause)) return Effect.succeed(interrupted)
    return Effect.logError("A run broke", exit.cause).pipe(
      Effect.annotateLogs({ run_id: run.id, session_id: run.session_id }),
      Effect.as(broken)
    )
  }

  /** Leaves the run without ending it: another process drives it, or the next start will. */
  const isLeft = (exit: Exit.Exit<Reply.Outcome, AppendRefused>, { isLost, stopping }: ActiveRun.ActiveRun) =>
    isLost || (Exit.isFailure(exit) &&
      (Option.isSome(Cause.failureOption(exit.cause)) || (isLeaving && stopping === undefined)))

  /** Makes the session idle, or the next run active. All runs wait behind a parked one. */
  const handOver = ({ queue, room }: ActiveRun.ActiveRun) => {
    const next = isClosing || room.open().some(Records.isParked) ? undefined : queue.shift()
    if (next === undefined) activeRuns.delete(room.session_id)
    else start(begin(room, next), queue)
  }

  /** Drives a run until it ends or parks. Returns whether that is durable. */
  const drive = Effect.fnUntraced(function*(active: ActiveRun.ActiveRun) {
    const { room } = active
    // The run holds its room, which must stay while the run is active.
    yield* rooms.get({ id: room.session_id, user_id: room.owner })
    const exit = yield* Effect.exit(
      active.stopping !== undefined || active.isLost ? Effect.interrupt : Effect.interruptible(work(room, active))
    )
    if (isLeft(exit, active)) return false
    const outcome = yield* outcomeOf(exit, active)
    if ("waiting_for" in outcome) Records.park(active, outcome.waiting_for, now())
    else Records.end(active, outcome, now(), unwritable.has(active.run.id))
    // This happens before any subscriber sees the end, so that a client which has seen it finds the session idle.
    room.whenDurable(() => handOver(active))
    const isDurable = Exit.isSuccess(yield* Effect.exit(room.durable))
    if (isDurable && !("waiting_for" in outcome)) yield* logEnd(active.run, outcome)
    return isDurable
  }, Effect.scoped)

  const driven = (active: ActiveRun.ActiveRun) =>
    drive(active).pipe(
      Effect.catchAllCause((cause) =>
        Effect.as(Effect.logError("A run could not be driven", cause), false).pipe(
          Effect.annotateLogs({ run_id: active.run.id, session_id: active.run.session_id })
        )
      ),
      Effect.map((isOver) => {
        if (!isOver && activeRuns.get(active.run.session_id) === active) activeRuns.delete(active.run.session_id)
        if (isOver) unwritable.delete(active.run.id)
        // This comes after the session has become idle, so that waiters find it idle.
        Deferred.unsafeDone(active.left, Exit.succeed(isOver))
      })
    )

  /** Registers one callback for each room's death: one for each run would use more memory with every run. */
  const watch = (room: Room) => {
    const before = known.get(room)
    if (before !== undefined) return before
    const state = { isRefused: false }
    known.set(room, state)
    room.whenRefused(({ reason }) => {
      state.isRefused = true
      const active = activeRuns.get(room.session_id)
      if (active?.room === room) {
        active.isLost = true
        if (reason === "broken") unwritable.add(active.run.id)
        activeRuns.delete(room.session_id)
        active.fiber?.unsafeInterruptAsFork(FiberId.none)
      }
      if (reason === "withdrawn" || reason === "broken") onUnconfirmed()
    })
    return state
  }

  const start = (active: ActiveRun.ActiveRun, queue: Array<ActiveRun.PendingInput>) => {
    active.queue = queue
    // The run is entered before the fork and before the room is watched: both look it up.
    activeRuns.set(active.run.session_id, active)
    if (watch(active.room).isRefused) active.isLost = true
    // The fiber starts in a later turn: the first step of a run must not come between a flush and its subscribers, nor before `fiber` is set.
    active.fiber = fork(driven(active), { immediate: false })
    return active
  }

  const stop = (active: ActiveRun.ActiveRun, how: Reply.Ending = interrupted) => {
    // This is set before the interruption, which reads it.
    active.stopping ??= how
    active.fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  /** Interrupts all work and leaves active runs as they are; runs that somebody has stopped are ended. */
  const leave = yield* Effect.cached(
    Effect.suspend(() => {
      isClosing = true
      isLeaving = true
      for (const { fiber } of activeRuns.values()) fiber?.unsafeInterruptAsFork(FiberId.none)
      return FiberSet.awaitEmpty(fibers)
    }).pipe(Effect.interruptible, Effect.timeoutOption(leaveTimeout), Effect.asVoid)
  )

  // A run that cannot be stopped is abandoned: the process must end all the same.
  yield* Effect.addFinalizer(() =>
    Effect.zipRight(leave, Effect.asVoid(Effect.forkDaemon(Scope.close(scope, Exit.void))))
  )

  return {
    now,
    endUnbegun,
    endPending,
    of,
    begin,
    start,
    stop,
    unwritable,
    get: (session: SessionId) => activeRuns.get(session),
    has: (session: SessionId) => activeRuns.has(session),
    isClosing: () => isClosing,
    /** From now on no run begins. */
    close: Effect.sync(() => {
      isClosing = true
    }),
    /** Waits until no run is active. */
    empty: FiberSet.awaitEmpty(fibers),
    leave
  }
})

export type ActiveRuns = Effect.Effect.Success<ReturnType<typeof make>>
