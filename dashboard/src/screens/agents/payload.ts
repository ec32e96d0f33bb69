import type { Draft } from "./Draft.ts"

/** A draft as the API takes it. A model that was not chosen to its end is none. */
export const payloadOf = (
  { channels, chat_model_config, fallback_chat_model_configs, more, tools, ...draft }: Draft
) => ({
  ...more,
  ...draft,
  chat_model_config: chat_model_config?.model === "" ? null : chat_model_config,
  fallback_chat_model_configs: fallback_chat_model_configs.filter(({ model }) => model !== ""),
  tools: tools as ReadonlyArray<string> | "all" | "default" | "none",
  channels: channels as ReadonlyArray<string> | "all" | "none"
})
