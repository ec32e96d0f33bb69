/**
 * Runs driven in this process: a seat per busy session, a fiber per seat, and
 * the inputs that wait their turn.
 */
import {
  Cause,
  Clock,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  FiberId,
  FiberMap,
  FiberSet,
  Layer,
  Option,
  Random
} from "effect"
import type { AnswerInput, OnBusy } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { Conflict, LimitReached, Unavailable } from "../../domain/Errors.ts"
import type { AgentEvent, EventDraft } from "../../domain/Event.ts"
import { eventsOf } from "../../domain/Frames.ts"
import type { RunId, SessionId, Timestamp, UserId } from "../../domain/Ids.ts"
import { type CallProgress, entryOf } from "../../domain/Ledger.ts"
import type { Message } from "../../domain/Message.ts"
import { addRules } from "../../domain/Permission.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { noUsage } from "../../domain/Usage.ts"
import { AgentRunner, type Out } from "../../services/AgentRunner.ts"
import { Doorbell, type Heard, type Ring } from "../../services/Doorbell.ts"
import { type AppendRefused, EventLog, type Unfinished } from "../../services/EventLog.ts"
import { timestampOf } from "../../services/Now.ts"
import { type Room, Rooms } from "../../services/Rooms.ts"
import { type ClaimOf, RunOwner } from "../../services/RunOwner.ts"
import { Storage } from "../../services/Storage.ts"
import * as Answers from "./Answers.ts"

/** Inputs that may wait in one session. */
const maxQueued = 32

/** Times a run is driven before it is given up. */
const maxAttempts = 3

/** Runs that are picked up at the same time after a crash. */
const recoverConcurrency = 8

/** Pages read from the log at a time while a run is picked up. */
const recoverPages = 64

/** How often runs without a living process are looked for, in milliseconds. Seen twice, they are taken up. */
const sweepFrom = 900
const sweepTo = 1_500

/** How often another process is told again, until the log shows that it did it; and for how long. */
const tellEvery = Duration.seconds(1)
const tellPatience = Duration.seconds(10)

/** How long an input may take to be kept. */
const keepPatience = Duration.millis(1_400)

/** How often storage that did not answer is asked what it has kept. */
const doubtEvery = Duration.millis(500)

/** How often the log is asked for that. */
const tellLook = Duration.millis(50)

/** Times that something is tried again when another process was quicker. */
const maxTries = 3

/** An input that has its place in a session. */
interface Waiting {
  readonly run: Run
  readonly agentName: string
  /** It was stopped before it began. */
  stopped: boolean
  /** It goes into the reply in the making, if that has another model call. */
  readonly steers: boolean
}

/** A run under way. */
interface Current {
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

const expired: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "timeout",
    code: "expired",
    message: "The run was ended: nobody answered what it asked in time.",
    retryable: false
  }
}

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

const notTaken = new Unavailable({
  code: "storage_unavailable",
  detail: "Storage does not take the input now; nothing of it was kept. Try again.",
  retry_after: 2
})

const refused: Reply.Ending = {
  finished_reason: "error",
  error: {
    type: "internal",
    code: "storage_unavailable",
    message: "The input was refused because storage was away. It has not run.",
    retryable: true
  }
}

const sessionOf = ({ owner: user_id, session_id: id }: Room) => ({ id, user_id })

const isParked = ({ status }: Run) => status === "awaiting_permission" || status === "awaiting_external_result"

export const make = Effect.gen(function*() {
  const runner = yield* AgentRunner
  const rooms = yield* Rooms
  const log = yield* EventLog
  const { agents, sessions } = yield* Storage
  const doorbell = yield* Doorbell
  const { self } = doorbell
  const clock = yield* Effect.clock
  const fibers = yield* FiberMap.make<SessionId, void, never>()
  const fork = yield* FiberMap.runtime(fibers)<never>()
  const background = yield* FiberSet.makeRuntime<never>()
  const seats = new Map<SessionId, Seat>()
  /** Open while storage may hold runs that nobody here knows of, because it did not answer when they were written. */
  const doubt = yield* Effect.makeLatch(false)
  /** No new inputs; and then: what still runs is left for the next start. */
  let closing = false
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
    room.whenRefused(({ reason }) => {
      seat.lost = true
      if (reason === "withdrawn" || reason === "broken") doubt.unsafeOpen()
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

  const queued = (room: Room, waiting: Waiting) => {
    const { id: run_id, session_id } = waiting.run
    const { seq } = room.emit(run_id, { type: "RUN_QUEUED", session_id, run_id })
    room.record({ ...waiting.run, driver: self })
    return seq - 1
  }

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

  const toldOf = (run: Run) =>
    run.first_seq === null ? Effect.sync(() => undefined) : Effect.map(
      eventsOfRun(run),
      (events) => Reply.ofEvents(events.map(({ event }) => event))?.message
    )

  /** A run as far as the log tells of it. */
  const load = Effect.fnUntraced(function*(room: Room, run: Run) {
    const events = yield* eventsOfRun(run)
    const reply = Reply.ofEvents(events.map(({ event }) => event))
    const opening = events.find(({ event }) => event.type === "REPLY_START")
    if (reply === undefined || opening === undefined) {
      return yield* Effect.dieMessage(`Run ${run.id} has begun, but its log does not say so`)
    }
    return currentOf(room, run, reply, opening.seq, false)
  })

  /** The name under which the session's agent replies. */
  const nameOf = (run: Run) =>
    Effect.match(agents.get(run.user_id, run.agent_id), { onFailure: () => "", onSuccess: ({ data }) => data.name })

  const waitingOf = (run: Run, agentName: string): Waiting => ({
    run,
    agentName,
    stopped: false,
    steers: run.on_busy === "steer"
  })

  const waitingIn = (room: Room, agentName: string): Array<Waiting> =>
    room.open().filter(({ status }) => status === "queued").map((run) => waitingOf(run, agentName))

  /** Takes a parked run up again with what was answered, or to be stopped. `undefined`: somebody else was quicker. */
  const unpark = Effect.fnUntraced(function*(
    room: Room,
    run: Run,
    how: { readonly drafts: ReadonlyArray<EventDraft>; readonly claim: Claim | undefined } | {
      readonly stopping: Reply.Ending
    }
  ) {
    const agentName = yield* nameOf(run)
    const current = yield* load(room, { ...run, status: "running", driver: self, updated_at: now() })
    const still = parkedIn(room)
    if (still?.id !== run.id || still.updated_at !== run.updated_at) return undefined
    // Without an event there is no page that could collide with another process's.
    if ("stopping" in how) {
      current.stopped = true
      current.stopping = how.stopping
    } else {
      room.record(current.run)
      for (const draft of how.drafts) current.out.emit(draft)
      if (how.claim !== undefined) room.claim(how.claim)
    }
    return sit(room, current, waitingIn(room, agentName))
  })

  const parkedIn = (room: Room) => seats.has(room.session_id) ? undefined : room.open().find(isParked)

  /** What waits or runs in a session that has no seat here. Where nobody else can be, nothing does. */
  const elsewhere = (room: Room) =>
    doorbell.alone || seats.has(room.session_id) || room.open().some(isParked)
      ? undefined
      : room.open().find(({ status }) => status === "running") ?? room.open()[0]

  const draining = new Unavailable({
    code: "draining",
    detail: "The server is stopping; send the input again in a moment.",
    retry_after: 5
  })

  const busy = (room: Room, parked: boolean) =>
    new Conflict({
      code: "session_busy",
      detail: parked
        ? `Session '${room.session_id}' waits for an answer to what it asked. Answer it, or interrupt it.`
        : `Session '${room.session_id}' has a run going on. Wait for it, interrupt it, or send with on_busy=enqueue.`
    })

  const full = (room: Room) =>
    new LimitReached({
      code: "queue_full",
      detail: `${maxQueued} inputs wait in session '${room.session_id}' already. Wait until some have run.`,
      retry_after: 5
    })

  const isFull = (open: ReadonlyArray<Run>) => open.filter(({ status }) => status === "queued").length >= maxQueued

  /** Leaves the input in storage for the process that drives the session. */
  const leaveWith = Effect.fnUntraced(
    function*(room: Room, run: Run, driver: string | null, claim: ClaimOf | undefined) {
      if (run.on_busy === "reject") return yield* busy(room, false)
      if (isFull(yield* log.open(room.session_id))) return yield* full(room)
      const seq = room.last()
      const claims = claim === undefined ? [] : [claim({ seq, run_id: run.id })]
      yield* log.append({ runs: [run], messages: [], pages: [], claims })
      if (driver !== null && driver !== self) doorbell.ring({ type: "input", session: room.session_id, driver })
      else background(takeUp(sessionOf(room)))
      return { seq, place: "kept" as const }
    },
    Effect.catchAllDefect((cause) => notAnswered("An input was not taken", cause))
  )

  /**
   * Lets an input wait here whose key has a claim. The claim goes into storage
   * first: when somebody else has it already, only this input is refused, and not
   * all that the room writes.
   */
  const keep = (room: Room, waiting: Waiting, onBusy: OnBusy, claim: ClaimOf) =>
    Effect.gen(function*() {
      const { run } = waiting
      const seq = room.last()
      yield* log.append({ runs: [run], messages: [], pages: [], claims: [claim({ seq, run_id: run.id })] })
      queued(room, waiting)
      const seat = seats.get(room.session_id)
      if (seat === undefined) background(takeUp(sessionOf(room)))
      else join(seat, waiting, onBusy)
      return { seq, place: "kept" as const }
    }).pipe(
      room.lock.withPermits(1),
      Effect.timeoutFail({ duration: keepPatience, onTimeout: () => "slow" as const }),
      Effect.catchIf((error) => error === "slow", () => notAnswered("Storage did not keep an input in time")),
      Effect.catchAllDefect((cause) => notAnswered("An input was not taken", cause))
    )

  /** Storage may have kept it all the same. */
  const notAnswered = (...why: ReadonlyArray<unknown>) =>
    Effect.logDebug(...why).pipe(Effect.zipRight(Effect.sync(doubt.unsafeOpen)), Effect.zipRight(notTaken))

  const submit = Effect.fnUntraced(function*(room: Room, run: Run, agentName: string, onBusy: OnBusy, claim?: ClaimOf) {
    if (closing) return yield* draining
    // An input that was refused because storage did not answer may have been kept all the same: it goes first.
    const orphan = doorbell.alone && !seats.has(room.session_id) &&
      room.open().some(({ status }) => status === "running")
    if (orphan) {
      yield* room.lock.withPermits(1)(recoverIn(room))
      if (closing) return yield* draining
    }
    const other = elsewhere(room)
    if (other !== undefined) return yield* leaveWith(room, run, other.driver, claim)
    const seat = seats.get(room.session_id)
    const parked = parkedIn(room)
    const waiting = { run, agentName, stopped: false, steers: onBusy === "steer" }
    if (seat === undefined && parked === undefined) {
      const current = begin(room, waiting)
      const seq = current.run.first_seq! - 1
      if (claim !== undefined) room.claim(claim({ seq, run_id: run.id }))
      sit(room, current, [])
      return { seq, place: "alone" as const }
    }
    if (onBusy === "reject") return yield* busy(room, seat === undefined)
    if (isFull(room.open())) return yield* full(room)
    if (rooms.isHeldUp()) return yield* notTaken
    if (seat !== undefined && claim !== undefined) return yield* keep(room, waiting, onBusy, claim)
    const seq = queued(room, waiting)
    if (claim !== undefined) room.claim(claim({ seq, run_id: run.id }))
    if (seat !== undefined) join(seat, waiting, onBusy)
    else if (onBusy === "interrupt") yield* stopParked(room, run.id)
    return { seq, place: "waits" as const }
  })

  const revoke = (room: Room, id: RunId) => {
    const queue = seats.get(room.session_id)?.queue
    const run = room.open().find((one) => one.id === id && one.status === "queued")
    const at = queue?.findIndex((waiting) => waiting.run.id === id)
    if (run === undefined || at === -1) return
    if (at !== undefined) queue!.splice(at, 1)
    endUnbegun(room, run, refused)
  }

  const join = (seat: Seat, waiting: Waiting, onBusy: OnBusy) => {
    if (onBusy !== "interrupt") {
      seat.queue.push(waiting)
      return
    }
    const { current } = seat
    seat.queue.unshift(waiting)
    // For an input that is refused after all, nothing is stopped.
    seat.room.whenDurable(() => {
      if (seat.current === current && seat.queue.includes(waiting)) background(stop(current))
    })
  }

  /** Ends a parked run, if it is one of those, and lets `first` be the next, if that is named. */
  const stopParkedIn = Effect.fnUntraced(function*(
    room: Room,
    first?: RunId,
    stopping = interrupted,
    those: (run: Run) => boolean = () => true
  ) {
    yield* room.follow
    const parked = parkedIn(room)
    if (parked === undefined || !those(parked)) return undefined
    const seat = yield* unpark(room, parked, { stopping })
    seat?.queue.sort((a, b) => Number(b.run.id === first) - Number(a.run.id === first))
    return seat?.current
  })

  const stopParked = (...which: Parameters<typeof stopParkedIn>) => which[0].lock.withPermits(1)(stopParkedIn(...which))

  const answer = (room: Room, input: AnswerInput, claim?: ClaimOf) =>
    Effect.gen(function*() {
      if (closing) return yield* draining
      yield* room.follow
      const parked = parkedIn(room)
      if (parked === undefined) return yield* Answers.notWaiting(room.session_id)
      const { out } = yield* load(room, parked)
      const drafts = yield* Answers.read(out.reply().message, input)
      const rules = Answers.rulesOf(input)
      if (rules.length > 0) {
        yield* sessions.modify(parked.user_id, parked.session_id, (session) => ({
          ...session,
          state: { ...session.state, permission_context: addRules(session.state.permission_context, rules) }
        }))
      }
      // Somebody may have stopped it meanwhile.
      if (parkedIn(room)?.id !== parked.id) return yield* Answers.notWaiting(room.session_id)
      const before = room.last()
      const seat = yield* unpark(room, parked, { drafts, claim: claim?.({ seq: before, run_id: parked.id }) })
      if (seat === undefined) return yield* Answers.notWaiting(room.session_id)
      return { seq: before, run_id: parked.id }
    }).pipe(room.lock.withPermits(1))

  /** Rings until the log shows that the runs have ended, or this process drives the session: then it is done `here`. */
  const tell = Effect.fnUntraced(
    function*(room: Room, ring: Ring, runs: ReadonlySet<RunId>, here: Effect.Effect<void>) {
      const isOpen = Effect.map(log.open(room.session_id), (open) => open.some(({ id }) => runs.has(id)))
      while (yield* isOpen) {
        yield* room.follow
        const seat = seats.get(room.session_id)
        if (seat === undefined ? room.open().some(isParked) : runs.has(seat.current.run.id)) return yield* here
        doorbell.ring(ring)
        const ended = yield* isOpen.pipe(
          Effect.delay(tellLook),
          Effect.repeat({ until: (open) => !open }),
          Effect.timeoutOption(tellEvery)
        )
        if (Option.isSome(ended)) return
      }
    },
    Effect.interruptible,
    Effect.timeoutOption(tellPatience),
    Effect.asVoid
  )

  const interruptHere = Effect.fnUntraced(function*(room: Room, queue: "keep" | "drop") {
    const current = seats.get(room.session_id)?.current ?? (yield* stopParked(room))
    const seat = seats.get(room.session_id)
    if (current === undefined || seat === undefined) return undefined
    const dropped = queue === "drop" ? [...seat.queue] : []
    for (const waiting of dropped) waiting.stopped = true
    yield* stop(current)
    yield* Deferred.await(current.ended)
    if (dropped.length > 0) yield* Effect.ignore(seat.room.durable)
    return seat
  })

  const interrupt = (room: Room, queue: "keep" | "drop", tries = 1): Effect.Effect<void> => {
    // In a room that knows who drives the session now.
    const again = Effect.scoped(Effect.flatMap(rooms.get(sessionOf(room)), (next) => interrupt(next, queue, tries + 1)))
    return Effect.gen(function*() {
      if (!seats.has(room.session_id)) yield* room.follow
      const other = elsewhere(room)
      if (other !== undefined) {
        const runs = queue === "drop" ? room.open().map(({ id }) => id) : [other.id]
        const here = Effect.suspend(() => tries < maxTries ? again : Effect.void)
        return yield* tell(
          room,
          { type: "interrupt", session: room.session_id, run: other.id, queue },
          new Set(runs),
          here
        )
      }
      const seat = yield* interruptHere(room, queue)
      if (seat?.lost === true && !doorbell.alone && tries < maxTries) yield* again
    })
  }

  const cancelHere = Effect.fnUntraced(function*(room: Room, run: RunId) {
    const seat = seats.get(room.session_id)
    const waiting = seat?.queue.find((one) => one.run.id === run)
    if (waiting !== undefined) waiting.stopped = true
    else if (seat?.current.run.id === run || parkedIn(room)?.id === run) yield* interrupt(room, "keep")
  })

  const expire = (room: Room, run: RunId, before: Timestamp) =>
    Effect.flatMap(
      stopParked(room, undefined, expired, ({ id, updated_at }) => !closing && id === run && updated_at < before),
      (current) => current === undefined ? Effect.void : Deferred.await(current.ended)
    )

  const cancel = Effect.fnUntraced(function*(room: Room, run: RunId) {
    if (!seats.has(room.session_id)) yield* room.follow
    const other = elsewhere(room)
    const open = room.open().find(({ id }) => id === run)
    if (other === undefined || open === undefined) return yield* cancelHere(room, run)
    const here = Effect.scoped(Effect.flatMap(rooms.get(sessionOf(room)), (now) => cancelHere(now, run)))
    const ring: Ring = { type: "cancel", session: room.session_id, run }
    const told = tell(room, ring, new Set([run]), here)
    if (open.status !== "queued") return yield* told
    // One that waits its turn ends when that comes; whatever is asked next is told after this.
    doorbell.ring(ring)
    background(told)
  })

  const resume = Effect.fnUntraced(function*(room: Room, run: Run) {
    const before = room.last()
    const current = yield* load(room, { ...run, attempt: run.attempt + 1, driver: self, updated_at: now() })
    if (room.last() !== before || seats.has(room.session_id)) return undefined
    const { attempt } = current.run
    current.out.emit({ type: "RUN_RESUMED", session_id: run.session_id, run_id: run.id, attempt })
    room.record(current.run)
    return current
  })

  /** Takes up what waits in a session that nobody drives. One whose run is parked waits for its answer. */
  const recoverIn = Effect.fnUntraced(function*(room: Room) {
    const id = room.session_id
    yield* Effect.ignore(room.durable)
    yield* room.follow
    const first = room.open()[0]
    if (seats.has(id) || first === undefined) return
    if (room.open().some(isParked)) {
      // It was left for a run that has parked meanwhile.
      const stops = room.open().find(({ driver, on_busy, status }) =>
        status === "queued" && driver === null && on_busy === "interrupt"
      )
      if (stops !== undefined) yield* stopParkedIn(room, stops.id)
      return
    }
    const agentName = yield* nameOf(first)
    const running = room.open().find(({ status }) => status === "running")
    const current = running === undefined ? undefined : yield* resume(room, running)
    if (closing || seats.has(id) || room.open().some(isParked)) return
    const waiting = waitingIn(room, agentName)
    if (current !== undefined) return void sit(room, current, waiting)
    const next = running === undefined && !room.open().some(({ status }) => status === "running")
      ? waiting.shift()
      : undefined
    if (next !== undefined) sit(room, begin(room, next), waiting)
  })

  /** Inputs that other processes left for the run that goes on here. */
  const pickUpIn = Effect.fnUntraced(function*(room: Room) {
    // After this, storage says who has every run that was ever seen here.
    yield* Effect.ignore(room.durable)
    const fresh = (yield* log.open(room.session_id)).filter(({ driver, status }) =>
      driver === null && status === "queued"
    )
    if (fresh.length === 0) return
    const agentName = yield* nameOf(fresh[0]!)
    const seat = seats.get(room.session_id)
    if (seat === undefined) return yield* recoverIn(room)
    if (seat.lost || closing) return
    for (const run of fresh) {
      const waiting = waitingOf(run, agentName)
      queued(room, waiting)
      join(seat, waiting, run.on_busy)
    }
  })

  /** Inputs that were left for this process, or that no process has. */
  const takeUp = (session: { readonly id: SessionId; readonly user_id: UserId }) =>
    Effect.flatMap(
      rooms.get(session),
      (room) =>
        Effect.suspend(() => seats.has(session.id) ? pickUpIn(room) : recoverIn(room)).pipe(
          room.lock.withPermits(1),
          Effect.unless(() => closing)
        )
    ).pipe(
      Effect.scoped,
      Effect.catchAllCause((cause) => {
        const isAway = Cause.squash(cause) instanceof Unavailable
        if (isAway) doubt.unsafeOpen()
        return (isAway ? Effect.logDebug : Effect.logError)("A run could not be recovered", cause)
      }),
      Effect.annotateLogs({ session_id: session.id })
    )

  const takeUpAll = (sessions: ReadonlyArray<Unfinished>) =>
    Effect.forEach(sessions, ({ owner, session_id }) => takeUp({ id: session_id, user_id: owner }), {
      concurrency: recoverConcurrency,
      discard: true
    })

  /** Nobody drives what runs or waits there: the process is gone, or this one has lost it. */
  const strays = Effect.gen(function*() {
    const unfinished = yield* log.unfinishedSessions
    const foreign = unfinished.some(({ driver }) => driver !== null && driver !== self)
    const living = foreign ? yield* doorbell.living : new Set<string>()
    return unfinished.filter(({ driver, fresh, session_id }) =>
      seats.has(session_id) ? fresh : driver === null || driver === self || !living.has(driver)
    )
  })

  const recover = Effect.gen(function*() {
    const found = yield* strays
    if (found.length === 0) return
    yield* Effect.logInfo(`Going on with unfinished runs in ${found.length} sessions`)
    yield* takeUpAll(found)
  })

  /** Drives on what was refused and yet is there. Of what other processes have had, the sweep knows. */
  const clearUp = Effect.gen(function*() {
    yield* doubt.await
    yield* Effect.sleep(doubtEvery)
    if (closing) return yield* Effect.never
    doubt.unsafeClose()
    yield* takeUpAll((yield* strays).filter(({ driver }) => doorbell.alone || driver === self))
  }).pipe(Effect.catchAllCause((cause) =>
    Effect.zipRight(
      Effect.logDebug("It cannot be looked for now what storage has kept", cause),
      Effect.sync(doubt.unsafeOpen)
    )
  ))

  let suspects = new Set<string>()

  /** A process that is gone for a moment only keeps its runs: whoever is missing is missed twice. */
  const sweep = Effect.gen(function*() {
    yield* Effect.sleep(yield* Random.nextIntBetween(sweepFrom, sweepTo))
    if (closing) return
    const found = yield* strays
    const keyOf = ({ driver, fresh, session_id }: Unfinished) => `${session_id} ${driver} ${fresh}`
    const sure = found.filter((one) => suspects.has(keyOf(one)))
    suspects = new Set(found.map(keyOf))
    yield* takeUpAll(sure)
  }).pipe(Effect.catchAllCause((cause) => {
    suspects.clear()
    return Effect.logDebug("Unfinished runs cannot be looked for now", cause)
  }))

  /** What another process asks of the one that drives the session. */
  const asked = (heard: Heard) => {
    if (!("session" in heard) || heard.type === "pages" || heard.type === "forget") return
    if (heard.type === "input") {
      if (heard.driver === self) background(takeUpHere(heard.session))
      return
    }
    const seat = seats.get(heard.session)
    if (seat === undefined) return
    const { room } = seat
    const todo = heard.type === "cancel"
      ? cancelHere(room, heard.run)
      : Effect.suspend(() =>
        seats.get(heard.session)?.current.run.id === heard.run ? interruptHere(room, heard.queue) : Effect.void
      )
    background(Effect.zipRight(takeUp(sessionOf(room)), Effect.asVoid(todo)))
  }

  /** The session's owner is known where it is driven; else one look at storage says it. */
  const takeUpHere = (id: SessionId) => {
    const seat = seats.get(id)
    return seat !== undefined
      ? takeUp(sessionOf(seat.room))
      : Effect.flatMap(log.open(id), ([run]) => run === undefined ? Effect.void : takeUp({ id, user_id: run.user_id }))
  }

  const live = Clock.make()
  yield* Effect.forkScoped(Effect.withClock(Effect.forever(clearUp), live))
  if (!doorbell.alone) {
    yield* doorbell.listen(asked)
    yield* Effect.forkScoped(Effect.withClock(Effect.forever(sweep), live))
  }

  const leave = Effect.suspend(() => {
    leaving = true
    const works = Array.from(seats.values(), ({ current }) => current.work).filter((fiber) => fiber !== undefined)
    return Effect.zipRight(Fiber.interruptAll(works), FiberMap.awaitEmpty(fibers))
  })

  yield* Effect.addFinalizer(() => leave)

  return RunOwner.of({
    submit,
    revoke: (room, run) => Effect.sync(() => revoke(room, run)),
    answer,
    interrupt,
    cancel,
    expire,
    activity: (session) => {
      const seat = seats.get(session)
      return seat && { run: seat.current.run, reply: seat.current.out.reply().message, queued: seat.queue.length }
    },
    told: toldOf,
    recover,
    drain: (seconds) =>
      Effect.suspend(() => {
        closing = true
        return FiberMap.awaitEmpty(fibers)
      }).pipe(Effect.interruptible, Effect.timeoutOption(Duration.seconds(seconds)), Effect.zipRight(leave))
  })
})

export const layer: Layer.Layer<RunOwner, never, AgentRunner | Rooms | EventLog | Storage | Doorbell> = Layer.scoped(
  RunOwner,
  make
)
