/** Why a model stopped: one vocabulary for all providers, and beside it the provider's own words. */
import { Schema } from "effect"

/**
 * `end_turn`: the answer is whole. `tool_calls`: it asks for tools. `max_tokens`: it was cut at its limit.
 * `content_filter`: the provider withheld it or its rest. `refusal`: the model declined. `pause_turn`: the provider
 * wants to be asked to go on. `error`: the call failed. `unknown`: the provider gave no reason that is known.
 */
export type StopReason =
  | "end_turn"
  | "tool_calls"
  | "max_tokens"
  | "content_filter"
  | "refusal"
  | "pause_turn"
  | "error"
  | "unknown"

/** Later versions may say more, so what is stored is any word. */
export const StopReason = Schema.String

/** What the provider said of it: single words, never sentences of its. */
export const StopDetails = Schema.Struct({
  /** Its own word for the reason, such as `SAFETY`, where it tells more than `stop_reason`. */
  provider_reason: Schema.optional(Schema.String),
  /** What the filter found, such as `HARM_CATEGORY_HARASSMENT` or `violence`. */
  category: Schema.optional(Schema.String)
}).annotations({ identifier: "StopDetails" })
export type StopDetails = typeof StopDetails.Type

/** Why a model's answer ended. */
export interface Stop {
  readonly reason: string
  readonly details: StopDetails | undefined
}

/** As fields of an event or a message. */
export const stopFields = ({ details, reason }: Stop) => ({
  stop_reason: reason,
  ...(details !== undefined && { stop_details: details })
})

/** Whether the provider or the model itself withheld the answer. */
export const isWithheld = (reason: string | undefined): boolean => reason === "content_filter" || reason === "refusal"

interface CallEnd {
  readonly stop_reason?: string | undefined
  readonly stop_details?: StopDetails | undefined
}

/** Why a call of a model ended, as the log has it; undefined when it was interrupted. */
export const stopOf = ({ stop_details, stop_reason }: CallEnd): Stop | undefined =>
  stop_reason === undefined ? undefined : { reason: stop_reason, details: stop_details }

/**
 * `finished_reason` of a reply whose last answer stopped so. This is the only place that decides it. An answer that was
 * cut or withheld is `completed` as well, because clients know no other word for it; its `stop_reason` tells the rest.
 */
export const finishedReasonOf = (reason: string): "completed" | "error" => reason === "error" ? "error" : "completed"

/** How a reply ended in a word for people: why its model stopped, where that is not simply that it was done. */
export const endingOf = <Reason extends string>(
  { finished_reason, stop_reason }: { readonly finished_reason: Reason; readonly stop_reason?: string | undefined }
): Reason | string =>
  stop_reason === "max_tokens" || isWithheld(stop_reason)
    ? finished_reason === "error" ? finished_reason : stop_reason!
    : finished_reason
