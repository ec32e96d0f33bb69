import { Context, type Effect } from "effect"
import type { Invalid, NotFound } from "../domain/Errors.ts"
import type { EmbedCall, Embedded, EmitPart, ModelCall, ModelFailed } from "./Models.ts"

/** Models that are asked without a session and without a run. What they cost is entered into the ledger, however a call ends. */
export class DirectCalls extends Context.Tag("stoa/services/DirectCalls")<DirectCalls, {
  /** As `Models.stream`. The entry is durable when this returns. */
  readonly stream: (call: ModelCall, emit: EmitPart) => Effect.Effect<void, ModelFailed>
  /** As `Models.embed`. */
  readonly embed: (call: EmbedCall) => Effect.Effect<Embedded, ModelFailed | NotFound | Invalid>
}>() {}
