/** Marks in a prompt up to which a provider is asked to keep it. */
import type { LanguageModelV3Message, LanguageModelV3Prompt, SharedV3ProviderOptions } from "@ai-sdk/provider"

const withOptions = (
  message: LanguageModelV3Message,
  providerOptions: SharedV3ProviderOptions
): LanguageModelV3Message => ({
  ...message,
  providerOptions: { ...message.providerOptions, ...providerOptions }
})

/**
 * Marks the system prompt (and with it the tools), the end, and the end of the
 * call before: what was written by it is read with this one. The messages
 * themselves are shared by all calls and stay as they are.
 */
export const marked = (prompt: LanguageModelV3Prompt, mark: SharedV3ProviderOptions): LanguageModelV3Prompt => {
  const asked = prompt.flatMap(({ role }, i) => role === "user" || role === "tool" ? [i] : []).slice(-2)
  const all = new Set(prompt[0]?.role === "system" ? [0, ...asked] : asked)
  return prompt.map((message, i) => all.has(i) ? withOptions(message, mark) : message)
}
