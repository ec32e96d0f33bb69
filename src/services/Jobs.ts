import { Context, type Duration, type Effect } from "effect"
import type { Conflict, NotFound } from "../domain/Errors.ts"
import type { Job } from "../domain/Job.ts"

/** How an attempt ended. */
export interface Outcome {
  /** `again` is tried later, as often as the kind allows; `dead` is given up at once. */
  readonly result: "done" | "again" | "dead"
  /** Why it is not done, in words. */
  readonly error?: string
  /** How long to wait at least before the next attempt. */
  readonly pause?: Duration.Duration
  /** What is written in the transaction that writes the job, which is as it will be stored. It may run again. */
  readonly write?: (job: Job) => Effect.Effect<void>
}

export const done: Outcome = { result: "done" }

/** How one kind of jobs is done. */
export interface JobHandler {
  readonly kind: string
  /** Longest time of an attempt; what takes longer counts as failed. */
  readonly timeout: Duration.Duration
  /** The pauses before the second, the third … attempt, about. After the last attempt a job is dead. */
  readonly pauses: ReadonlyArray<Duration.Duration>
  /** Does the job, which may have been done before, in whole or in part: by a process that died at its end. */
  readonly work: (job: Job) => Effect.Effect<Outcome>
  /**
   * What is written with a job whose attempt had no outcome: it broke, took too long, or its process died each time.
   * `job.error` says which.
   */
  readonly unended?: (job: Job) => Effect.Effect<void>
}

/** Work that happens later, over all processes that share the storage: each job is done at least once, by one process at a time. */
export class Jobs extends Context.Tag("stoa/services/Jobs")<Jobs, {
  /** Tries a job again that was given up. `Conflict` when it was not. */
  readonly retry: (id: string) => Effect.Effect<Job, NotFound | Conflict>
  /** Removes a job that was given up, or that nobody here knows how to do. `Conflict` when it is neither. */
  readonly remove: (id: string) => Effect.Effect<void, NotFound | Conflict>
  /** Looks at once whether there is something to do. */
  readonly wake: Effect.Effect<void>
  /** Does what is due, until it is interrupted. One in each process. */
  readonly run: Effect.Effect<never>
}>() {}
