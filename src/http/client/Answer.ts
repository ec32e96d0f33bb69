/** What a client says to a reply that waits. */
import type { ConfirmInput, ExternalInput } from "../../domain/Chat.ts"
import type { Reply } from "./Run.ts"
import { StoaError } from "./StoaError.ts"

type Decision = (typeof ConfirmInput.Encoded)["confirm_results"][number]
type ExternalResult = string | Omit<(typeof ExternalInput.Encoded)["execution_results"][number], "id">

/**
 * For the calls of a reply that waits: whether they may run, each or all of them; the same with other arguments or with
 * rules for later calls; or what the client's own tools said.
 */
export type Answer =
  | { readonly approve: boolean | Readonly<Record<string, boolean>> }
  | { readonly decisions: ReadonlyArray<Decision> }
  | { readonly results: Readonly<Record<string, ExternalResult>> }

/** What has to be known of the reply. */
export interface Waiting extends Pick<Reply, "calls" | "waiting_for"> {
  readonly message: { readonly id: string }
}

/** Refuses what the reply does not wait for. */
export const answerOf = (
  { calls, message: { id: reply_id }, waiting_for }: Waiting,
  answer: Answer
): typeof ConfirmInput.Encoded | typeof ExternalInput.Encoded => {
  const isForPermission = waiting_for === "user_confirmation"
  const isResult = "results" in answer
  if (waiting_for === undefined || isForPermission === isResult) {
    throw new StoaError(
      "misused",
      waiting_for === undefined
        ? "The reply waits for no answer."
        : `The reply waits for ${isForPermission ? "a permission, not for results" : "results, not for a permission"}.`
    )
  }
  if (isResult) {
    return {
      type: "EXTERNAL_EXECUTION_RESULT",
      reply_id,
      execution_results: Object.entries(answer.results).map(([id, result]) =>
        typeof result === "string" ? { id, output: result, state: "success" } : { id, ...result }
      )
    }
  }
  const decisions = "decisions" in answer
    ? answer.decisions
    : calls.map(({ id }): Decision => ({
      confirmed: typeof answer.approve === "boolean" ? answer.approve : answer.approve[id] ?? false,
      tool_call: { id }
    }))
  return { type: "USER_CONFIRM_RESULT", reply_id, confirm_results: decisions }
}
