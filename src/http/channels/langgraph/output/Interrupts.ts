/** What a thread waits for, as interrupts: permissions in the form of LangChain's middleware for people in the loop, and calls of the client's tools. */
import type { Message } from "../../../../domain/Message.ts"
import { awaited } from "../../../../domain/OpenCalls.ts"
import { argsOf, callId } from "./Messages.ts"

export interface Interrupt {
  readonly id: string
  readonly value: object
  readonly when: "during"
  readonly resumable: true
}

const decisions = ["approve", "edit", "reject"]

/** Permissions first: results of the client's tools are asked for when nothing waits for a person any more. */
export const interruptsOf = (reply: Message): ReadonlyArray<Interrupt> => {
  const calls = awaited(reply)
  const asking = calls.filter(({ state }) => state === "asking")
  const [first] = asking.length > 0 ? asking : calls
  if (first === undefined) return []
  const value = asking.length > 0
    ? {
      action_requests: asking.map(({ input, name }) => ({
        name,
        args: argsOf(input) ?? {},
        description: `May the agent use ${name}?`
      })),
      review_configs: asking.map(({ name }) => ({ action_name: name, allowed_decisions: decisions }))
    }
    : {
      type: "tool_calls",
      tool_calls: calls.map(({ id, input, name }) => ({
        id: callId(reply.id, id),
        name,
        args: argsOf(input) ?? {},
        type: "tool_call"
      }))
    }
  return [{ id: callId(reply.id, first.id), value, when: "during", resumable: true }]
}
