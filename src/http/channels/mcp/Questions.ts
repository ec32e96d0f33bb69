/** What a waiting run asks, as a form for a person, and what the person has filled in as the answer. */
import type { ElicitRequestFormParams, ElicitResult } from "@modelcontextprotocol/server"
import type { AnswerInput } from "../../../domain/Chat.ts"
import type { Message, ToolCallBlock } from "../../../domain/Message.ts"
import { awaited } from "../../../domain/OpenCalls.ts"
import type { Run } from "../../../domain/Run.ts"

/** Most characters of the arguments of a call that a form shows. */
const maxShown = 2000

type Waiting = Extract<Run["status"], "awaiting_permission" | "awaiting_external_result">

export interface Question {
  readonly waiting: Waiting
  readonly reply_id: Message["id"]
  readonly calls: ReadonlyArray<ToolCallBlock>
}

export const isWaiting = (status: Run["status"]): status is Waiting =>
  status === "awaiting_permission" || status === "awaiting_external_result"

export const questionOf = (waiting: Waiting, reply: Message): Question => {
  const state = waiting === "awaiting_permission" ? "asking" : "submitted"
  return { waiting, reply_id: reply.id, calls: awaited(reply).filter((call) => call.state === state) }
}

const fieldOf = (i: number): string => `call_${i + 1}`

const shown = ({ input }: ToolCallBlock): string =>
  input.length > maxShown ? `${input.slice(0, maxShown)} … (${input.length} characters)` : input

export const formOf = ({ calls, waiting }: Question): ElicitRequestFormParams => {
  const names = calls.map(({ name }) => name).join(", ")
  const isPermission = waiting === "awaiting_permission"
  return {
    mode: "form",
    message: isPermission
      ? `The agent wants to use ${names}. May it?`
      : `The agent waits for what ${names} of its client gives.`,
    requestedSchema: {
      type: "object",
      properties: Object.fromEntries(
        calls.map((call, i) => [
          fieldOf(i),
          isPermission
            ? { type: "boolean", title: `Allow ${call.name}`, description: shown(call), default: false }
            : { type: "string", title: `Result of ${call.name}`, description: shown(call) }
        ])
      ),
      required: calls.map((_, i) => fieldOf(i))
    }
  }
}

/** Whoever leaves the form has answered nothing: undefined. Whatever is not plainly allowed is not. */
export const answerOf = ({ calls, reply_id, waiting }: Question, given: ElicitResult): AnswerInput | undefined => {
  if (given.action === "cancel") return undefined
  const content = given.action === "accept" ? given.content ?? {} : {}
  if (waiting === "awaiting_permission") {
    const confirm_results = calls.map(({ id }, i) => ({
      confirmed: content[fieldOf(i)] === true,
      tool_call: { id }
    }))
    return { type: "USER_CONFIRM_RESULT", reply_id, confirm_results }
  }
  const execution_results = calls.map(({ id }, i) => {
    const output = content[fieldOf(i)]
    return output === undefined
      ? { id, output: "The person gave no result.", state: "denied" as const }
      : { id, output: String(output), state: "success" as const }
  })
  return { type: "EXTERNAL_EXECUTION_RESULT", reply_id, execution_results }
}
