import { Context, type Effect } from "effect"

/** Whether the server takes inputs: not before it has recovered, and not while it drains. */
export class Readiness extends Context.Tag("stoa/services/Readiness")<Readiness, {
  /** Answers at once: every request asks. */
  readonly isReady: () => boolean
  readonly set: (ready: boolean) => Effect.Effect<void>
}>() {}
