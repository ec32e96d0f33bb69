import { Context, type Effect } from "effect"
import type { JsonObject } from "../domain/Json.ts"
import type { SessionHub } from "./SessionHub.ts"
import type { ToolCaller } from "./Toolbox.ts"

/** What came of it, in words for the model that has handed it over. */
export interface Returned {
  readonly text: string
  readonly isFailed: boolean
}

export interface Work {
  /** An agent by its name or its id. */
  readonly agent_id: string
  readonly message: string
  readonly input?: JsonObject | undefined
}

/** An agent that work can be handed to. */
export interface Delegate {
  readonly name: string
  readonly description: string
}

/** Agents that hand work to others: each time a run of its own, in a session of its own, for the same owner. */
export class Delegation extends Context.Tag("stoa/services/Delegation")<Delegation, {
  /**
   * Those that an agent may hand work to, as far as the operator has defined them; undefined when it may hand work to
   * nobody. Asks nothing of storage.
   */
  readonly delegates: (caller: Pick<ToolCaller, "agent" | "session">) => ReadonlyArray<Delegate> | undefined
  /**
   * Hands work over and waits for what comes of it. The same call of the same run hands it over once, whatever happens to
   * the server meanwhile. Interrupting it does not stop the work: that happens when the caller's run has ended.
   */
  readonly hand: (caller: ToolCaller, call: string, work: Work) => Effect.Effect<Returned>
  /** Waits again for work that the caller's session has handed over. */
  readonly wait: (caller: ToolCaller, execution: string) => Effect.Effect<Returned>
  /** Work goes through this hub, which stands on the tools that hand it over and so is made after them. */
  readonly through: (hub: Context.Tag.Service<SessionHub>) => Effect.Effect<void>
}>() {}
