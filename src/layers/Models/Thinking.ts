/** How models of Anthropic are told to think, at its own address or at another's. */

interface Asked {
  readonly thinking_enable?: boolean
  readonly thinking_budget?: number
}

/** Tokens to think with when nobody says how many. */
const usualBudget = 4096

/** From version 4.6 on models choose their budget themselves. */
const isAdaptive = (model: string) => /claude-[a-z]+-(4-[6-9]|[5-9]|\d\d)(?!\d{3})/.test(model)

export const thinkingOf = ({ thinking_budget, thinking_enable }: Asked, model: string) => {
  if (thinking_enable === false) return { type: "disabled" } as const
  if (thinking_budget !== undefined) return { type: "enabled", budgetTokens: thinking_budget } as const
  if (thinking_enable !== true) return undefined
  return isAdaptive(model)
    ? { type: "adaptive", display: "summarized" } as const
    : { type: "enabled", budgetTokens: usualBudget } as const
}
