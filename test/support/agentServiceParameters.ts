/**
 * Parameters that the classes of the Agent Service have and a server of its
 * clients is sent: by provider their name, a value, and whether they do something here.
 */
export const parameterNames: Readonly<
  Record<string, ReadonlyArray<readonly [name: string, value: unknown, has: "effect" | "none"]>>
> = {
  openai_credential: [["thinking_enable", false, "effect"], ["voice", "alloy", "none"]],
  anthropic_credential: [
    ["thinking_enable", true, "effect"],
    ["thinking_mode", "adaptive", "effect"],
    ["thinking_display", "summarized", "effect"]
  ],
  xai_credential: [["thinking_enable", true, "effect"]],
  ollama_credential: [["thinking_enable", false, "effect"]],
  dashscope_credential: [["thinking_enable", true, "effect"], ["voice", "Cherry", "none"]],
  deepseek_credential: [["thinking_enable", true, "effect"]],
  gemini_credential: [["thinking_enable", true, "effect"]],
  moonshot_credential: [["thinking_enable", true, "effect"]]
}
