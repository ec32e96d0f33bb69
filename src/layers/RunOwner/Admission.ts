/** New inputs: each begins at once, waits for its turn, is left for the process that drives the session, or is refused. */
import { Duration, Effect, Option } from "effect"
import type { Claim } from "../../domain/Claim.ts"
import type { RunId, SessionId } from "../../domain/Ids.ts"
import type { Run } from "../../domain/Run.ts"
import type { Room } from "../../services/Rooms.ts"
import type { ClaimOf } from "../../services/RunOwner.ts"
import type { ActiveRun, PendingInput } from "./ActiveRun.ts"
import { refused } from "./Endings.ts"
import type { Parked } from "./Parked.ts"
import { elsewhere, parkedIn, type Parts, sessionOf } from "./Parts.ts"
import type { Recovery } from "./Recovery.ts"
import { busy, draining, full, maxQueued, notTaken } from "./Refusals.ts"

/** How long an input may take to be written when it is written by itself. */
const writeTimeout = Duration.millis(1_400)

const isQueued = ({ status }: Run) => status === "queued"

/** Inputs that are being written into storage, by session, in order. Each counts towards the bound of waiting inputs. */
const makeArrivals = () => {
  const sessions = new Map<SessionId, Set<RunId>>()
  return {
    of: (session: SessionId): Iterable<RunId> => sessions.get(session) ?? [],
    add: ({ id, session_id }: Run) => {
      const arriving = sessions.get(session_id) ?? new Set()
      sessions.set(session_id, arriving.add(id))
    },
    remove: ({ id, session_id }: Run) => {
      const arriving = sessions.get(session_id)
      arriving?.delete(id)
      if (arriving?.size === 0) sessions.delete(session_id)
    }
  }
}

export const make = (parts: Parts, parked: Parked, { join, queued, recoverIn, takeUp }: Recovery) => {
  const { activeRuns, background, log, onUnconfirmed, peers, rooms } = parts
  const { self } = peers
  const arrivals = makeArrivals()

  /** Whether the queue is full: inputs in `open` wait, and those that arrive before this one will. */
  const isFull = (run: Run, open: ReadonlyArray<Run>) => {
    const ahead = new Set(open.filter(isQueued).map(({ id }) => id))
    for (const id of arrivals.of(run.session_id)) {
      if (id === run.id) break
      ahead.add(id)
    }
    return ahead.size >= maxQueued
  }

  /** Storage may have written it all the same. */
  const notAnswered = (...why: ReadonlyArray<unknown>) =>
    Effect.logDebug(...why).pipe(Effect.zipRight(Effect.sync(onUnconfirmed)), Effect.zipRight(notTaken))

  /** Writes one input alone, within a time limit. It counts as waiting from now on, before the first wait. */
  const arriving = <A, E>(run: Run, write: Effect.Effect<A, E>) =>
    Effect.suspend(() => {
      arrivals.add(run)
      return Effect.timeoutOption(write, writeTimeout)
    }).pipe(
      Effect.flatMap(Option.match({
        onNone: () => notAnswered("Storage did not take an input in time"),
        onSome: (done) => Effect.succeed(done)
      })),
      Effect.catchAllDefect((cause) => notAnswered("An input was not taken", cause)),
      Effect.ensuring(Effect.sync(() => arrivals.remove(run)))
    )

  const append = (run: Run, claims: ReadonlyArray<Claim>) =>
    log.append({ runs: [run], messages: [], pages: [], claims })

  /**
   * Leaves the input in storage for the process that drives the session. What
   * several processes leave there in the same moment is not counted: by so
   * many the bound may be passed.
   */
  const leaveWith = (room: Room, run: Run, driver: string | null, claim: ClaimOf | undefined) =>
    arriving(
      run,
      Effect.gen(function*() {
        if (run.on_busy === "reject") return yield* busy(room, false)
        if (isFull(run, yield* log.open(room.session_id))) return yield* full(room)
        const seq = room.head()
        yield* append(run, claim === undefined ? [] : [claim({ seq, run_id: run.id })])
        if (driver !== null && driver !== self) peers.notify({ type: "input", session: room.session_id, driver })
        else background(takeUp(sessionOf(room)))
        return { seq, place: "stored" as const }
      })
    )

  /**
   * Queues an input whose key has a claim. The claim goes into storage
   * first: when somebody else has it already, only this input is refused, and not
   * all that the room writes.
   */
  const storeFirst = (room: Room, pending: PendingInput, claim: ClaimOf) =>
    arriving(
      pending.run,
      Effect.gen(function*() {
        const { run } = pending
        const seq = room.head()
        yield* append(run, [claim({ seq, run_id: run.id })])
        queued(room, pending)
        const active = activeRuns.get(room.session_id)
        if (active === undefined) background(takeUp(sessionOf(room)))
        else join(active, pending)
        return { seq, place: "stored" as const }
      }).pipe(room.lock.withPermits(1))
    )

  const beginAlone = (room: Room, pending: PendingInput, claim: ClaimOf | undefined) => {
    // The head is read before the input's events are in the room, so that it is a place in the log.
    const seq = room.head()
    const active = activeRuns.begin(room, pending)
    if (claim !== undefined) room.claim(claim({ seq, run_id: pending.run.id }))
    activeRuns.start(active, [])
    return { seq, place: "alone" as const }
  }

  const submit = Effect.fnUntraced(function*(room: Room, run: Run, agentName: string, claim?: ClaimOf) {
    if (activeRuns.isClosing()) return yield* draining
    const id = room.session_id
    // An input that was refused because storage did not answer may have been written all the same: it goes first.
    if (peers.alone && !activeRuns.has(id) && room.open().some(({ status }) => status === "running")) {
      yield* room.lock.withPermits(1)(recoverIn(room))
      if (activeRuns.isClosing()) return yield* draining
    }
    // There is no wait from here until the input is queued or begun, so that everything read here still holds.
    const other = elsewhere(parts, room)
    if (other !== undefined) return yield* leaveWith(room, run, other.driver, claim)
    const active = activeRuns.get(id)
    const pending = { run, agentName }
    if (active === undefined && parkedIn(parts, room) === undefined) return beginAlone(room, pending, claim)
    if (run.on_busy === "reject") return yield* busy(room, active === undefined)
    if (isFull(run, room.open())) return yield* full(room)
    if (rooms.isHeldUp()) return yield* notTaken
    if (active !== undefined && claim !== undefined) return yield* storeFirst(room, pending, claim)
    const seq = queued(room, pending)
    if (claim !== undefined) room.claim(claim({ seq, run_id: run.id }))
    if (active !== undefined) join(active, pending)
    else if (run.on_busy === "interrupt") yield* room.lock.withPermits(1)(parked.stop(room))
    return { seq, place: "waits" as const }
  })

  const revoke = (room: Room, id: RunId) => {
    const run = room.open().find((one) => one.id === id && isQueued(one))
    const active: ActiveRun | undefined = activeRuns.get(room.session_id)
    if (run === undefined) return
    if (active === undefined) activeRuns.endUnbegun(room, run, refused)
    else activeRuns.endPending(active, (pending) => pending.run.id === id, refused)
  }

  return { submit, revoke: (room: Room, id: RunId) => Effect.sync(() => revoke(room, id)) }
}
