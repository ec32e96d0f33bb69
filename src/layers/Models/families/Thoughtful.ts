/**
 * Models that want their thoughts back with every message that led to a call, or refuse the request:
 * https://api-docs.deepseek.com/guides/thinking_mode and https://platform.moonshot.ai/docs/guide/use-kimi-k2-thinking-model
 */
import type { Dialect } from "../aisdk/Dialect.ts"

/** What stands for thoughts that another model had, or nobody. It must not be blank. */
const standIn = "(no thoughts)"

/** DeepSeek's from V3.2 on, whoever serves them. */
const deepSeek = /deepseek.*(v3\.[2-9]|v[4-9]|flash|pro|reasoner)/i

/** Kimi's that think. */
const kimi = /kimi[-_]?k(2[-_]thinking|2\.[5-9]|[3-9])/i

/** Kimi's that cannot be told not to think. */
const alwaysThinks = /kimi[-_]?k([3-9]|2[-_]thinking|2\.7)/i

/** Whether the model is one of them; `asked` says whether the call switches its thoughts on or off. */
export const wantsThoughts = (model: string, asked?: boolean): boolean =>
  alwaysThinks.test(model) || asked !== false && (deepSeek.test(model) || kimi.test(model))

/** The dialect for models that want thoughts in each of their messages. */
export const thoughtful = (dialect: Dialect): Dialect => ({ ...dialect, standIn })

/** A dialect, and the same for models that want thoughts in each of their messages. */
export const dialects = (dialect: Dialect) => {
  const wanting = thoughtful(dialect)
  return (isThoughtful: boolean): Dialect => isThoughtful ? wanting : dialect
}
