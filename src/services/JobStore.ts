import { Context, type Effect, type Scope } from "effect"
import type { UserId } from "../domain/Ids.ts"
import type { Job } from "../domain/Job.ts"

/** What there is to do. */
export interface JobLook {
  /** By the clock of the storage, in milliseconds. */
  readonly now: number
  /** When the next pending job may be taken. */
  readonly next: number | undefined
  /** The processes that are doing jobs now. */
  readonly workers: ReadonlyArray<string>
}

export interface TakeJobs {
  readonly worker: string
  /** Words without blanks. What is of another kind waits for a process that knows it, such as one of a later version. */
  readonly kinds: ReadonlyArray<string>
  /** For how many milliseconds nobody else may take them. */
  readonly lease: number
  readonly limit: number
  /** Most of one owner in one take. */
  readonly perOwner: number
  /** Owners of which nothing is taken now. */
  readonly without: ReadonlyArray<UserId>
}

/**
 * Keeps the jobs. Every time is by the clock of the storage, so that processes whose own clocks differ agree.
 * Records are read through `Storage.jobs`.
 */
export class JobStore extends Context.Tag("stoa/services/JobStore")<JobStore, {
  /** Adds jobs that may be taken at once; one whose id is known stays as it is. Part of the caller's transaction. */
  readonly add: (jobs: ReadonlyArray<Job>) => Effect.Effect<void>
  /** Calls back when jobs were added here, which may not be committed yet, until the scope closes. */
  readonly listen: (call: () => void) => Effect.Effect<void, never, Scope.Scope>
  readonly look: (kinds: ReadonlyArray<string>) => Effect.Effect<JobLook>
  /** Takes pending jobs whose time has come, first one of each owner, the oldest of each first, and counts the attempt. */
  readonly take: (options: TakeJobs) => Effect.Effect<ReadonlyArray<Job>>
  /** Lets jobs that these processes had taken be taken again at once. */
  readonly release: (workers: ReadonlyArray<string>) => Effect.Effect<void>
  /** Replaces a job that `worker` still has, and lets it go; answers whether it had. Part of the caller's transaction. */
  readonly write: (job: Job, worker: string) => Effect.Effect<boolean>
  /** Makes a job that was given up pending again, from now on; answers whether it was. */
  readonly revive: (job: Job) => Effect.Effect<boolean>
  /** Removes a job that was given up, or that waits and is of none of these kinds; answers whether it was so. */
  readonly remove: (id: string, kinds: ReadonlyArray<string>) => Effect.Effect<boolean>
  /** Removes at most so many jobs that were done, or given up, longer ago than this; times in milliseconds. Answers how many. */
  readonly prune: (doneBefore: number, deadBefore: number, limit: number) => Effect.Effect<number>
}>() {}
