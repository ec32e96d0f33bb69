/** Alibaba's DashScope, home of Qwen, by its OpenAI-compatible address. */
import { Schema } from "effect"
import { media } from "../aisdk/Dialect.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { dialects, wantsThoughts } from "../families/Thoughtful.ts"

/** Mainland China's; keys of other regions need `base_url`: https://dashscope-intl.aliyuncs.com/compatible-mode/v1 */
const address = "https://dashscope.aliyuncs.com/compatible-mode/v1"

/** https://www.alibabacloud.com/help/en/model-studio/qwen-structured-output#supported-models */
const hasSchemas = (model: string) => /^qwen3\.(7-(plus|flash|max)|8-(max|flash))(-|$)/.test(model)

/** Also where the address of its own protocol was given. */
const addressOf = (base_url = address): string => Chat.trimmed(base_url).replace(/\/api\/v1$/, "/compatible-mode/v1")

const dialectOf = dialects({
  namespace: "alibaba",
  keep: [],
  thinking: "text",
  media: [media.image],
  prefill: true
})

/** Models that are told to read the thoughts of earlier turns. https://www.alibabacloud.com/help/en/model-studio/deep-thinking */
const readsThoughts = (model: string) => /^(qwen3\.[6-9]-(max|plus|flash)|kimi-k(2\.7|3))/.test(model)

const asked = "\"preserve_thinking\":true,"

/** The package sends thoughts of earlier turns only where it also asks that they be read; other models are not asked. */
const withoutAsking = (fetch: typeof globalThis.fetch): typeof globalThis.fetch => (input, init) => {
  if (typeof init?.body !== "string") return fetch(input, init)
  const { body } = init
  const [, model = ""] = /^\{"model":"([^"\\]*)"/.exec(body) ?? []
  const at = body.slice(0, body.indexOf("\"messages\":[")).indexOf(asked)
  return at < 0 || readsThoughts(model)
    ? fetch(input, init)
    : fetch(input, { ...init, body: body.slice(0, at) + body.slice(at + asked.length) })
}

export const provider = AiSdkProvider.make({
  type: "dashscope_credential",
  title: "DashScope",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.temperature(),
    ...Fields.sampling,
    ...Fields.topK,
    ...Fields.output,
    ...Fields.stop,
    ...Fields.seed,
    presence_penalty: Fields.number(-2, 2, "Presence penalty"),
    ...Fields.thinking,
    ...Fields.parallel,
    ...Fields.voice
  }),
  dialect: ({ model, parameters }) => dialectOf(wantsThoughts(model, parameters.thinking_enable)),
  open: async (credential, fetch) => {
    const { api_key } = credential
    const base_url = addressOf(credential.base_url)
    const [{ createAlibaba }, compatible] = await Promise.all([
      import("@ai-sdk/alibaba"),
      Chat.open({ name: "alibaba", api_key, base_url }, fetch)
    ])
    const client = createAlibaba({ apiKey: api_key, baseURL: base_url, fetch: withoutAsking(fetch) })
    return { chat: (model) => client.chatModel(model), embedding: compatible.embedding }
  },
  options: ({ parameters }) => {
    const { parallel_tool_calls, thinking_budget, thinking_enable } = parameters
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        alibaba: {
          preserveThinking: true,
          ...(thinking_enable !== undefined && { enableThinking: thinking_enable }),
          ...(thinking_budget !== undefined && { thinkingBudget: thinking_budget }),
          ...(parallel_tool_calls !== undefined && { parallelToolCalls: parallel_tool_calls })
        }
      }
    }
  },
  // Others have JSON without a schema only; but they can be made to call one tool, not any of several.
  structured: ({ model, tools }) => hasSchemas(model) || tools.length > 0,
  listing: ({ api_key, base_url }) => Chat.listing(addressOf(base_url), api_key),
  batch: 10,
  dimensions: (dimensions) => ({ openaiCompatible: { dimensions } })
})
