import { Schema } from "effect"

const count = Schema.NonNegativeInt

/** Tokens of one or more model calls. Absent counts were not reported by the provider. */
export const Usage = Schema.Struct({
  input_tokens: count,
  output_tokens: count,
  cache_input_tokens: Schema.optional(count),
  cache_creation_input_tokens: Schema.optional(count),
  reasoning_tokens: Schema.optional(count)
})
export type Usage = typeof Usage.Type

/** Larger token counts of one call are not believed: no model takes or gives so many. */
export const maxTokens = 1e9

/** Turns a provider's count into a whole number from 0 to `maxTokens`; anything else becomes 0. */
export const countOf = (tokens: number | null | undefined): number =>
  typeof tokens === "number" && tokens > 0 ? Math.min(Math.trunc(tokens), maxTokens) : 0

/** A provider's usage report as counts that can be stored, summed and read again. */
export const reported = (usage: Usage): Usage => {
  const { cache_creation_input_tokens, cache_input_tokens, input_tokens, output_tokens, reasoning_tokens } = usage
  return {
    input_tokens: countOf(input_tokens),
    output_tokens: countOf(output_tokens),
    ...(cache_input_tokens !== undefined && { cache_input_tokens: countOf(cache_input_tokens) }),
    ...(cache_creation_input_tokens !== undefined &&
      { cache_creation_input_tokens: countOf(cache_creation_input_tokens) }),
    ...(reasoning_tokens !== undefined && { reasoning_tokens: countOf(reasoning_tokens) })
  }
}
