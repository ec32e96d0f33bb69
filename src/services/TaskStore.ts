import { Context, type Effect } from "effect"
import type { BackgroundTask } from "../domain/BackgroundTask.ts"
import type { RunId, SessionId, TaskId, UserId } from "../domain/Ids.ts"

/** A task that runs, as every process sees it. */
export interface RunningTask {
  readonly id: TaskId
  readonly owner: UserId
  readonly session_id: SessionId
  readonly process: string
  /** Somebody wants it to be stopped. */
  readonly stop: boolean
}

/** What there is of tasks in the whole storage. */
export interface TaskLook {
  readonly running: ReadonlyArray<RunningTask>
  /** Sessions whose agents are to be told something, at most `maxUntold`. */
  readonly untold: ReadonlyArray<SessionId>
}

export const maxUntold = 10_000

/** Which tasks of a session: one, those of a run, or all. */
export interface Chosen {
  readonly owner: UserId
  readonly session_id: SessionId
  readonly id?: TaskId
  readonly run_id?: RunId
}

/**
 * What becomes of tasks, beside `EventLog.append`, which begins them and tells of them. Records are read through
 * `Storage.backgroundTasks`.
 */
export class TaskStore extends Context.Tag("stoa/services/TaskStore")<TaskStore, {
  readonly look: Effect.Effect<TaskLook>
  /** Writes the end of a task that runs; answers whether it did. Part of the caller's transaction. */
  readonly end: (task: BackgroundTask) => Effect.Effect<boolean>
  /** Asks to stop those that run. No run is started any more for those that have ended and are untold. Answers how many run. */
  readonly stop: (chosen: Chosen) => Effect.Effect<number>
  /** Whether no run is to be started to tell of it. */
  readonly isQuiet: (id: TaskId) => Effect.Effect<boolean>
  /** Removes at most so many that ended longer ago than this, in milliseconds, and are not to be told. Answers how many. */
  readonly prune: (before: number, limit: number) => Effect.Effect<number>
}>() {}
