/** Takes over runs that wait in storage: after a crash, from a process that is gone, or left there by another process for this one. */
import { Cause, Effect, Exit } from "effect"
import { Unavailable } from "../../domain/Errors.ts"
import type { RunId, SessionId, UserId } from "../../domain/Ids.ts"
import type { Run } from "../../domain/Run.ts"
import type { Room } from "../../services/Rooms.ts"
import type { ActiveRun, PendingInput } from "./ActiveRun.ts"
import { broken, interrupted, maxAttempts, unwritable } from "./Endings.ts"
import type { Parked } from "./Parked.ts"
import { enqueue, type Parts, pendingIn, sessionOf } from "./Parts.ts"
import { isParked } from "./Records.ts"

const isAway = (cause: Cause.Cause<unknown>) => Cause.squash(cause) instanceof Unavailable

export const make = (parts: Parts, parked: Parked) => {
  const { activeRuns, log, onUnconfirmed, peers: { self }, rooms } = parts
  const { isClosing } = activeRuns
  /** How many times a run could not be read from the log. */
  const unread = new Map<RunId, number>()

  /** Emits that an input is queued, and returns a `seq` before that event. */
  const queued = (room: Room, { run }: PendingInput) => {
    const { id: run_id, session_id } = run
    // The head is read before the event is emitted: the `seq` of an event that still waits for the log is no cursor.
    const seq = room.head()
    room.emit(run_id, { type: "CUSTOM", name: "run_queued", value: { session_id, run_id } })
    room.record({ ...run, driver: self })
    return seq
  }

  /** Queues an input behind a run, or stops that run for it. */
  const join = (active: ActiveRun, pending: PendingInput) => {
    enqueue(active.queue, pending)
    if (pending.run.on_busy !== "interrupt") return
    // The run is not stopped before the input is durable: an input that is refused after all stops nothing.
    active.room.whenDurable(() => {
      if (activeRuns.get(active.room.session_id) === active && active.queue.includes(pending)) activeRuns.stop(active)
    })
  }

  /** Finds the input that came to interrupt this run and was accepted before the process was gone. */
  const isStoppedBy = ({ run: { started_at } }: ActiveRun) => ({ run }: PendingInput) =>
    run.on_busy === "interrupt" && started_at !== null && run.created_at >= started_at

  /** Resumes a run that was cut off. Undefined when another process was first, or this one is ending. */
  const resume = Effect.fnUntraced(function*(room: Room, run: Run) {
    const before = room.last()
    const attempt = run.attempt + 1
    const active = yield* parked.load(room, { ...run, attempt, driver: self, updated_at: activeRuns.now() })
    if (room.last() !== before || activeRuns.has(room.session_id) || isClosing()) return undefined
    const value = { session_id: run.session_id, run_id: run.id, attempt }
    active.out.emit({ type: "CUSTOM", name: "run_resumed", value })
    room.record(active.run)
    return active
  })

  /** Ends a run whose own events cannot be read, after some attempts: its session must not wait for ever. */
  const resumeOrEnd = Effect.fnUntraced(function*(room: Room, run: Run) {
    const exit = yield* Effect.exit(resume(room, run))
    if (Exit.isSuccess(exit)) {
      unread.delete(run.id)
      return exit.value
    }
    if (isAway(exit.cause)) return yield* exit
    const times = (unread.get(run.id) ?? 0) + 1
    unread.set(run.id, times)
    onUnconfirmed()
    if (times < maxAttempts) return yield* exit
    unread.delete(run.id)
    yield* Effect.logError("A run is given up: it cannot be read", exit.cause)
    activeRuns.endUnbegun(room, run, broken)
    return undefined
  })

  /**
   * Finds the next input that can begin. One whose beginning was refused, although
   * storage takes what others write, begins again with one attempt more, which is
   * durable before; in the end it is ended without ever having begun.
   */
  const nextOf = Effect.fnUntraced(
    function*(room: Room, queue: Array<PendingInput>): Effect.fn.Return<PendingInput | undefined> {
      for (;;) {
        const next = queue.shift()
        if (next === undefined || !(activeRuns.unwritable.has(next.run.id) || next.run.attempt > maxAttempts)) {
          return next
        }
        const run = { ...next.run, attempt: next.run.attempt + 1 }
        if (run.attempt > maxAttempts) {
          activeRuns.endUnbegun(room, run, unwritable)
          continue
        }
        room.record(run)
        if (Exit.isSuccess(yield* Effect.exit(room.durable))) return { ...next, run }
        onUnconfirmed()
        return undefined
      }
    }
  )

  /** Takes over the runs of a session that no process drives. When a run is parked, the session waits for its answer. */
  const recoverIn = Effect.fnUntraced(function*(room: Room) {
    const id = room.session_id
    // After this wait the log has everything about the session's runs.
    yield* Effect.ignore(room.durable)
    yield* room.follow
    const first = room.open()[0]
    if (activeRuns.has(id) || first === undefined) return
    if (room.open().some(isParked)) {
      // The input was left for a run that has parked meanwhile.
      const interrupts = room.open().some(({ driver, on_busy, status }) =>
        status === "queued" && driver === null && on_busy === "interrupt"
      )
      if (interrupts) yield* parked.stop(room)
      return
    }
    const agentName = yield* parked.nameOf(first)
    const running = room.open().find(({ status }) => status === "running")
    const active = running === undefined ? undefined : yield* resumeOrEnd(room, running)
    if (isClosing() || activeRuns.has(id) || room.open().some(isParked)) return
    const queue = pendingIn(parts, room, agentName)
    if (active !== undefined) {
      if (queue.some(isStoppedBy(active))) active.stopping = interrupted
      activeRuns.start(active, queue)
      return
    }
    if (room.open().some(({ status }) => status === "running")) return
    const next = yield* nextOf(room, queue)
    if (next === undefined || isClosing() || activeRuns.has(id)) return
    // The run was cancelled while its attempt was written.
    if (!room.open().some((run) => run.id === next.run.id)) return onUnconfirmed()
    activeRuns.start(
      activeRuns.begin(room, next),
      pendingIn(parts, room, agentName).filter(({ run }) => run.id !== next.run.id)
    )
  })

  /** Queues inputs that other processes left in storage for the active run here. */
  const pickUpIn = Effect.fnUntraced(function*(room: Room) {
    // After this wait storage says which process drives each run that was ever seen here.
    yield* Effect.ignore(room.durable)
    const fresh = (yield* log.open(room.session_id)).filter(({ driver, status }) =>
      driver === null && status === "queued"
    )
    if (fresh.length === 0) return
    const agentName = yield* parked.nameOf(fresh[0]!)
    const active = activeRuns.get(room.session_id)
    if (active === undefined) return yield* recoverIn(room)
    if (active.isLost || isClosing()) return
    for (const run of fresh) {
      const pending = { run, agentName }
      queued(active.room, pending)
      join(active, pending)
    }
  })

  const inRoom = (room: Room) =>
    Effect.suspend(() => activeRuns.has(room.session_id) ? pickUpIn(room) : recoverIn(room)).pipe(
      room.lock.withPermits(1),
      Effect.unless(isClosing),
      Effect.asVoid
    )

  /** Takes over inputs that were left for this process, or that no process drives. It never fails: it is tried again later. */
  const takeUp = (session: { readonly id: SessionId; readonly user_id: UserId }) =>
    Effect.flatMap(rooms.get(session), inRoom).pipe(
      Effect.scoped,
      Effect.catchAllCause((cause) => {
        if (isAway(cause)) onUnconfirmed()
        return (isAway(cause) ? Effect.logDebug : Effect.logError)("A run could not be recovered", cause)
      }),
      Effect.annotateLogs({ session_id: session.id })
    )

  /** The session's owner is known when the session is driven here; otherwise storage says it. */
  const takeUpById = (id: SessionId) => {
    const active = activeRuns.get(id)
    return active !== undefined
      ? takeUp(sessionOf(active.room))
      : Effect.flatMap(log.open(id), ([run]) => run === undefined ? Effect.void : takeUp({ id, user_id: run.user_id }))
  }

  return { queued, join, recoverIn, takeUp, takeUpById }
}

export type Recovery = ReturnType<typeof make>
