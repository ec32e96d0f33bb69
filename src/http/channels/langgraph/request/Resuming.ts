/** What `command.resume`, or messages of tools, say to the run that waits. */
import { Either } from "effect"
import type { AnswerInput, ConfirmInput, ExternalInput } from "../../../../domain/Chat.ts"
import type { Invalid } from "../../../../domain/Errors.ts"
import { isObject } from "../../../../domain/JsonSchema.ts"
import type { Message, ToolCallBlock } from "../../../../domain/Message.ts"
import { awaited } from "../../../../domain/OpenCalls.ts"
import { refuse } from "../../openai/request/Refused.ts"
import { interruptsOf } from "../output/Interrupts.ts"
import { callId } from "../output/Messages.ts"
import type { Result } from "./Said.ts"

type Confirm = ConfirmInput["confirm_results"][number]
type Executed = ExternalInput["execution_results"][number]

const at = "command.resume"

const yes = new Set(["approve", "accept", "yes"])
const no = new Set(["reject", "ignore", "no"])

const undecided = refuse(
  "invalid",
  at,
  "Expected {decisions: [{type: \"approve\" | \"reject\" | \"edit\", …}]} with one for each of action_requests, or true or false"
)

/** What a person has decided about one call; undefined where that is not said. */
const decisionOf = (call: ToolCallBlock, decision: unknown): Confirm | undefined => {
  const { id } = call
  if (typeof decision === "boolean") return { confirmed: decision, tool_call: { id } }
  if (typeof decision === "string") return decisionOf(call, { type: decision })
  if (!isObject(decision)) return undefined
  const { approved, args, edited_action, type } = decision
  if (typeof approved === "boolean") return { confirmed: approved, tool_call: { id } }
  if (typeof type !== "string") return undefined
  if (yes.has(type)) return { confirmed: true, tool_call: { id } }
  if (no.has(type)) return { confirmed: false, tool_call: { id } }
  if (type !== "edit") return undefined
  const edited = isObject(edited_action) ? edited_action : isObject(args) ? args : {}
  if (!isObject(edited["args"])) return undefined
  return { confirmed: true, tool_call: { id, input: JSON.stringify(edited["args"]) } }
}

/** One decision for each call, in their order; a single one is for all of them. */
const confirmOf = (
  reply: Message,
  calls: ReadonlyArray<ToolCallBlock>,
  resume: unknown
): Either.Either<AnswerInput, Invalid> => {
  const given = isObject(resume) && Array.isArray(resume["decisions"]) ? resume["decisions"] : resume
  const decisions: ReadonlyArray<unknown> = Array.isArray(given) ? given : calls.map(() => given)
  const confirm_results = calls.flatMap((call, i) => decisionOf(call, decisions[i]) ?? [])
  return confirm_results.length === calls.length && decisions.length === calls.length
    ? Either.right({ type: "USER_CONFIRM_RESULT", reply_id: reply.id, confirm_results })
    : Either.left(undecided)
}

const textOf = (value: unknown): string => typeof value === "string" ? value : JSON.stringify(value) ?? ""

/** Results by the ids of their calls; the only one that is waited for needs no id. */
const executedIn = (reply: Message, calls: ReadonlyArray<ToolCallBlock>, resume: unknown): ReadonlyArray<Executed> => {
  const listed = isObject(resume) && Array.isArray(resume["results"])
    ? resume["results"]
    : Array.isArray(resume)
    ? resume
    : []
  const byId = new Map<unknown, Readonly<Record<string, unknown>>>(
    listed.flatMap((one) => isObject(one) ? [[one["tool_call_id"], one]] : [])
  )
  const [only] = calls
  if (calls.length === 1 && byId.size === 0) {
    const value = isObject(resume) ? resume[callId(reply.id, only!.id)] ?? resume : resume
    return [{ id: only!.id, output: textOf(value), state: "success" }]
  }
  return calls.flatMap(({ id }): ReadonlyArray<Executed> => {
    const known = callId(reply.id, id)
    const result = byId.get(known)
    if (result !== undefined) {
      const state = result["status"] === "error" ? "error" as const : "success" as const
      return [{ id, output: textOf(result["content"]), state }]
    }
    return isObject(resume) && known in resume ? [{ id, output: textOf(resume[known]), state: "success" }] : []
  })
}

/** A client may say by the interrupt's id which one it answers. */
const valueFor = (reply: Message, resume: unknown): unknown => {
  const [interrupt] = interruptsOf(reply)
  return interrupt !== undefined && isObject(resume) && interrupt.id in resume ? resume[interrupt.id] : resume
}

const missing = refuse(
  "tool_results_missing",
  at,
  "Expected {results: [{tool_call_id, content}]}, or messages of the type tool, for each call that waits"
)

const executed = (reply: Message, execution_results: ReadonlyArray<Executed>): AnswerInput => ({
  type: "EXTERNAL_EXECUTION_RESULT",
  reply_id: reply.id,
  execution_results: [...execution_results]
})

/** The answer of a command to a reply that waits. */
export const answerOf = (reply: Message, resume: unknown): Either.Either<AnswerInput, Invalid> => {
  const calls = awaited(reply)
  const asking = calls.filter(({ state }) => state === "asking")
  if (asking.length > 0) return confirmOf(reply, asking, valueFor(reply, resume))
  // With one call its id is the interrupt's: a value for it stands there already.
  const results = executedIn(reply, calls, calls.length === 1 ? resume : valueFor(reply, resume))
  return results.length === calls.length ? Either.right(executed(reply, results)) : Either.left(missing)
}

/** The answer of messages of tools; undefined when they answer nothing that is waited for. */
export const resultsFor = (
  reply: Message,
  results: ReadonlyArray<Result>
): Either.Either<AnswerInput | undefined, Invalid> => {
  const calls = awaited(reply).filter(({ state }) => state === "submitted")
  const byId = new Map(results.map((result) => [result.callId, result]))
  const found = calls.flatMap(({ id }): ReadonlyArray<Executed> => {
    const result = byId.get(callId(reply.id, id))
    return result === undefined ? [] : [{ id, output: result.text, state: result.hasFailed ? "error" : "success" }]
  })
  if (found.length === 0) return Either.right(undefined)
  return found.length === calls.length ? Either.right(executed(reply, found)) : Either.left(missing)
}
