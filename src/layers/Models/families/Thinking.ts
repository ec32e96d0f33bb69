/** How models of Anthropic are told to think, at its own address or at another's. */
import type { Message } from "../../../domain/Message.ts"

interface Asked {
  readonly thinking_enable?: boolean
  readonly thinking_budget?: number
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
  { thinking_budget, thinking_enable }: Asked,
  model: string,
  messages: ReadonlyArray<Message>,
  namespace: string
) => {
  if (thinking_enable === false) return { type: "disabled" } as const
  if (thinking_budget === undefined && thinking_enable !== true) return undefined
  if (thinking_budget === undefined && isAdaptive(model)) return { type: "adaptive", display: "summarized" } as const
  return wentWithout(messages, namespace)
    ? undefined
    : { type: "enabled", budgetTokens: thinking_budget ?? usualBudget } as const
}
