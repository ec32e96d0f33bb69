/** What the calls of a client's last message say to the run that waits for them. */
import type { AnswerInput, ConfirmInput, ExternalInput } from "../../../domain/Chat.ts"
import type { Message } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import * as Outputs from "./Outputs.ts"
import type { UiMessage } from "./Requests.ts"
import { callsIn } from "./Said.ts"

type Confirm = ConfirmInput["confirm_results"][number]
type Executed = ExternalInput["execution_results"][number]

/**
 * Permissions first: the run halts again where it also waits for results, and is sent them with the next request, which has them
 * still. Undefined when nothing that is waited for is answered.
 */
export const answerIn = (message: UiMessage, reply: Message): AnswerInput | undefined => {
  const waiting = new Map(awaited(reply).map((call) => [call.id as string, call]))
  const confirmed: Array<Confirm> = []
  const executed: Array<Executed> = []
  for (const { approval, errorText, output, state, toolCallId } of callsIn(message)) {
    const call = waiting.get(toolCallId)
    if (call === undefined) continue
    // A part that is there twice answers once.
    waiting.delete(toolCallId)
    if (call.state === "asking" && approval?.approved != null) {
      confirmed.push({ confirmed: approval.approved, tool_call: { id: call.id } })
    }
    if (call.state !== "submitted") continue
    if (state === "output-available") {
      executed.push({ id: call.id, output: Outputs.textOf(output), state: "success" })
    } else if (state === "output-error") {
      executed.push({ id: call.id, output: errorText ?? "", state: "error" })
    }
  }
  const reply_id = reply.id
  if (confirmed.length > 0) return { type: "USER_CONFIRM_RESULT", reply_id, confirm_results: confirmed }
  return executed.length > 0
    ? { type: "EXTERNAL_EXECUTION_RESULT", reply_id, execution_results: executed }
    : undefined
}
