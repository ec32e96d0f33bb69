import { Context, type Effect } from "effect"
import type { Invalid, NotFound } from "../domain/Errors.ts"
import type { Session } from "../domain/Session.ts"
import type { EmbedCall, Embedded, EmitPart, ModelCall, ModelFailed } from "./Models.ts"

/** The session that a call is made for. */
export type CallFor = Pick<Session, "id" | "agent_id">

/** Models that are asked without a run. What they cost is entered into the ledger, however a call ends. */
export class DirectCalls extends Context.Tag("stoa/services/DirectCalls")<DirectCalls, {
  /** As `Models.stream`. The entry is durable when this returns. */
  readonly stream: (call: ModelCall, emit: EmitPart, session?: CallFor) => Effect.Effect<void, ModelFailed>
  /** As `Models.embed`. */
  readonly embed: (call: EmbedCall) => Effect.Effect<Embedded, ModelFailed | NotFound | Invalid>
  /** Waits until no call is under way, or for so many seconds. */
  readonly drain: (seconds: number) => Effect.Effect<void>
}>() {}
