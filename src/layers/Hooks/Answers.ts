/** Reads what hooks answer, which comes from foreign code: whatever has not its form is told as the end of a sentence. */
import { Predicate, Schema } from "effect"
import { charactersIn, Message } from "../../domain/Message.ts"
import type { ModelCall, ToolCall, ToolResult, ToolVerdict } from "../../services/Hooks.ts"

/** Longest sentence of a refusal, in characters. */
const maxWhy = 4_096

/** Most characters of a system prompt, of a call's arguments as JSON, and of what stands in the place of a tool's output. */
const maxSystem = 1024 * 1024
const maxArguments = 256 * 1024
const maxOutput = 1024 * 1024

/** Most messages for one call of a model, and characters of all of them: what their files hold counts too. */
const maxMessages = 10_000
const maxCharacters = 32 * 1024 * 1024

const sizeOf = (messages: ReadonlyArray<Message>): number =>
  messages.reduce((sum, { content }) => content.reduce((all, block) => all + charactersIn(block), sum), 0)

const isMessages = Schema.is(Schema.Array(Schema.typeSchema(Message)))
const isNames = Schema.is(Schema.Array(Schema.String))

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  Predicate.isReadonlyRecord(value) && !Array.isArray(value)

/** The sentence with which an answer refuses; undefined where it does not, and a wrong one where that is no text. */
export const refusalIn = (answer: unknown): string | undefined => {
  const refuse: unknown = Predicate.hasProperty(answer, "refuse") ? answer.refuse : undefined
  if (refuse === undefined || refuse === null) return undefined
  return typeof refuse === "string" && refuse.trim() !== ""
    ? refuse.slice(0, maxWhy)
    : "A hook of this server refuses this."
}

/** The call with the change. */
export const ofModel = (before: ModelCall, change: unknown): ModelCall | string => {
  if (!isRecord(change)) return "no object"
  const { messages, system, tools } = change
  if (system !== undefined && typeof system !== "string") return "a system prompt that is no text"
  if (system !== undefined && system.length > maxSystem) return "a system prompt that is too long"
  if (messages !== undefined && (!isMessages(messages) || messages.length === 0)) return "messages that are none"
  if (messages !== undefined && (messages.length > maxMessages || sizeOf(messages) > maxCharacters)) {
    return "messages that are too long"
  }
  if (tools !== undefined && !isNames(tools)) return "tools that are no names"
  return {
    ...before,
    ...(system !== undefined && { system }),
    ...(messages !== undefined && { messages }),
    ...(tools !== undefined && { tools: before.tools.filter((name) => tools.includes(name)) })
  }
}

/** Why a call is not made where the hook does not say it. */
const notAllowed = "The tool was not run: a hook of this server does not allow this call."

/** The call and the verdict after one more hook. No hook takes back what the one before has asked for. */
export const ofTool = (
  [call, verdict]: readonly [ToolCall, ToolVerdict],
  change: unknown
): readonly [ToolCall, ToolVerdict] | string => {
  if (!isRecord(change)) return "no object"
  const { decision, input, why } = change
  if (decision !== undefined && decision !== "allow" && decision !== "deny" && decision !== "ask") {
    return "a decision that is none"
  }
  if (why !== undefined && typeof why !== "string") return "a reason that is no text"
  if (input !== undefined && !isRecord(input)) return "arguments that are no object"
  const json: string | undefined = input === undefined ? verdict.input : JSON.stringify(input)
  if (json !== undefined && json.length > maxArguments) return "arguments that are too long"
  // Other arguments than those are nobody's yes.
  const confirmed = call.confirmed && (input === undefined || json === JSON.stringify(call.input))
  return [
    input === undefined ? call : { ...call, input, confirmed },
    {
      input: json,
      decision: decision === "deny" ? "deny" : decision === "ask" ? "ask" : verdict.decision,
      why: decision !== "deny"
        ? verdict.why
        : why === undefined || why.trim() === ""
        ? notAllowed
        : why.slice(0, maxWhy)
    }
  ]
}

const isState = Schema.is(Schema.Literal("success", "error", "denied"))

export const ofResult = (answer: unknown): ToolResult | string => {
  if (!isRecord(answer)) return "no object"
  const { output, state } = answer
  if (typeof output !== "string") return "an output that is no text"
  if (output.length > maxOutput) return "an output that is too long"
  if (state !== undefined && !isState(state)) return "a state that is none"
  return { output, ...(state !== undefined && { state }) }
}
