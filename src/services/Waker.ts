import { Context, type Effect } from "effect"

/** Starts runs for what tasks in the background have brought, in sessions that would not hear of it otherwise. */
export class Waker extends Context.Tag("stoa/services/Waker")<Waker, {
  /** Goes on until it is interrupted. One in each process. */
  readonly run: Effect.Effect<never>
}>() {}
