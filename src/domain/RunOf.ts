/** Which run an event is of, and whether its stream ends with it. Browsers load this: it imports types alone. */
import type { AgentEvent } from "./Event.ts"
import type { RunId } from "./Ids.ts"

/** The run that an event names. Most name none: a session has one run at a time. */
export const runOf = (event: AgentEvent): RunId | undefined => {
  if ("run_id" in event) return event.run_id
  // A newer version may have written a value of any kind.
  if (event.type !== "CUSTOM" || typeof event.value !== "object" || event.value === null) return undefined
  return "run_id" in event.value ? event.value.run_id : undefined
}

/** After this event a stream of one run has ended properly. */
export const endsStream = (
  event: AgentEvent
): event is Extract<AgentEvent, { readonly type: "REPLY_END" } | { readonly name: "run_parked" }> =>
  event.type === "REPLY_END" || (event.type === "CUSTOM" && event.name === "run_parked")
