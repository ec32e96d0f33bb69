/** What is asked of runs, in the process that drives them or leaves them to another: new inputs, answers, stopping. */
import { Cause, Clock, Deferred, Duration, Effect, FiberSet, Layer, Option } from "effect"
import type { AnswerInput, OnBusy } from "../../domain/Chat.ts"
import type { Claim } from "../../domain/Claim.ts"
import { Unavailable } from "../../domain/Errors.ts"
import type { EventDraft } from "../../domain/Event.ts"
import type { RunId, SessionId, Timestamp, UserId } from "../../domain/Ids.ts"
import { addRules } from "../../domain/Permission.ts"
import * as Reply from "../../domain/Reply.ts"
import type { Run } from "../../domain/Run.ts"
import { AgentRunner } from "../../services/AgentRunner.ts"
import { EventLog } from "../../services/EventLog.ts"
import { type Notice, Peers, type Received } from "../../services/Peers.ts"
import { type Room, Rooms } from "../../services/Rooms.ts"
import { type ClaimOf, RunOwner } from "../../services/RunOwner.ts"
import { Storage } from "../../services/Storage.ts"
import * as Answers from "./Answers.ts"
import { expired, interrupted, refused } from "./Endings.ts"
import * as History from "./History.ts"
import { busy, draining, full, maxQueued, notTaken } from "./Refusals.ts"
import { isParked, make as makeSeats, type Seat, type Waiting } from "./Seats.ts"
import * as Watch from "./Watch.ts"

/** How often another process is told again, until the log shows that it did it; and for how long. */
const tellEvery = Duration.seconds(1)
const tellPatience = Duration.seconds(10)

/** How often the log is asked for that. */
const tellLook = Duration.millis(50)

/** How long an input may take to be kept. */
const keepPatience = Duration.millis(1_400)

/** Times that something is tried again when another process was quicker. */
const maxTries = 3

const sessionOf = ({ owner: user_id, session_id: id }: Room) => ({ id, user_id })

export const make = Effect.gen(function*() {
  const runner = yield* AgentRunner
  const rooms = yield* Rooms
  const log = yield* EventLog
  const storage = yield* Storage
  const { agents, sessions } = storage
  const peers = yield* Peers
  const { self } = peers
  const clock = yield* Effect.clock
  /** Open while storage may hold runs that nobody here knows of, because it did not answer when they were written. */
  const doubt = yield* Effect.makeLatch(false)
  const seats = yield* makeSeats({ clock, onDoubt: () => doubt.unsafeOpen(), rooms, runner, self, storage })
  const { begin, currentOf, endUnbegun, now, sit, stop } = seats
  const { eventsOfRun, toldOf } = History.make(log)
  const background = yield* FiberSet.makeRuntime<never>()
  /** No new inputs. */
  let closing = false

  const queued = (room: Room, waiting: Waiting) => {
    const { id: run_id, session_id } = waiting.run
    // Before its events: whatever is in the log now lies before them, and is a cursor at once.
    const seq = room.head()
    room.emit(run_id, { type: "RUN_QUEUED", session_id, run_id })
    room.record({ ...waiting.run, driver: self })
    return seq
  }

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
    peers.alone || seats.has(room.session_id) || room.open().some(isParked)
      ? undefined
      : room.open().find(({ status }) => status === "running") ?? room.open()[0]

  const isFull = (open: ReadonlyArray<Run>) => open.filter(({ status }) => status === "queued").length >= maxQueued

  /** Leaves the input in storage for the process that drives the session. */
  const leaveWith = Effect.fnUntraced(
    function*(room: Room, run: Run, driver: string | null, claim: ClaimOf | undefined) {
      if (run.on_busy === "reject") return yield* busy(room, false)
      if (isFull(yield* log.open(room.session_id))) return yield* full(room)
      const seq = room.head()
      const claims = claim === undefined ? [] : [claim({ seq, run_id: run.id })]
      yield* log.append({ runs: [run], messages: [], pages: [], claims })
      if (driver !== null && driver !== self) peers.notify({ type: "input", session: room.session_id, driver })
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
      // What waits for the log may come after this answer: only a place in the log is a cursor.
      const seq = room.head()
      yield* log.append({ runs: [run], messages: [], pages: [], claims: [claim({ seq, run_id: run.id })] })
      queued(room, waiting)
      const seat = seats.of(room.session_id)
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
    const orphan = peers.alone && !seats.has(room.session_id) &&
      room.open().some(({ status }) => status === "running")
    if (orphan) {
      yield* room.lock.withPermits(1)(recoverIn(room))
      if (closing) return yield* draining
    }
    const other = elsewhere(room)
    if (other !== undefined) return yield* leaveWith(room, run, other.driver, claim)
    const seat = seats.of(room.session_id)
    const parked = parkedIn(room)
    const waiting = { run, agentName, stopped: false, steers: onBusy === "steer" }
    if (seat === undefined && parked === undefined) {
      const seq = room.head()
      const current = begin(room, waiting)
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
    const queue = seats.of(room.session_id)?.queue
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
      const before = room.head()
      const seat = yield* unpark(room, parked, { drafts, claim: claim?.({ seq: before, run_id: parked.id }) })
      if (seat === undefined) return yield* Answers.notWaiting(room.session_id)
      return { seq: before, run_id: parked.id }
    }).pipe(room.lock.withPermits(1))

  /** Rings until the log shows that the runs have ended, or this process drives the session: then it is done `here`. */
  const tell = Effect.fnUntraced(
    function*(room: Room, notice: Notice, runs: ReadonlySet<RunId>, here: Effect.Effect<void>) {
      const isOpen = Effect.map(log.open(room.session_id), (open) => open.some(({ id }) => runs.has(id)))
      while (yield* isOpen) {
        yield* room.follow
        const seat = seats.of(room.session_id)
        if (seat === undefined ? room.open().some(isParked) : runs.has(seat.current.run.id)) return yield* here
        peers.notify(notice)
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
    const current = seats.of(room.session_id)?.current ?? (yield* stopParked(room))
    const seat = seats.of(room.session_id)
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
      if (seat?.lost === true && !peers.alone && tries < maxTries) yield* again
    })
  }

  const cancelHere = Effect.fnUntraced(function*(room: Room, run: RunId) {
    const seat = seats.of(room.session_id)
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
    const notice: Notice = { type: "cancel", session: room.session_id, run }
    const told = tell(room, notice, new Set([run]), here)
    if (open.status !== "queued") return yield* told
    // One that waits its turn ends when that comes; whatever is asked next is told after this.
    peers.notify(notice)
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
    const seat = seats.of(room.session_id)
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

  /** What another process asks of the one that drives the session. */
  const asked = (received: Received) => {
    if (!("session" in received) || received.type === "pages" || received.type === "forget") return
    if (received.type === "input") {
      if (received.driver === self) background(takeUpHere(received.session))
      return
    }
    const seat = seats.of(received.session)
    if (seat === undefined) return
    const { room } = seat
    const todo = received.type === "cancel"
      ? cancelHere(room, received.run)
      : Effect.suspend(() =>
        seats.of(received.session)?.current.run.id === received.run ? interruptHere(room, received.queue) : Effect.void
      )
    background(Effect.zipRight(takeUp(sessionOf(room)), Effect.asVoid(todo)))
  }

  /** The session's owner is known where it is driven; else one look at storage says it. */
  const takeUpHere = (id: SessionId) => {
    const seat = seats.of(id)
    return seat !== undefined
      ? takeUp(sessionOf(seat.room))
      : Effect.flatMap(log.open(id), ([run]) => run === undefined ? Effect.void : takeUp({ id, user_id: run.user_id }))
  }

  const { clearUp, recover, sweep } = Watch.make({
    peers,
    doubt,
    isClosing: () => closing,
    log,
    seats,
    takeUp
  })
  const live = Clock.make()
  yield* Effect.forkScoped(Effect.withClock(Effect.forever(clearUp), live))
  if (!peers.alone) {
    yield* peers.listen(asked)
    yield* Effect.forkScoped(Effect.withClock(Effect.forever(sweep), live))
  }

  yield* Effect.addFinalizer(() => seats.leave)

  return RunOwner.of({
    submit,
    revoke: (room, run) => Effect.sync(() => revoke(room, run)),
    answer,
    interrupt,
    cancel,
    expire,
    activity: (session) => {
      const seat = seats.of(session)
      return seat && { run: seat.current.run, reply: seat.current.out.reply().message, queued: seat.queue.length }
    },
    told: toldOf,
    recover,
    drain: (seconds) =>
      Effect.suspend(() => {
        closing = true
        return seats.empty
      }).pipe(Effect.interruptible, Effect.timeoutOption(Duration.seconds(seconds)), Effect.zipRight(seats.leave))
  })
})

export const layer: Layer.Layer<RunOwner, never, AgentRunner | Rooms | EventLog | Storage | Peers> = Layer.scoped(
  RunOwner,
  make
)
