/** Runs under way: a seat per busy session, and a fiber per seat that drives one run after the other. */
import { Cause, type Clock, Deferred, Effect, Exit, Fiber, FiberId, FiberMap, Option } from "effect"
import type { AgentEvent } from "../../domain/Event.ts"
import type { SessionId } from "../../domain/Ids.ts"
import { type CallProgress, entryOf } from "../../domain/Ledger.ts"
import type { Message } from "../../domain/Message.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { noUsage } from "../../domain/Usage.ts"
import type { AgentRunner, Out } from "../../services/AgentRunner.ts"
import type { AppendRefused } from "../../services/EventLog.ts"
import { timestampOf } from "../../services/Now.ts"
import type { Room, Rooms } from "../../services/Rooms.ts"
import type { Storage } from "../../services/Storage.ts"
import { broken, crashLoop, gone, interrupted, maxAttempts } from "./Endings.ts"
import { logEnd } from "./EndLog.ts"

/** An input that has its place in a session. */
export interface Waiting {
  readonly run: Run
  readonly agentName: string
  /** It was stopped before it began. */
  stopped: boolean
  /** It goes into the reply in the making, if that has another model call. */
  readonly steers: boolean
}

/** A run under way. */
export interface Current {
  readonly run: Run
  readonly out: Out
  /** The `seq` of REPLY_START, and of the last event so far. */
  readonly replySeq: number
  readonly lastSeq: () => number
  /** Interrupting it ends the run; undefined until the agent works. */
  work: Fiber.RuntimeFiber<Reply.Outcome, AppendRefused> | undefined
  stopped: boolean
  /** How it ends when it is stopped. */
  stopping: Reply.Ending
  readonly ended: Deferred.Deferred<void>
}

export interface Seat {
  readonly room: Room
  current: Current
  readonly queue: Array<Waiting>
  /** The room takes nothing more: whatever runs here has no place to go. */
  lost: boolean
  /** The seat is left: the room, which may be held for long, forgets it. */
  leave: () => void
}

type ReplyStart = Extract<AgentEvent, { readonly type: "REPLY_START" }>

export const isParked = ({ status }: Run): boolean =>
  status === "awaiting_permission" || status === "awaiting_external_result"

export interface Options {
  readonly runner: typeof AgentRunner.Service
  readonly rooms: typeof Rooms.Service
  readonly storage: Pick<typeof Storage.Service, "agents" | "sessions">
  readonly clock: Clock.Clock
  /** This process. */
  readonly self: string
  /** Storage may hold what it did not say that it took. */
  readonly onDoubt: () => void
}

export const make = Effect.fnUntraced(function*({ clock, onDoubt, rooms, runner, self, storage }: Options) {
  const { agents, sessions } = storage
  const fibers = yield* FiberMap.make<SessionId, void, never>()
  const fork = yield* FiberMap.runtime(fibers)<never>()
  const seats = new Map<SessionId, Seat>()
  /** What still runs is left for the next start. */
  let leaving = false

  const now = () => timestampOf(clock.unsafeCurrentTimeMillis())

  /** Ends a run that never begins: its input is in no transcript, or in another reply. */
  const endUnbegun = (room: Room, run: Run, { error, finished_reason }: Reply.Ending) => {
    const { id: run_id, reply_id, session_id } = run
    const { seq } = room.emit(run_id, {
      type: "REPLY_END",
      session_id,
      run_id,
      reply_id,
      finished_reason,
      error,
      usage: noUsage
    })
    const at = now()
    room.record({
      ...run,
      status: "ended",
      finished_reason,
      error,
      first_seq: seq,
      last_seq: seq,
      updated_at: at,
      ended_at: at
    })
  }

  /** Ends the runs whose input goes into another reply, and hands that input over. */
  const takeSteering = (room: Room): ReadonlyArray<Message> => {
    const seat = seats.get(room.session_id)
    const steering = seat?.queue.filter(({ steers, stopped }) => steers && !stopped) ?? []
    for (const waiting of steering) {
      seat!.queue.splice(seat!.queue.indexOf(waiting), 1)
      endUnbegun(room, waiting.run, { finished_reason: "completed", error: null })
    }
    return steering.flatMap(({ run }) => run.input)
  }

  const currentOf = (room: Room, run: Run, from: Reply.Reply, replySeq: number, stopped: boolean): Current => {
    let reply = from
    let lastSeq = replySeq
    let call: CallProgress | undefined
    return {
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
      work: undefined,
      stopped,
      stopping: interrupted,
      ended: Deferred.unsafeMake(FiberId.none)
    }
  }

  /** Puts a run's input and the start of its reply into the room. */
  const begin = (room: Room, { agentName, run, stopped }: Waiting): Current => {
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
    return currentOf(room, started, Reply.start(event as ReplyStart), seq, stopped)
  }

  const work = Effect.fnUntraced(function*(room: Room, { out, run }: Current) {
    if (run.attempt > maxAttempts) return crashLoop
    const session = yield* sessions.get(run.user_id, run.session_id)
    const agent = yield* agents.get(run.user_id, run.agent_id)
    if (session.config.chat_model_config === null) return gone
    const context = room.context()
    const before = context.at(-1)?.id === run.reply_id ? context.slice(0, -1) : context
    return yield* runner.run({ run, session, agent, context: before }, out)
  }, Effect.catchTag("NotFound", () => Effect.succeed(gone)))

  const end = (room: Room, { lastSeq, out, replySeq, run }: Current, how: Reply.Ending) => {
    for (const draft of Reply.ending(out.reply(), { session_id: run.session_id, run_id: run.id }, how)) out.emit(draft)
    const { message } = out.reply()
    const at = now()
    room.place(replySeq, message)
    room.record({
      ...run,
      status: "ended",
      last_seq: lastSeq(),
      finished_reason: how.finished_reason,
      error: how.error,
      usage: message.usage,
      updated_at: at,
      ended_at: at
    })
  }

  const park = (room: Room, { out, replySeq, run }: Current, waiting_for: Reply.WaitingFor) => {
    const { message } = out.reply()
    out.emit({ type: "RUN_PARKED", session_id: run.session_id, run_id: run.id, reply_id: message.id, waiting_for })
    room.place(replySeq, message)
    room.record({
      ...run,
      status: waiting_for === "user_confirmation" ? "awaiting_permission" : "awaiting_external_result",
      driver: null,
      updated_at: now()
    })
  }

  const outcomeOf = (
    exit: Exit.Exit<Reply.Outcome, AppendRefused>,
    { run, stopped, stopping }: Current
  ): Effect.Effect<Reply.Outcome> => {
    if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
    if (stopped || Cause.isInterruptedOnly(exit.cause)) return Effect.succeed(stopping)
    return Effect.logError("A run broke", exit.cause).pipe(
      Effect.annotateLogs({ run_id: run.id, session_id: run.session_id }),
      Effect.as(broken)
    )
  }

  /** The session is free, or the next run's, before anybody sees that the run has ended. Behind a parked run all wait. */
  const handOver = (seat: Seat) => {
    const next = leaving || seat.room.open().some(isParked) ? undefined : seat.queue.shift()
    if (next === undefined) seats.delete(seat.room.session_id)
    else seat.current = begin(seat.room, next)
  }

  /** Drives the seat's run to its end. False when it is not ours to end: another owner has it, or the next start shall. */
  const drive = Effect.fnUntraced(function*(seat: Seat) {
    const { current, room } = seat
    const fiber = yield* Effect.fork(
      Effect.interruptible(current.stopped || seat.lost ? Effect.interrupt : work(room, current))
    )
    current.work = fiber
    const exit = yield* Fiber.await(fiber)
    if (seat.lost) return false
    if (Exit.isFailure(exit) && (Option.isSome(Cause.failureOption(exit.cause)) || (leaving && !current.stopped))) {
      return false
    }
    const outcome = yield* outcomeOf(exit, current)
    if ("waiting_for" in outcome) park(room, current, outcome.waiting_for)
    else end(room, current, outcome)
    room.whenDurable(() => handOver(seat))
    const isDurable = Exit.isSuccess(yield* Effect.exit(room.durable))
    if (isDurable && !("waiting_for" in outcome)) yield* logEnd(current.run, outcome)
    return isDurable
  })

  /** Holds the room and drives one run after the other, until none waits. Only the agent's work can be interrupted. */
  const occupy = (seat: Seat): Effect.Effect<void> => {
    const { session_id: id, owner: user_id } = seat.room
    return Effect.uninterruptible(Effect.gen(function*() {
      yield* rooms.get({ id, user_id })
      for (;;) {
        const { current } = seat
        const ended = yield* drive(seat)
        if (!ended && seats.get(id) === seat) seats.delete(id)
        yield* Deferred.succeed(current.ended, undefined)
        if (seat.current === current) return
      }
    })).pipe(Effect.scoped, Effect.ensuring(Effect.sync(() => seat.leave())))
  }

  const sit = (room: Room, current: Current, queue: Array<Waiting>) => {
    const seat: Seat = { room, current, queue, lost: false, leave: () => {} }
    seats.set(room.session_id, seat)
    seat.leave = room.whenRefused(({ reason }) => {
      seat.lost = true
      if (reason === "withdrawn" || reason === "broken") onDoubt()
      if (seats.get(room.session_id) === seat) seats.delete(room.session_id)
      seat.current.work?.unsafeInterruptAsFork(FiberId.none)
    })
    fork(room.session_id, occupy(seat))
    return seat
  }

  const stop = (current: Current) => {
    current.stopped = true
    return current.work === undefined ? Effect.void : Fiber.interruptFork(current.work)
  }

  return {
    now,
    endUnbegun,
    currentOf,
    begin,
    sit,
    stop,
    of: (session: SessionId) => seats.get(session),
    has: (session: SessionId) => seats.has(session),
    empty: FiberMap.awaitEmpty(fibers),
    /** Stops working, and leaves what still runs as it is. */
    leave: Effect.suspend(() => {
      leaving = true
      const works = Array.from(seats.values(), ({ current }) => current.work).filter((fiber) => fiber !== undefined)
      return Effect.zipRight(Fiber.interruptAll(works), FiberMap.awaitEmpty(fibers))
    })
  }
})

export type Seats = Effect.Effect.Success<ReturnType<typeof make>>
