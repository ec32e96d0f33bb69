/** How a run has ended, in this protocol's words. */
import type { AgentEvent } from "../../../domain/Event.ts"
import type { Interrupt } from "./Shapes.ts"

/** What an answer lacks that is not whole. */
export const lackOf = (event: Extract<AgentEvent, { readonly type: "REPLY_END" }>): string | undefined =>
  event.finished_reason === "exceed_max_iters"
    ? "max_iterations"
    : ["max_tokens", "content_filter", "refusal"].find((reason) => reason === event.stop_reason)

/** A run that waits for a person has an interrupt; one that waits for the client's tools is done as far as anybody here can say. */
export const outcomeOf = (interrupts: ReadonlyArray<Interrupt>, pending: ReadonlyArray<string>, isOld: boolean) =>
  interrupts.length > 0
    ? { type: "interrupt" as const, interrupts }
    : { type: "success" as const, ...(pending.length > 0 && !isOld && { pendingToolCallIds: pending }) }
