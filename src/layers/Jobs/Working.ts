/**
 * The loop of a process: it takes jobs whose time has come and does them. It waits for a doorbell or a time, and looks
 * every second whatever happens, or every few where no other process can have added one: timers only make it quick.
 */
import { Clock, Duration, Effect, Layer, Random } from "effect"
import { Conflict } from "../../domain/Errors.ts"
import type { Job } from "../../domain/Job.ts"
import { type JobHandler, Jobs, type Outcome } from "../../services/Jobs.ts"
import { type JobLook, JobStore } from "../../services/JobStore.ts"
import { timestampOf } from "../../services/Now.ts"
import { Peers } from "../../services/Peers.ts"
import { Storage } from "../../services/Storage.ts"
import * as AtOnce from "../AtOnce.ts"
import { supervise } from "../Supervise.ts"

/** Jobs that this process does at the same time, in all and of one owner. */
const maxWorking = 32
const maxWorkingOfOne = 4

/** Nobody else takes a job for so much longer than its handler may work. */
const leaseSlack = Duration.seconds(30)

/**
 * Longest and shortest pause between two looks, in milliseconds, and the one after a look that found what cannot be done
 * yet. A process alone hears of all that is added; it looks because the clock may be moved.
 */
const longestAlone = 5_000
const longestShared = 1_000
/** The pause after a look that storage refused. */
const refused = 1_000
const shortest = 5
const held = 100

/** How long jobs are kept that are done, and that were given up. */
const keptDone = Duration.days(1)
const keptDead = Duration.days(30)

/** The pause between two removals of old jobs, and how many are removed together. */
const pruneInterval = Duration.minutes(1)
const pruneBatch = 1_000

/** A pause is longer or shorter by up to this part of it, so that what failed together is not tried together. */
const jitter = 0.2

const tooLong: Outcome = { result: "again", error: "It took too long." }
const cutOff: Outcome = { result: "dead", error: "It never came to an end." }
const broken: Outcome = { result: "again", error: "It broke; the cause is in the server's log." }

export const make = (handlers: ReadonlyArray<JobHandler>) =>
  Effect.gen(function*() {
    const store = yield* JobStore
    const storage = yield* Storage
    const peers = yield* Peers
    const bell = yield* Effect.makeLatch(false)
    const longest = peers.alone ? longestAlone : longestShared
    const wake = Effect.sync(() => bell.unsafeOpen())
    const kinds = handlers.map(({ kind }) => kind)
    const byKind = new Map(handlers.map((handler) => [handler.kind, handler]))
    const lease = Math.max(...handlers.map(({ timeout }) => Duration.toMillis(timeout)), 0) +
      Duration.toMillis(leaseSlack)

    /** The job as it is after an attempt that ended this way. */
    const after = Effect.fnUntraced(function*(job: Job, handler: JobHandler, outcome: Outcome) {
      const pause = outcome.result === "again" ? handler.pauses[job.attempts - 1] : undefined
      // By the storage's clock, as it is taken: this process's may be ahead or behind.
      const now = pause === undefined ? yield* Clock.currentTimeMillis : (yield* store.look(kinds)).now
      const stretch = 1 + jitter * (2 * (yield* Random.next) - 1)
      const millis = pause === undefined
        ? 0
        : Math.max(
          Duration.toMillis(pause) * stretch,
          outcome.pause === undefined ? 0 : Duration.toMillis(outcome.pause)
        )
      return {
        ...job,
        status: outcome.result === "done" ? "done" : pause === undefined ? "dead" : "pending",
        error: outcome.error ?? null,
        run_at: timestampOf(Math.round(now + millis)),
        updated_at: timestampOf(now)
      } satisfies Job
    })

    const attempt = (job: Job, handler: JobHandler): Effect.Effect<Outcome> => {
      const without = (outcome: Outcome): Outcome =>
        handler.unended === undefined ? outcome : { ...outcome, write: handler.unended }
      // It was begun so often, and never came to an end: it may be what kills the process.
      if (job.attempts > 2 * (handler.pauses.length + 1)) return Effect.succeed(without(cutOff))
      return handler.work(job).pipe(
        Effect.timeoutTo({
          duration: handler.timeout,
          onSuccess: (outcome) => outcome,
          onTimeout: () => without(tooLong)
        }),
        Effect.catchAllDefect((defect) => Effect.as(Effect.logError("A job broke", defect), without(broken)))
      )
    }

    const work = (job: Job, handler: JobHandler): Effect.Effect<void> =>
      Effect.gen(function*() {
        const outcome = yield* attempt(job, handler)
        const next = yield* after(job, handler, outcome)
        // Together: who sees the job done sees what it did, and what is not written is tried again.
        yield* storage.transaction(Effect.gen(function*() {
          if (!(yield* store.write(next, peers.self))) return
          if (outcome.write !== undefined) yield* outcome.write(next)
        }))
        if (next.status === "dead") yield* Effect.logWarning(`A job was given up: ${next.error}`)
        yield* wake
      }).pipe(
        // Storage may be away: the job is taken again when its lease is over.
        Effect.catchAllCause((cause) => Effect.logWarning("A job could not be written and is done again", cause)),
        Effect.annotateLogs({ job_id: job.id, kind: job.kind })
      )

    /** Takes back what processes were doing that are gone; answers whether there was something. */
    const releaseDead = Effect.fnUntraced(function*({ workers }: JobLook) {
      if (!workers.some((worker) => worker !== peers.self)) return false
      const living = yield* peers.living
      const dead = workers.filter((worker) => !living.has(worker) && worker !== peers.self)
      if (dead.length > 0) yield* store.release(dead)
      return dead.length > 0
    })

    const pruning = Effect.flatMap(Clock.currentTimeMillis, (now) =>
      Effect.repeat(
        store.prune(now - Duration.toMillis(keptDone), now - Duration.toMillis(keptDead), pruneBatch),
        { while: (removed) => removed === pruneBatch }
      )).pipe(
        Effect.catchAllCause((cause) => Effect.logDebug("Old jobs cannot be removed now", cause)),
        Effect.delay(pruneInterval),
        Effect.forever
      )

    const run = Effect.gen(function*() {
      yield* store.listen(() => bell.unsafeOpen())
      const working = yield* AtOnce.make(maxWorking, maxWorkingOfOne, () => bell.unsafeOpen())

      const take = Effect.gen(function*() {
        const limit = working.free()
        if (limit <= 0) return 0
        const jobs = yield* store.take({
          worker: peers.self,
          kinds,
          lease,
          limit,
          perOwner: maxWorkingOfOne,
          without: working.full()
        })
        yield* Effect.forEach(jobs, (job) => {
          const handler = byKind.get(job.kind)
          return handler === undefined ? Effect.void : working.start(job.user_id, work(job, handler))
        }, { discard: true })
        return jobs.length
      })

      const tick = Effect.gen(function*() {
        // The bell is closed before the look: who rings afterwards is heard at the end.
        bell.unsafeClose()
        const look = yield* store.look(kinds)
        // What is free now is seen by the next look.
        if (yield* releaseDead(look)) return shortest
        if (look.next === undefined) return longest
        if (look.next <= look.now) return (yield* take) > 0 ? shortest : held
        return Math.min(Math.max(look.next - look.now, shortest), longest)
      }).pipe(
        Effect.catchAllCause((cause) => Effect.as(Effect.logDebug("Jobs cannot be looked at now", cause), refused))
      )

      const loop: Effect.Effect<never> = Effect.forever(
        Effect.flatMap(tick, (pause) => Effect.timeoutOption(bell.await, Duration.millis(pause)))
      )
      yield* Effect.forkScoped(supervise("Removal of old jobs", pruning))
      return yield* supervise("The jobs", loop)
    }).pipe(Effect.scoped)

    return Jobs.of({
      retry: Effect.fnUntraced(function*(id) {
        const job = yield* storage.jobs.host.get(id)
        const at = timestampOf(yield* Clock.currentTimeMillis)
        const pending: Job = { ...job, status: "pending", attempts: 0, run_at: at, updated_at: at }
        if (!(yield* store.revive(pending))) {
          return yield* new Conflict({
            code: "job_not_dead",
            detail: "Only a job that was given up can be tried again."
          })
        }
        yield* wake
        return pending
      }),
      remove: Effect.fnUntraced(function*(id) {
        const { kind } = yield* storage.jobs.host.get(id)
        if (yield* store.remove(id, kinds)) return
        return yield* new Conflict({
          code: "job_not_dead",
          detail: byKind.has(kind)
            ? "Only a job that was given up can be deleted. This one is still to be done, or was done and goes by itself."
            : "The job is being done by another process, or was done and goes by itself."
        })
      }),
      wake,
      run
    })
  })

export const layer = (
  handlers: ReadonlyArray<JobHandler>
): Layer.Layer<Jobs, never, JobStore | Storage | Peers> => Layer.effect(Jobs, make(handlers))
