/** Stops runs that are active, queued or parked, here or in another process. */
import { Cause, Deferred, Duration, Effect, FiberId } from "effect"
import { Unavailable } from "../../domain/Errors.ts"
import type { RunId, SessionId, Timestamp } from "../../domain/Ids.ts"
import type { Notice, Received } from "../../services/Peers.ts"
import type { Room } from "../../services/Rooms.ts"
import type { OwnedSession } from "../../services/RunOwner.ts"
import * as AskPeer from "./AskPeer.ts"
import { expired, interrupted } from "./Endings.ts"
import type { Parked } from "./Parked.ts"
import { elsewhere, parkedIn, type Parts, sessionOf } from "./Parts.ts"
import type { Recovery } from "./Recovery.ts"
import { notStopped } from "./Refusals.ts"

/** How long a request to stop waits until the stop is durable. */
const stopTimeout = Duration.millis(1_700)

/** How long a stop is tried further when it is not done in that time, and how often. */
const maxAsking = Duration.seconds(60)
const retryEvery = Duration.millis(200)

/** Most stops that may be requested in one session at a time. */
const maxStops = 16

/** Which runs shall end, and the first notice of it to another process. */
interface Stop {
  readonly runs: ReadonlySet<RunId>
  readonly notice: Notice
}

export const make = (parts: Parts, parked: Parked, { takeUp, takeUpById }: Recovery) => {
  const { activeRuns, background, log, peers, rooms } = parts
  const askPeer = AskPeer.make(parts)
  const asking = new Map<SessionId, number>()

  /** Ends those of the runs that are here. */
  const stopHere = Effect.fnUntraced(function*(room: Room, runs: ReadonlySet<RunId>) {
    const isOne = ({ id }: { readonly id: RunId }) => runs.has(id)
    let active = activeRuns.get(room.session_id)
    const run = parkedIn(parts, room)
    if (run !== undefined && isOne(run)) {
      active = yield* room.lock.withPermits(1)(parked.stop(room, { those: isOne, pending: isOne }))
    } else if (active !== undefined) {
      // Queued runs are ended first, in the same turn of the event loop: they would begin when the active run has ended.
      activeRuns.endPending(active, ({ run }) => isOne(run), interrupted)
      if (isOne(active.run)) activeRuns.stop(active)
    } else {
      for (const one of room.open()) {
        if (one.status === "queued" && isOne(one)) activeRuns.endUnbegun(room, one, interrupted)
      }
    }
    if (active !== undefined && isOne(active.run)) yield* Deferred.await(active.left)
    yield* Effect.ignore((active?.room ?? room).durable)
  })

  /** Whether storage has the end of all of them. */
  const haveEnded = (session: OwnedSession, runs: ReadonlySet<RunId>) =>
    Effect.map(log.open(session.id), (open) => !open.some(({ id }) => runs.has(id)))

  /** Works in the session's newest room: the runs of a dead room may be driven by another process, or by this one again. */
  const attempt = (session: OwnedSession, { notice, runs }: Stop) =>
    Effect.gen(function*() {
      const room = yield* rooms.get(session)
      if (!activeRuns.has(session.id)) yield* room.follow
      if (elsewhere(parts, room) !== undefined) return yield* askPeer(room, notice, runs)
      yield* stopHere(room, runs)
      if (yield* haveEnded(session, runs)) return true
      // The run was on its way into storage, or was left there for this process.
      yield* takeUp(session)
      return false
    }).pipe(
      Effect.scoped,
      Effect.catchAllCause((cause) =>
        Cause.squash(cause) instanceof Unavailable
          ? Effect.as(Effect.logDebug("A run cannot be stopped now", cause), false)
          : Effect.failCause(cause)
      )
    )

  const stop = (session: OwnedSession, what: Stop) =>
    attempt(session, what).pipe(
      Effect.flatMap((done) => done ? Effect.succeed(done) : Effect.as(Effect.sleep(retryEvery), done)),
      Effect.repeat({ until: (done) => done }),
      Effect.asVoid
    )

  /** Waits for the stop as long as a request may. The stop continues when nobody waits any more. */
  const bounded = (session: OwnedSession, stopping: Effect.Effect<void>): Effect.Effect<void, Unavailable> =>
    Effect.suspend(() => {
      const before = asking.get(session.id) ?? 0
      if (before >= maxStops) return notStopped
      asking.set(session.id, before + 1)
      const done = Deferred.unsafeMake<void>(FiberId.none)
      background(stopping.pipe(
        Effect.zipRight(Deferred.succeed(done, undefined)),
        Effect.timeoutOption(maxAsking),
        Effect.catchAllCause((cause) => Effect.logError("A run could not be stopped", cause)),
        Effect.annotateLogs({ session_id: session.id }),
        Effect.ensuring(Effect.sync(() => {
          const left = asking.get(session.id)! - 1
          if (left === 0) asking.delete(session.id)
          else asking.set(session.id, left)
        }))
      ))
      return Effect.timeoutFail(Deferred.await(done), { duration: stopTimeout, onTimeout: () => notStopped })
    })

  /** The runs that an interruption ends, as the session is now. */
  const present = (room: Room, queue: "keep" | "drop"): Stop | undefined => {
    const session = room.session_id
    const run = activeRuns.get(session)?.run ?? parkedIn(parts, room) ?? elsewhere(parts, room)
    const dropped = queue === "drop" ? room.open().map(({ id }) => id) : []
    const runs = new Set(run === undefined ? dropped : [run.id, ...dropped])
    const [first] = runs
    return first === undefined ? undefined : { runs, notice: { type: "interrupt", session, run: first, queue } }
  }

  const interrupt = (session: OwnedSession, queue: "keep" | "drop") =>
    bounded(
      session,
      Effect.gen(function*() {
        const room = yield* rooms.get(session)
        // Inputs that other processes left for the active run here are dropped too; and a run here must not hide one that is active elsewhere.
        if (queue === "drop" && activeRuns.has(session.id) && !peers.alone) yield* takeUp(session)
        else if (!activeRuns.has(session.id)) yield* room.follow
        const what = present(room, queue)
        if (what !== undefined) yield* stop(session, what)
      }).pipe(Effect.scoped)
    )

  const cancel = (session: OwnedSession, run: RunId) =>
    bounded(
      session,
      stop(session, { runs: new Set([run]), notice: { type: "cancel", session: session.id, run } })
    )

  const expire = (room: Room, run: RunId, before: Timestamp) =>
    parked.stop(room, {
      how: expired,
      those: ({ id, updated_at }) => !activeRuns.isClosing() && id === run && updated_at < before
    }).pipe(
      room.lock.withPermits(1),
      Effect.flatMap((active) => active === undefined ? Effect.void : Effect.asVoid(Deferred.await(active.left))),
      Effect.timeoutOption(stopTimeout),
      Effect.asVoid
    )

  /** Serves the request of another process to the one that drives the session. */
  const receive = (received: Received) => {
    if (!("session" in received)) return
    if (received.type === "pages" || received.type === "forget") return
    if (received.type === "tasks" || received.type === "answered") return
    const { session } = received
    if (received.type === "input") {
      if (received.driver === peers.self) background(takeUpById(session))
      return
    }
    const room = activeRuns.get(session)?.room
    if (room === undefined) return
    background(
      // After this, all inputs that the process left here before its request are known here.
      Effect.zipRight(
        takeUp(sessionOf(room)),
        Effect.suspend(() => {
          if (received.type === "cancel") return stopHere(room, new Set([received.run]))
          // The run has ended by itself meanwhile: the run after it must not be stopped.
          if (activeRuns.get(session)?.run.id !== received.run) return Effect.void
          return stopHere(room, present(room, received.queue)!.runs)
        })
      )
    )
  }

  return { interrupt, cancel, expire, receive }
}
