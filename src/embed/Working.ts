/** What an engine does by itself while its scope is open, and the order in which all of it ends. */
import { Effect } from "effect"
import * as Watching from "../layers/Catalog/Watching.ts"
import { BackgroundTasks } from "../services/BackgroundTasks.ts"
import { DirectCalls } from "../services/DirectCalls.ts"
import { Hooks } from "../services/Hooks.ts"
import { Jobs } from "../services/Jobs.ts"
import { OwnTasks } from "../services/OwnTasks.ts"
import { Readiness } from "../services/Readiness.ts"
import { Rooms } from "../services/Rooms.ts"
import { RunOwner } from "../services/RunOwner.ts"
import { Scheduler } from "../services/Scheduler.ts"
import { Waker } from "../services/Waker.ts"

export interface Options {
  /** How long runs may go on after a request to stop. */
  readonly drainSeconds: number
  /** Whether the database has ended by itself: then nothing that a run does could be stored. */
  readonly isEnded: Effect.Effect<boolean>
  /** Names the step of stopping that is under way. */
  readonly stage: <A, E, R>(name: string, work: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Ends what clients still hold when their streams have ended. */
  readonly closing: Effect.Effect<void>
  /** Where it listens; null inside of another program. */
  readonly url: string | null
  /** The folder of definitions that is read again whenever something in it changes. */
  readonly watched?: string | undefined
}

/** Goes on with what a crash has left, starts what works by itself, and takes inputs from then on. Fails when a required hook refuses the start. */
export const working = ({ closing, drainSeconds, isEnded, stage, url, watched }: Options) =>
  Effect.gen(function*() {
    const owner = yield* RunOwner
    const calls = yield* DirectCalls
    const rooms = yield* Rooms
    const scheduler = yield* Scheduler
    const jobs = yield* Jobs
    const tasks = yield* BackgroundTasks
    const waker = yield* Waker
    const ownTasks = yield* OwnTasks
    const readiness = yield* Readiness
    const hooks = yield* Hooks

    // A start that a hook has refused was no start: nobody is told of its end.
    let hasStarted = false
    yield* Effect.addFinalizer(() =>
      readiness.set(false).pipe(
        Effect.zipRight(isEnded),
        Effect.flatMap((isEnded) => {
          const seconds = isEnded ? 0 : drainSeconds
          return stage("waiting for runs", Effect.zip(owner.drain(seconds), calls.drain(seconds), { concurrent: true }))
        }),
        Effect.zipRight(stage("telling hooks", hasStarted ? hooks.stop({ url }) : Effect.void)),
        Effect.zipRight(stage("ending streams", rooms.close("stopping"))),
        Effect.zipRight(stage("closing connections", closing)),
        // The finalizers of the server, the engine and the database run after this one.
        Effect.zipRight(stage("closing the database", Effect.void))
      )
    )
    yield* hooks.start({ url })
    hasStarted = true
    // First: the runs that go on then tell of them.
    yield* tasks.recover
    yield* owner.recover
    // Added after the finalizer above, so that it is stopped first: it starts nothing while runs come to their ends.
    yield* Effect.forkScoped(scheduler.run)
    yield* Effect.forkScoped(jobs.run)
    yield* Effect.forkScoped(waker.run)
    yield* Effect.forkScoped(ownTasks.run)
    if (watched !== undefined) yield* Effect.forkScoped(Watching.watch(watched))
    yield* readiness.set(true)
  })
