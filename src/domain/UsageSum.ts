/** Sums of usage. Browsers load this: it imports types alone. */
import type { Usage } from "./Usage.ts"

export const noUsage: Usage = { input_tokens: 0, output_tokens: 0 }

const sum = (a: number | undefined, b: number | undefined) =>
  a === undefined && b === undefined ? undefined : (a ?? 0) + (b ?? 0)

export const addUsage = (a: Usage, b: Usage): Usage => {
  const cache_input_tokens = sum(a.cache_input_tokens, b.cache_input_tokens)
  const cache_creation_input_tokens = sum(a.cache_creation_input_tokens, b.cache_creation_input_tokens)
  const reasoning_tokens = sum(a.reasoning_tokens, b.reasoning_tokens)
  return {
    input_tokens: a.input_tokens + b.input_tokens,
    output_tokens: a.output_tokens + b.output_tokens,
    ...(cache_input_tokens !== undefined && { cache_input_tokens }),
    ...(cache_creation_input_tokens !== undefined && { cache_creation_input_tokens }),
    ...(reasoning_tokens !== undefined && { reasoning_tokens })
  }
}
