import { Conflict, Invalid } from "../../../domain/Errors.ts"
import { refuse } from "../openai/request/Refused.ts"

export const previousNotFound = (id: string): Invalid =>
  refuse(
    "previous_response_not_found",
    "previous_response_id",
    `Previous response with id '${id.slice(0, 256)}' not found`
  )

export const notFinished: Invalid = refuse(
  "previous_response_not_finished",
  "previous_response_id",
  "This response is still being made; wait for its end, or cancel it"
)

export const noOutput = (call: string): Invalid =>
  refuse("missing_tool_output", "input", `No tool output found for function call ${call}`)

export const noCall = (at: string, call: string): Invalid =>
  refuse("tool_call_not_found", at, `No tool call found for function call output with call_id ${call}`)

export const noApproval: Invalid = refuse(
  "approval_not_found",
  "input",
  "No run waits for this approval; it may have been given already"
)

export const needsApproval: Invalid = refuse(
  "missing_approval",
  "input",
  "Expected an mcp_approval_response to each mcp_approval_request"
)

export const onlyApprovals: Invalid = refuse(
  "invalid",
  "input",
  "Expected nothing after an mcp_approval_response but others: what the user says comes with the next request"
)

export const onlyOutputs: Invalid = refuse(
  "invalid",
  "input",
  "Expected the outputs of the tools alone: what the user says comes with the next request"
)

export const nothingSaid: Invalid = refuse(
  "invalid",
  "input",
  "Expected a message of the user's at the end, or the output of a tool"
)

export const otherAgent: Invalid = new Invalid({
  code: "session_of_another_agent",
  detail: "Another agent has asked for this, and waits for it: name it as the model."
})

export const conversationLocked: Conflict = new Conflict({
  code: "conversation_locked",
  detail: "An answer is being given in this conversation. Ask again when it is there."
})
