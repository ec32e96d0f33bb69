/** How models are told whether to think: those of Anthropic, at its own address or at another's, and those that know efforts only. */
import { isObject } from "../../../domain/JsonSchema.ts"
import type { Message } from "../../../domain/Message.ts"
import type { ModelCard } from "../../../domain/Model.ts"

interface Asked {
  readonly thinking_enable?: boolean
  readonly thinking_budget?: number
  /** `adaptive`: the model chooses its budget itself. */
  readonly thinking_mode?: "adaptive" | "enabled" | "disabled"
  /** What is shown of the thoughts. */
  readonly thinking_display?: "summarized" | "omitted"
}

/** Tokens to think with when nobody says how many. */
const usualBudget = 4096

/** From version 4.6 on models choose their budget themselves. */
const isAdaptive = (model: string) => /claude-[a-z]+-(4-[6-9]|[5-9]|\d\d)(?!\d{3})/.test(model)

/**
 * Whether the reply in the making began without thoughts of this provider's, as
 * when another one's model made its first calls: then it must go on without.
 */
const wentWithout = (messages: ReadonlyArray<Message>, namespace: string): boolean => {
  const last = messages.at(-1)
  if (last?.role !== "assistant" || last.finished_at !== null) return false
  return last.content.some((block) => block.type === "tool_call" && block.provider_executed !== true) &&
    !last.content.some((block) => block.type === "thinking" && block.provider_metadata?.[namespace] !== undefined)
}

export const thinkingOf = (
  { thinking_budget, thinking_display, thinking_enable, thinking_mode }: Asked,
  model: string,
  messages: ReadonlyArray<Message>,
  namespace: string
) => {
  if (thinking_enable === false || thinking_mode === "disabled") return { type: "disabled" } as const
  if (thinking_budget === undefined && thinking_enable !== true && thinking_mode === undefined) return undefined
  if (
    thinking_mode === "adaptive" || (thinking_mode === undefined && thinking_budget === undefined && isAdaptive(model))
  ) {
    return { type: "adaptive", display: thinking_display ?? "summarized" } as const
  }
  return wentWithout(messages, namespace)
    ? undefined
    : { type: "enabled", budgetTokens: thinking_budget ?? usualBudget } as const
}

/** From no thought at all on. */
const least = ["none", "minimal", "low"] as const

/**
 * The effort of a model that knows no other switch. One that is not to think
 * gets the least effort that its card has; one that is to think has its own.
 */
export const effortOf = <Effort extends string>(
  { reasoning_effort, thinking_enable }: {
    readonly reasoning_effort?: Effort | undefined
    readonly thinking_enable?: boolean | undefined
  },
  card: ModelCard | undefined
): Effort | (typeof least)[number] | undefined => {
  if (reasoning_effort !== undefined || thinking_enable !== false) return reasoning_effort
  const properties = card?.parameter_schema["properties"]
  const effort = isObject(properties) ? properties["reasoning_effort"] : undefined
  const efforts = isObject(effort) && Array.isArray(effort["enum"]) ? effort["enum"] : []
  return least.find((one) => efforts.includes(one))
}
