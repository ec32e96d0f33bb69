/** The tokens that a provider names while it answers. They are paid for, whether the answer comes to its end or not. */
import { countOf, type Usage } from "../../../domain/Usage.ts"
import { type Fields, fieldsIn } from "./Seen.ts"

const count = (value: unknown): number => typeof value === "number" ? countOf(value) : 0

const usageOf = (input: number, output: number, cached: number, written: number, reasoning: number): Usage => ({
  input_tokens: input,
  output_tokens: output,
  ...(cached > 0 && { cache_input_tokens: cached }),
  ...(written > 0 && { cache_creation_input_tokens: written }),
  ...(reasoning > 0 && { reasoning_tokens: reasoning })
})

/** `usage` of Chat Completions. */
export const ofChat = (usage: Fields): Usage =>
  usageOf(
    count(usage["prompt_tokens"]),
    count(usage["completion_tokens"]),
    count(fieldsIn(usage["prompt_tokens_details"])["cached_tokens"]),
    0,
    count(fieldsIn(usage["completion_tokens_details"])["reasoning_tokens"])
  )

/** `usage` of Responses. */
export const ofResponses = (usage: Fields): Usage =>
  usageOf(
    count(usage["input_tokens"]),
    count(usage["output_tokens"]),
    count(fieldsIn(usage["input_tokens_details"])["cached_tokens"]),
    0,
    count(fieldsIn(usage["output_tokens_details"])["reasoning_tokens"])
  )

/** `usage` of Messages, whose input is without what the cache gave and took. What is left out stays as it was. */
export const ofMessages = (usage: Fields, before: Usage | undefined): Usage => {
  const cached = count(usage["cache_read_input_tokens"] ?? before?.cache_input_tokens)
  const written = count(usage["cache_creation_input_tokens"] ?? before?.cache_creation_input_tokens)
  const plain = typeof usage["input_tokens"] === "number"
    ? count(usage["input_tokens"])
    : Math.max(0, (before?.input_tokens ?? 0) - cached - written)
  return usageOf(plain + cached + written, count(usage["output_tokens"] ?? before?.output_tokens), cached, written, 0)
}

/** `usageMetadata` of Gemini, which counts thoughts beside the answer. */
export const ofGemini = (usage: Fields): Usage => {
  const thoughts = count(usage["thoughtsTokenCount"])
  return usageOf(
    count(usage["promptTokenCount"]) + count(usage["toolUsePromptTokenCount"]),
    count(usage["candidatesTokenCount"]) + thoughts,
    count(usage["cachedContentTokenCount"]),
    0,
    thoughts
  )
}
