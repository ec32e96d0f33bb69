/** An agent as it is edited. */
import type { Agent } from "../../api/Lists.ts"
import type { JsonObject } from "../../forms/Schema.ts"
import type { ModelConfig } from "../../pickers/ModelPicker.tsx"

type Names = string | ReadonlyArray<string>

export interface Draft {
  readonly name: string
  readonly description: string
  readonly system_prompt: string
  readonly chat_model_config: ModelConfig | null
  readonly fallback_chat_model_configs: ReadonlyArray<ModelConfig>
  readonly tools: Names
  readonly channels: Names
  /** What the server's own form says of the rest, such as `react_config`. */
  readonly more: JsonObject
}

export const empty: Draft = {
  name: "",
  description: "",
  system_prompt: "",
  chat_model_config: null,
  fallback_chat_model_configs: [],
  tools: "default",
  channels: "all",
  more: {}
}

/** The parts of an agent that the server's form draws. */
export const formParts = ["context_config", "react_config"] as const

export const draftOf = ({ data }: Agent): Draft => ({
  name: data.name,
  description: data.description ?? "",
  system_prompt: data.system_prompt,
  chat_model_config: data.chat_model_config ?? null,
  fallback_chat_model_configs: data.fallback_chat_model_configs ?? [],
  tools: data.tools ?? "default",
  channels: data.channels ?? "all",
  // They are JSON by the API's own word.
  more: { context_config: data.context_config, react_config: data.react_config } as JsonObject
})
