/** What is told beside a reply, as data parts: one with an `id` takes the place of the one before it. */
import type { Custom } from "../../../domain/CustomEvents.ts"

export interface Notice {
  /** Of the part, behind `data-`. */
  readonly name: string
  readonly id?: string
  readonly data: unknown
  /** It is told, and not kept in the message. */
  readonly transient?: true
}

export const noticeOf = (event: Custom): Notice | undefined => {
  switch (event.name) {
    case "state_updated":
      return { name: "state", id: "state", data: event.value }
    case "elicitation_requested":
      return { name: "elicitation", id: event.value.elicitation_id, data: { ...event.value, outcome: null } }
    case "elicitation_ended":
      return { name: "elicitation", id: event.value.elicitation_id, data: event.value }
    case "task_started":
      return { name: "task", id: event.value.task_id, data: { ...event.value, status: "running" } }
    case "task_ended":
      return { name: "task", id: event.value.task_id, data: event.value }
    case "model_switched":
      return { name: "model", data: { from: event.value.from.model, to: event.value.to.model }, transient: true }
    case "context_compacted": {
      const { method, reason, tokens_after, tokens_before } = event.value
      return { name: "compaction", data: { reason, method, tokens_before, tokens_after }, transient: true }
    }
    default:
      return undefined
  }
}
