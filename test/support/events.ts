/** Events by a word, and some that nobody knows. */
import type { AgentEvent, EventDraft } from "../../src/domain/Event.ts"

/** The type of an event; the name of one of our own. */
export const kindOf = (event: AgentEvent): string => event.type === "CUSTOM" ? event.name : event.type

/** An event of our own as only another version emits it. */
export const foreign = (name: string, value: object = {}): EventDraft =>
  ({ type: "CUSTOM", name, value }) as unknown as EventDraft

export type Named<Name extends string> = Extract<AgentEvent, { readonly name: Name }>

export const isNamed = <
  Name extends
    | "user_message"
    | "run_queued"
    | "run_resumed"
    | "run_parked"
    | "model_switched"
    | "state_updated"
    | "task_started"
    | "task_output"
    | "task_ended"
>(
  event: AgentEvent | undefined,
  name: Name
): event is Named<Name> => event?.type === "CUSTOM" && event.name === name
