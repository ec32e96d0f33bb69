import { Context, type Effect, type Fiber, type Scope } from "effect"
import type { BackgroundTask } from "../domain/BackgroundTask.ts"
import type { NotFound, Unavailable } from "../domain/Errors.ts"
import type { EventDraft } from "../domain/Event.ts"
import type { RunId, SessionId, TaskId } from "../domain/Ids.ts"
import type { AppendRefused } from "./EventLog.ts"
import type { OwnedSession } from "./RunOwner.ts"

/** A call that goes on without its run. */
export interface MovedCall {
  readonly task: BackgroundTask
  /** Completes when the log has the task, with the call's own result. */
  readonly durable: Effect.Effect<void, AppendRefused>
  /** Waits for the end of the call, for as long as it may take. */
  readonly end: Effect.Effect<"completed" | "failed">
  /** Ends the call without waiting until it is gone. */
  readonly stop: Effect.Effect<void>
  /** All that it has said since it moved, which only grows. */
  readonly said: () => string
  /** What else the session is to be told; each once. */
  readonly events: () => ReadonlyArray<EventDraft>
  /** What it has brought in all, with its files in storage. Asked for once, after its end. */
  readonly output: Effect.Effect<BackgroundTask["output"]>
}

/** Tool calls that have outlived their turns, in this process, and those of others as far as storage tells of them. */
export class BackgroundTasks extends Context.Tag("stoa/services/BackgroundTasks")<BackgroundTasks, {
  /** The name of this process in its tasks. */
  readonly self: string
  /** Begins a call in a fiber of its own, which ends with the process at the latest. */
  readonly begin: <A>(call: Effect.Effect<A>) => Effect.Effect<Fiber.RuntimeFiber<A>>
  /** Whether one more task may begin in the session. There must be no wait between this and `adopt`. */
  readonly hasRoom: (session: OwnedSession) => boolean
  /** Follows a call to its end, writes what came of it, and tells the session of its output meanwhile. */
  readonly adopt: (call: MovedCall) => void
  /** Whether there may be something to tell in the session. Costs nothing. */
  readonly mayTell: (session: SessionId) => boolean
  /** Tasks that have ended and are untold, oldest first, a few at a time. */
  readonly untold: (session: OwnedSession) => Effect.Effect<ReadonlyArray<BackgroundTask>>
  /** They are told, and that is in the log. */
  readonly told: (session: OwnedSession) => Effect.Effect<void>
  /** All that a task of this process has said so far; undefined when it does not run here. */
  readonly said: (id: TaskId) => string | undefined
  /**
   * Stops a task, in whichever process it runs, and returns when that is durable. One that has ended stays as it is.
   * `Unavailable` within two seconds when that is not told in time: the stop stays asked for.
   */
  readonly cancel: (session: OwnedSession, id: TaskId) => Effect.Effect<void, NotFound | Unavailable>
  /** The same for all of a session, or those of one run. No run begins any more for those that have ended. */
  readonly cancelAll: (session: OwnedSession, run?: RunId) => Effect.Effect<void, Unavailable>
  /** Calls back when a task has ended that is to be told. */
  readonly listen: (call: () => void) => Effect.Effect<void, never, Scope.Scope>
  /** Tells of tasks whose processes are gone that they are lost. */
  readonly recover: Effect.Effect<void>
}>() {}

/** The id of the job that tells a session of a task, and its kind. */
export const taskJobKind = "task"

export const missing = (id: string, session: string): string =>
  `Background task '${id}' not found for session '${session}'.`
