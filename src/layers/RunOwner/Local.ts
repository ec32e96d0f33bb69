/**
 * Runs driven in this process: a seat per busy session, a fiber per seat, and
 * the inputs that wait their turn.
 */
import { Array as Arr, Cause, Deferred, Duration, Effect, Exit, Fiber, FiberId, FiberMap, Layer, Option } from "effect"
import type { OnBusy } from "../../domain/Chat.ts"
import { Conflict, LimitReached, Unavailable } from "../../domain/Errors.ts"
import type { AgentEvent } from "../../domain/Event.ts"
import { eventsOf } from "../../domain/Frames.ts"
import type { SessionId } from "../../domain/Ids.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { AgentRunner, type Out } from "../../services/AgentRunner.ts"
import { type AppendRefused, EventLog } from "../../services/EventLog.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Room, Rooms } from "../../services/Rooms.ts"
import { RunOwner } from "../../services/RunOwner.ts"
import { Storage } from "../../services/Storage.ts"

/** Inputs that may wait in one session. */
const maxQueued = 32

/** Times a run is driven before it is given up. */
const maxAttempts = 3

/** Runs that are picked up at the same time after a crash. */
const recoverConcurrency = 8

/** Pages read from the log at a time while a run is picked up. */
const recoverPages = 64

/** An input that has its place in a session. */
interface Waiting {
  readonly run: Run
  readonly agentName: string
  /** It was stopped before it began. */
  stopped: boolean
}

/** A run under way. */
interface Current {
  readonly run: Run
  readonly out: Out
  /** The `seq` of REPLY_START, and of the last event so far. */
  readonly replySeq: number
  readonly lastSeq: () => number
  /** Interrupting it ends the run; undefined until the agent works. */
  work: Fiber.RuntimeFiber<Reply.Ending, AppendRefused> | undefined
  stopped: boolean
  readonly ended: Deferred.Deferred<void>
}

interface Seat {
  readonly room: Room
  current: Current
  readonly queue: Array<Waiting>
  /** The room takes nothing more: whatever runs here has no place to go. */
  lost: boolean
}

type ReplyStart = Extract<AgentEvent, { readonly type: "REPLY_START" }>

const broken: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "internal",
    message: "The reply failed because of an internal error.",
    retryable: true
  }
}

const interrupted: Reply.Ending = { finished_reason: "interrupted", error: null }

const crashLoop: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "crash_loop",
    message: `The run was given up: the server stopped ${maxAttempts} times while it went on.`,
    retryable: false
  }
}

const gone: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "setup",
    code: "not_found",
    message: "The session's agent or model was removed before the run began.",
    retryable: false
  }
}

export const make = Effect.gen(function*() {
  const runner = yield* AgentRunner
  const rooms = yield* Rooms
  const log = yield* EventLog
  const { agents, sessions } = yield* Storage
  const clock = yield* Effect.clock
  const fibers = yield* FiberMap.make<SessionId, void, never>()
  const fork = yield* FiberMap.runtime(fibers)<never>()
  const seats = new Map<SessionId, Seat>()
  /** No new inputs; and then: what still runs is left for the next start. */
  let closing = false
  let leaving = false

  const now = () => timestampOf(clock.unsafeCurrentTimeMillis())

  const currentOf = (room: Room, run: Run, from: Reply.Reply, replySeq: number, stopped: boolean): Current => {
    let reply = from
    let lastSeq = replySeq
    return {
      run,
      replySeq,
      lastSeq: () => lastSeq,
      out: {
        emit: (draft) => {
          const { event, seq } = room.emit(run.id, draft)
          reply = Reply.step(reply, event)
          lastSeq = seq
        },
        reply: () => reply,
        durable: room.durable,
        behind: room.behind
      },
      work: undefined,
      stopped,
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
    const started: Run = { ...run, status: "running", first_seq: first ?? seq, started_at: at, updated_at: at }
    room.record(started)
    return currentOf(room, started, Reply.start(event as ReplyStart), seq, stopped)
  }

  const work = Effect.fnUntraced(function*(room: Room, { out, run }: Current) {
    if (run.attempt > maxAttempts) return crashLoop
    const session = yield* sessions.get(run.user_id, run.session_id)
    const agent = yield* agents.get(run.user_id, run.agent_id)
    if (session.config.chat_model_config === null) return gone
    return yield* runner.run({ run, session, agent, context: room.context() }, out)
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

  const endingOf = (
    exit: Exit.Exit<Reply.Ending, AppendRefused>,
    { run, stopped }: Current
  ): Effect.Effect<Reply.Ending> => {
    if (Exit.isSuccess(exit)) return Effect.succeed(exit.value)
    if (stopped || Cause.isInterruptedOnly(exit.cause)) return Effect.succeed(interrupted)
    return Effect.logError("A run broke", exit.cause).pipe(
      Effect.annotateLogs({ run_id: run.id, session_id: run.session_id }),
      Effect.as(broken)
    )
  }

  /** The session is free, or the next run's, before anybody sees that the run has ended. */
  const handOver = (seat: Seat) => {
    const next = leaving ? undefined : seat.queue.shift()
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
    end(room, current, yield* endingOf(exit, current))
    room.whenDurable(() => handOver(seat))
    return Exit.isSuccess(yield* Effect.exit(room.durable))
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
    })).pipe(Effect.scoped)
  }

  const sit = (room: Room, current: Current, queue: Array<Waiting>) => {
    const seat: Seat = { room, current, queue, lost: false }
    seats.set(room.session_id, seat)
    room.whenRefused(() => {
      seat.lost = true
      if (seats.get(room.session_id) === seat) seats.delete(room.session_id)
      seat.current.work?.unsafeInterruptAsFork(FiberId.none)
    })
    fork(room.session_id, occupy(seat))
  }

  const stop = (current: Current) => {
    current.stopped = true
    return current.work === undefined ? Effect.void : Fiber.interruptFork(current.work)
  }

  const enqueue = (seat: Seat, waiting: Waiting, place: "first" | "last") => {
    const { room } = seat
    const { id: run_id, session_id } = waiting.run
    const { seq } = room.emit(run_id, { type: "RUN_QUEUED", session_id, run_id })
    room.record(waiting.run)
    if (place === "first") seat.queue.unshift(waiting)
    else seat.queue.push(waiting)
    return { seq: seq - 1, alone: false }
  }

  const submit = Effect.fnUntraced(function*(room: Room, run: Run, agentName: string, onBusy: OnBusy) {
    if (closing) {
      return yield* new Unavailable({
        code: "draining",
        detail: "The server is stopping; send the input again in a moment.",
        retry_after: 5
      })
    }
    const seat = seats.get(room.session_id)
    const waiting = { run, agentName, stopped: false }
    if (seat === undefined) {
      const current = begin(room, waiting)
      sit(room, current, [])
      return { seq: current.run.first_seq! - 1, alone: true }
    }
    if (onBusy === "reject") {
      return yield* new Conflict({
        code: "session_busy",
        detail:
          `Session '${room.session_id}' has a run going on. Wait for it, interrupt it, or send with on_busy=enqueue.`
      })
    }
    if (seat.queue.length >= maxQueued) {
      return yield* new LimitReached({
        code: "queue_full",
        detail: `${maxQueued} inputs wait in session '${room.session_id}' already. Wait until some have run.`,
        retry_after: 5
      })
    }
    if (onBusy === "enqueue") return enqueue(seat, waiting, "last")
    const place = enqueue(seat, waiting, "first")
    yield* stop(seat.current)
    return place
  })

  const interrupt = Effect.fnUntraced(function*(session: SessionId, queue: "keep" | "drop") {
    const seat = seats.get(session)
    if (seat === undefined) return
    const { current } = seat
    const dropped = queue === "drop" ? [...seat.queue] : []
    for (const waiting of dropped) waiting.stopped = true
    yield* stop(current)
    yield* Deferred.await(current.ended)
    if (dropped.length > 0) yield* Effect.ignore(seat.room.durable)
  })

  /** The events of a run that are in the log. */
  const eventsOfRun = Effect.fnUntraced(function*(run: Run) {
    const events: Array<{ readonly seq: number; readonly event: AgentEvent }> = []
    let after = run.first_seq! - 1
    for (;;) {
      const pages = yield* log.read(run.session_id, after, recoverPages)
      const last = pages.at(-1)
      if (last === undefined) return events
      for (const page of pages) {
        if (page.run_id === run.id) events.push(...eventsOf(page.frames).filter(({ seq }) => seq > after))
      }
      after = last.last_seq
    }
  })

  const resume = Effect.fnUntraced(function*(room: Room, run: Run) {
    const events = yield* eventsOfRun(run)
    const reply = Reply.ofEvents(events.map(({ event }) => event))
    if (reply === undefined) return begin(room, { run, agentName: "", stopped: false })
    const { seq } = events.find(({ event }) => event.type === "REPLY_START")!
    const again: Run = { ...run, attempt: run.attempt + 1, updated_at: now() }
    const current = currentOf(room, again, reply, seq, false)
    current.out.emit({ type: "RUN_RESUMED", session_id: run.session_id, run_id: run.id, attempt: again.attempt })
    room.record(again)
    return current
  })

  const recoverSession = Effect.fnUntraced(function*(runs: ReadonlyArray<Run>) {
    const { session_id: id, user_id } = runs[0]!
    const room = yield* rooms.get({ id, user_id })
    if (seats.has(id)) return
    const waiting = yield* Effect.forEach(
      runs.filter(({ status }) => status === "queued"),
      (run) =>
        agents.get(run.user_id, run.agent_id).pipe(
          Effect.match({ onFailure: () => "", onSuccess: ({ data }) => data.name }),
          Effect.map((agentName): Waiting => ({ run, agentName, stopped: false }))
        )
    )
    const running = runs.find(({ status }) => status === "running")
    const first = running === undefined ? begin(room, waiting.shift()!) : yield* resume(room, running)
    sit(room, first, waiting)
  }, Effect.scoped)

  const recover = Effect.gen(function*() {
    const runs = (yield* log.unfinished).filter(({ session_id }) => !seats.has(session_id))
    if (runs.length === 0) return
    yield* Effect.logInfo(`Going on with ${runs.length} unfinished runs`)
    yield* Effect.forEach(
      Object.values(Arr.groupBy(runs, ({ session_id }) => session_id)),
      (ofSession) =>
        Effect.catchAllCause(
          recoverSession(ofSession),
          (cause) => Effect.logError("A run could not be recovered", cause)
        ),
      { concurrency: recoverConcurrency, discard: true }
    )
  })

  const leave = Effect.suspend(() => {
    leaving = true
    const works = Array.from(seats.values(), ({ current }) => current.work).filter((fiber) => fiber !== undefined)
    return Effect.zipRight(Fiber.interruptAll(works), FiberMap.awaitEmpty(fibers))
  })

  yield* Effect.addFinalizer(() => leave)

  return RunOwner.of({
    submit,
    interrupt,
    activity: (session) => {
      const seat = seats.get(session)
      return seat && { run: seat.current.run, reply: seat.current.out.reply().message, queued: seat.queue.length }
    },
    recover,
    drain: (seconds) =>
      Effect.suspend(() => {
        closing = true
        return FiberMap.awaitEmpty(fibers)
      }).pipe(Effect.interruptible, Effect.timeoutOption(Duration.seconds(seconds)), Effect.zipRight(leave))
  })
})

export const layer: Layer.Layer<RunOwner, never, AgentRunner | Rooms | EventLog | Storage> = Layer.scoped(
  RunOwner,
  make
)
