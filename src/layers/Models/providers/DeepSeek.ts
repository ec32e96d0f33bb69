/** DeepSeek. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"

const address = "https://api.deepseek.com"

export const provider = AiSdkProvider.make({
  type: "deepseek_credential",
  title: "DeepSeek",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.temperature(),
    ...Fields.sampling,
    ...Fields.output,
    ...Fields.stop,
    thinking_enable: Fields.toggle("Think"),
    ...Fields.effort("low", "medium", "high", "xhigh", "max")
  }),
  dialect: {
    namespace: "deepseek",
    keep: [],
    thinking: "text",
    media: [[/^image\/(jpeg|png|gif|webp)$/, true]],
    prefill: true
  },
  open: async ({ api_key, base_url }, fetch) => {
    const { createDeepSeek } = await import("@ai-sdk/deepseek")
    const client = createDeepSeek({ apiKey: api_key, baseURL: base_url ?? address, fetch })
    return { chat: (model) => client.chat(model) }
  },
  options: ({ parameters }) => {
    const { reasoning_effort, thinking_enable } = parameters
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        deepseek: {
          ...(thinking_enable !== undefined && { thinking: { type: thinking_enable ? "enabled" : "disabled" } }),
          ...(reasoning_effort !== undefined && { reasoningEffort: reasoning_effort })
        }
      }
    }
  },
  // It has JSON without a schema only; but when it thinks, it can be made to call no tool.
  structured: ({ model, parameters }) => parameters.thinking_enable ?? !/deepseek-chat/.test(model),
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key)
})
