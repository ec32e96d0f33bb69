import { Context, type Effect } from "effect"
import type { PushTarget } from "../domain/A2aPush.ts"
import type { Invalid, LimitReached, NotFound } from "../domain/Errors.ts"
import type { UserId } from "../domain/Ids.ts"
import type { Run } from "../domain/Run.ts"

/** A receiver as its owner gave it. */
export interface Receiver {
  readonly name: string
  readonly target: PushTarget
}

/** Receivers of the updates of tasks. Each update is a job, tried again until it is taken or given up. */
export class A2aPushes extends Context.Tag("stoa/services/A2aPushes")<A2aPushes, {
  /** `Invalid` for an address that may not be reached from here. */
  readonly check: (target: PushTarget) => Effect.Effect<void, Invalid>
  /** `LimitReached` when the run has as many receivers as it may, and none of this name. */
  readonly room: (run: Run, name: string) => Effect.Effect<void, LimitReached>
  /**
   * Adds a receiver or replaces the one of its name. One that comes after the end hears of the end; `context` is what
   * the task calls its conversation.
   */
  readonly put: (run: Run, context: string, receiver: Receiver) => Effect.Effect<void, Invalid | LimitReached>
  readonly get: (owner: UserId, run: Run["id"], name: string) => Effect.Effect<Receiver, NotFound>
  readonly list: (owner: UserId, run: Run["id"]) => Effect.Effect<ReadonlyArray<Receiver>>
  /** One that is not there is fine. */
  readonly remove: (owner: UserId, run: Run["id"], name: string) => Effect.Effect<void>
}>() {}
