import { Context, Data, type Duration, type Effect, type Schema } from "effect"
import type { Invalid, LimitReached, Malformed, NotFound } from "../domain/Errors.ts"
import type { TaskId, UserId } from "../domain/Ids.ts"
import type { OwnTask } from "../domain/OwnTask.ts"
import type { Page, PageRequest } from "../domain/Page.ts"

/** One attempt at a task. */
export interface Attempt {
  readonly owner: UserId
  readonly task_id: TaskId
  /** 1, and one more for each time that it is tried again: what was begun before may have had its effect. */
  readonly attempt: number
  /** Aborts when the attempt takes too long, and when the server stops. */
  readonly signal: AbortSignal
}

/** The task cannot be done. Its owner sees the message; with `again: false` it is not tried again. */
export class TaskFailed extends Data.TaggedError("TaskFailed")<{
  readonly message: string
  readonly again?: boolean
}> {}

/** A kind of tasks that the server's program brings. */
export interface OwnTaskKind {
  readonly name: string
  readonly description: string
  readonly input: Schema.Schema<unknown, unknown>
  readonly timeout: Duration.Duration
  /** The pauses before the second, the third … attempt. */
  readonly pauses: ReadonlyArray<Duration.Duration>
  readonly run: (input: unknown, attempt: Attempt) => unknown
}

/** How a request writes what it submits: in one transaction with the claim on its key. */
export type Keep = (write: Effect.Effect<OwnTask, LimitReached>) => Effect.Effect<OwnTask, LimitReached>

/** Tasks of the program's own kinds: durable, done at least once, by one process at a time. */
export class OwnTasks extends Context.Tag("stoa/services/OwnTasks")<OwnTasks, {
  /** Writes the task, and what will do it. It is durable when this returns. */
  readonly submit: (
    owner: UserId,
    kind: OwnTaskKind,
    input: unknown,
    keep: Keep
  ) => Effect.Effect<OwnTask, Invalid | LimitReached>
  /** `NotFound` too for a task of another kind. */
  readonly get: (owner: UserId, kind: OwnTaskKind, id: string) => Effect.Effect<OwnTask, NotFound>
  readonly list: (owner: UserId, kind: OwnTaskKind, page: PageRequest) => Effect.Effect<Page<OwnTask>, Malformed>
  /** Does what is due, until it is interrupted. One in each process. */
  readonly run: Effect.Effect<never>
}>() {}
