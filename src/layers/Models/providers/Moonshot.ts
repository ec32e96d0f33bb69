/** Moonshot AI, home of Kimi. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { dialects, wantsThoughts } from "../families/Thoughtful.ts"

/** Keys of mainland China need `base_url`: https://api.moonshot.cn/v1 */
const address = "https://api.moonshot.ai/v1"

const dialectOf = dialects({
  namespace: "moonshotai",
  keep: [],
  thinking: "text",
  media: [
    [/^image\/(jpeg|png|gif|webp|bmp|heic|heif)$/, true],
    [/^video\/(mp4|mpeg|mov|avi|x-flv|mpg|webm|wmv|3gpp)$/, true]
  ],
  prefill: true
})

export const provider = AiSdkProvider.make({
  type: "moonshot_credential",
  title: "Moonshot AI",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.temperature(),
    ...Fields.sampling,
    ...Fields.output,
    ...Fields.stop,
    ...Fields.penalties,
    thinking_enable: Fields.toggle("Think"),
    ...Fields.effort("low", "high", "max"),
    ...Fields.caching
  }),
  dialect: ({ model, parameters }) => dialectOf(wantsThoughts(model, parameters.thinking_enable)),
  open: async ({ api_key, base_url }, fetch) => {
    const { createMoonshotAI } = await import("@ai-sdk/moonshotai")
    const client = createMoonshotAI({ apiKey: api_key, baseURL: base_url ?? address, fetch })
    return { chat: (model) => client.chatModel(model) }
  },
  options: ({ messages, parameters }) => {
    const { prompt_caching, reasoning_effort, thinking_enable } = parameters
    const first = messages[0]?.id
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        moonshotai: {
          ...(thinking_enable !== undefined && { thinking: { type: thinking_enable ? "enabled" : "disabled" } }),
          ...(reasoning_effort !== undefined && { reasoningEffort: reasoning_effort }),
          ...(prompt_caching !== false && first !== undefined && { promptCacheKey: first.slice(0, 64) })
        }
      }
    }
  },
  structured: true,
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key)
})
