/** The runs that go on in this process: at most one in each session, each with a fiber that drives it to its end. */
import {
  Cause,
  type Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  type Fiber,
  FiberId,
  FiberSet,
  Option,
  Scope
} from "effect"
import type { AgentEvent } from "../../domain/Event.ts"
import type { SessionId } from "../../domain/Ids.ts"
import { type CallProgress, entryOf } from "../../domain/Ledger.ts"
import type { Message } from "../../domain/Message.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import type { AgentRunner, Out } from "../../services/AgentRunner.ts"
import type { AppendRefused } from "../../services/EventLog.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Room, Rooms } from "../../services/Rooms.ts"
import type { Storage } from "../../services/Storage.ts"
import { broken, crashLoop, gone, interrupted, maxAttempts } from "./Endings.ts"
import * as Records from "./Records.ts"

/** How long the end of a process waits for runs that do not stop, or whose storage does not write. */
const leaveTimeout = Duration.seconds(3)

/** An input that waits for its turn in a session. */
export interface PendingInput {
  readonly run: Run
  readonly agentName: string
}

/** A run that goes on here. */
export interface ActiveRun {
  readonly room: Room
  readonly run: Run
  readonly out: Out
  /** The `seq` of REPLY_START, and of the last event so far. */
  readonly replySeq: number
  readonly lastSeq: () => number
  /** What runs after it, in order. The run that follows has the same queue. */
  queue: Array<PendingInput>
  /** Interrupting it stops the agent's work, and nothing else of the run. Undefined before `start`. */
  fiber: Fiber.RuntimeFiber<void> | undefined
  /** Somebody has asked for its end, and how it then ends. */
  stopping: Reply.Ending | undefined
  /** Its room takes nothing more: whatever it still does has no place to go. */
  isLost: boolean
  /** Done when it is no longer driven here: true when its end, or its parking, is durable. */
  readonly left: Deferred.Deferred<boolean>
}

type ReplyStart = Extract<AgentEvent, { readonly type: "REPLY_START" }>

export interface Options {
  readonly runner: typeof AgentRunner.Service
  readonly rooms: typeof Rooms.Service
  readonly storage: Pick<typeof Storage.Service, "agents" | "sessions">
  readonly clock: Clock.Clock
  /** This process. */
  readonly self: string
  /** Storage may hold what it did not say that it took. */
  readonly onUnconfirmed: () => void
}

export const make = Effect.fnUntraced(function*({ clock, onUnconfirmed, rooms, runner, self, storage }: Options) {
  const { agents, sessions } = storage
  const scope = yield* Scope.make()
  const fibers = yield* Scope.extend(FiberSet.make<void, never>(), scope)
  // Captured where nothing can be interrupted, so that a run is never stopped before its first step: it could not say how it ended.
  const fork = yield* Effect.uninterruptible(FiberSet.runtime(fibers)<never>())
  const activeRuns = new Map<SessionId, ActiveRun>()
  /** Rooms that runs went on in, and whether they still take something. */
  const known = new WeakMap<Room, { isRefused: boolean }>()
  /** Queued runs whose beginning storage could not hold, although it took others'. */
  const unwritable = new Set<Run["id"]>()
  /** No run begins any more. */
  let isClosing = false
  /** What still runs is left for the next start. */
  let isLeaving = false

  const now = () => timestampOf(clock.unsafeCurrentTimeMillis())

  const endUnbegun = (room: Room, run: Run, how: Reply.Ending) => {
    unwritable.delete(run.id)
    Records.endUnbegun(room, run, how, now())
  }

  /** Takes inputs out of the queue and ends their runs. In one turn of the event loop, so that none of them can begin. */
  const endPending = (active: ActiveRun, those: (pending: PendingInput) => boolean, how: Reply.Ending) => {
    const ended = active.queue.filter(those)
    // The next run holds this very array: it must be changed, not replaced.
    for (const pending of ended) active.queue.splice(active.queue.indexOf(pending), 1)
    for (const { run } of ended) endUnbegun(active.room, run, how)
    return ended
  }

  /** Ends the runs whose input goes into another reply, and hands that input over. */
  const takeSteering = (room: Room): ReadonlyArray<Message> => {
    const active = activeRuns.get(room.session_id)
    if (active === undefined) return []
    return endPending(active, ({ run }) => run.on_busy === "steer", { finished_reason: "completed", error: null })
      .flatMap(({ run }) => run.input)
  }

  /** A run that has begun, whose reply came as far as `from`. It goes on when it is started. */
  const of = (room: Room, run: Run, from: Reply.Reply, replySeq: number): ActiveRun => {
    let reply = from
    let lastSeq = replySeq
    let call: CallProgress | undefined
    return {
      room,
      run,
      replySeq,
      lastSeq: () => lastSeq,
      out: {
        emit: (draft) => {
          const { event, seq } = room.emit(run.id, draft)
          if (event.type === "MODEL_CALL_END" && reply.call !== undefined) {
            room.charge(entryOf(run, reply.call, event, call))
            call = undefined
          }
          reply = Reply.step(reply, event)
          lastSeq = seq
        },
        calling: (next) => {
          call = next
        },
        reply: () => reply,
        durable: room.durable,
        behind: room.behind,
        takeSteering: () => takeSteering(room)
      },
      queue: [],
      fiber: undefined,
      stopping: undefined,
      isLost: false,
      left: Deferred.unsafeMake(FiberId.none)
    }
  }

  /** Puts a run's input and the start of its reply into the room. */
  const begin = (room: Room, { agentName, run }: PendingInput): ActiveRun => {
    const { id: run_id, reply_id, session_id } = run
    let first: number | undefined
    for (const message of run.input) {
      const { seq } = room.emit(run_id, { type: "USER_MESSAGE", session_id, run_id, message })
      first ??= seq
      room.place(seq, message)
    }
    const { event, seq } = room.emit(run_id, {
      type: "REPLY_START",
      session_id,
      run_id,
      reply_id,
      name: agentName,
      role: "assistant"
    })
    const at = now()
    const started: Run = {
      ...run,
      status: "running",
      driver: self,
      first_seq: first ?? seq,
      started_at: at,
      updated_at: at
    }
    room.record(started)
    return of(room, started, Reply.start(event as ReplyStart), seq)
  }

  const work = Effect.fnUntraced(function*(room: Room, { out, run }: ActiveRun) {
    // The attempt must be durable before it can fail: a run that nothing survives is given up by counting them.
    if (run.attempt > 1) yield* out.durable
    if (run.attempt > maxAttempts) return crashLoop
    const session = yield* sessions.get(run.user_id, run.session_id)
    const agent = yield* agents.get(run.user_id, run.agent_id)
    if (session.config.chat_model_config === null) return gone
    const context = room.context()
    const before = context.at(-1)?.id === run.reply_id ? context.slice(0, -1) : context
    return yield* runner.run({ run, session, agent, context: before }, out)
  }, Effect.catchTag("NotFound", () => Effect.succeed(gone)))

  const outcomeOf = (
    exit: Exit.Exit<Reply.Outcome, AppendRefused>,
    { run, stopping }: ActiveRun
  ): Effect.Effect<Reply.Outcome> => {
    // It wanted to wait for somebody in the moment in which it was stopped: stopped it is.
    if (Exit.isSuccess(exit)) return Effect.succeed("waiting_for" in exit.value && stopping ? stopping : exit.value)
    if (stopping !== undefined) return Effect.succeed(stopping)
    if (Cause.isInterruptedOnly(exit.cause)) return Effect.succeed(interrupted)
    return Effect.logError("A run broke", exit.cause).pipe(
      Effect.annotateLogs({ run_id: run.id, session_id: run.session_id }),
      Effect.as(broken)
    )
  }

  /** It is not ours to end: another process has it, or the next start shall have it. */
  const isLeft = (exit: Exit.Exit<Reply.Outcome, AppendRefused>, { isLost, stopping }: ActiveRun) =>
    isLost || (Exit.isFailure(exit) &&
      (Option.isSome(Cause.failureOption(exit.cause)) || (isLeaving && stopping === undefined)))

  /** The session becomes free, or the next run's. Behind a parked run all wait. */
  const handOver = ({ queue, room }: ActiveRun) => {
    const next = isClosing || room.open().some(Records.isParked) ? undefined : queue.shift()
    if (next === undefined) activeRuns.delete(room.session_id)
    else start(begin(room, next), queue)
  }

  /** Drives a run to its end, or to where it waits for somebody. Answers whether that is durable. */
  const drive = Effect.fnUntraced(function*(active: ActiveRun) {
    const { room } = active
    // The room must stay as long as its run goes on, whoever else leaves it.
    yield* rooms.get({ id: room.session_id, user_id: room.owner })
    const exit = yield* Effect.exit(
      active.stopping !== undefined || active.isLost ? Effect.interrupt : Effect.interruptible(work(room, active))
    )
    if (isLeft(exit, active)) return false
    const outcome = yield* outcomeOf(exit, active)
    if ("waiting_for" in outcome) Records.park(active, outcome.waiting_for, now())
    else Records.end(active, outcome, now())
    // Before anybody sees the end, so that whoever has seen it finds the session free.
    room.whenDurable(() => handOver(active))
    return Exit.isSuccess(yield* Effect.exit(room.durable))
  }, Effect.scoped)

  const driven = (active: ActiveRun) =>
    drive(active).pipe(
      Effect.catchAllCause((cause) =>
        Effect.as(Effect.logError("A run could not be driven", cause), false).pipe(
          Effect.annotateLogs({ run_id: active.run.id, session_id: active.run.session_id })
        )
      ),
      Effect.map((isOver) => {
        if (!isOver && activeRuns.get(active.run.session_id) === active) activeRuns.delete(active.run.session_id)
        if (isOver) unwritable.delete(active.run.id)
        // After the session is free, so that whoever waited for this finds it so.
        Deferred.unsafeDone(active.left, Exit.succeed(isOver))
      })
    )

  /** Notes once for each room when it takes nothing more: registered for each run, that would grow with every run. */
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

  const start = (active: ActiveRun, queue: Array<PendingInput>) => {
    active.queue = queue
    // Before the fork and before the room is watched: both look the run up.
    activeRuns.set(active.run.session_id, active)
    if (watch(active.room).isRefused) active.isLost = true
    // Later and not at once: the first step of a run must not come between a flush and its subscribers, nor before `fiber` is set.
    active.fiber = fork(driven(active), { immediate: false })
    return active
  }

  const stop = (active: ActiveRun, how: Reply.Ending = interrupted) => {
    // Before the interruption, which looks at it.
    active.stopping ??= how
    active.fiber?.unsafeInterruptAsFork(FiberId.none)
  }

  /** Stops working, and leaves what still runs as it is; what somebody has stopped is ended. */
  const leave = yield* Effect.cached(
    Effect.suspend(() => {
      isClosing = true
      isLeaving = true
      for (const { fiber } of activeRuns.values()) fiber?.unsafeInterruptAsFork(FiberId.none)
      return FiberSet.awaitEmpty(fibers)
    }).pipe(Effect.interruptible, Effect.timeoutOption(leaveTimeout), Effect.asVoid)
  )

  // A run that cannot be stopped is left behind: the process must end all the same.
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
    /** No run goes on. */
    empty: FiberSet.awaitEmpty(fibers),
    leave
  }
})

export type ActiveRuns = Effect.Effect.Success<ReturnType<typeof make>>
