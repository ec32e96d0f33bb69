/** Why a reply is not whole, in a sentence: the same one wherever a person looks. */
import type { FinishedReason } from "../domain/Message.ts"
import type { RunError } from "../domain/RunError.ts"
import { endingOf, type StopDetails } from "../domain/Stop.ts"

export interface Ended {
  readonly finished_reason?: FinishedReason | undefined
  readonly stop_reason?: string | undefined
  readonly stop_details?: StopDetails | undefined
  readonly error?: RunError | null | undefined
}

/** What the filter found, or the provider's word for it. */
const found = (details: StopDetails | undefined) => {
  const word = details?.category ?? details?.provider_reason
  return word === undefined ? "" : `: ${word}`
}

/** Undefined when the reply is whole, or goes on. */
export const sentenceOf = (
  { error, finished_reason = "completed", stop_details, stop_reason }: Ended
): string | undefined => {
  switch (endingOf({ finished_reason, stop_reason })) {
    case "completed":
      return undefined
    case "content_filter":
      return `The provider's filter withheld the answer, or its rest${found(stop_details)}.`
    case "refusal":
      return `The model declined to answer${found(stop_details)}.`
    case "interrupted":
      return "The run was interrupted."
    case "exceed_max_iters":
      return "The run used up its rounds before it was done: raise the agent's --max-iters."
    case "max_tokens":
      return "The reply is cut off: the model reached its output limit."
    default:
      return error?.message ?? "The run failed."
  }
}
