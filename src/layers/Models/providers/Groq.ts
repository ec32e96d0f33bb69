/** Groq. */
import { Schema } from "effect"
import { type Dialect, media } from "../aisdk/Dialect.ts"
import { inGroq } from "../aisdk/Overheard.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import { isStrict } from "../aisdk/Strict.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"

const address = "https://api.groq.com/openai/v1"

/** https://console.groq.com/docs/structured-outputs#supported-models */
const isStructured = ({ model }: { readonly model: string }) => /gpt-oss|kimi-k2|llama-4/.test(model)

/** Models that else write their thoughts into the text. https://console.groq.com/docs/reasoning */
const thinksAloud = (model: string) => /qwen3|qwq|deepseek-r1/i.test(model)

/** Models that think; others refuse messages with thoughts. */
const thinks = (model: string) => thinksAloud(model) || /gpt-oss/.test(model)

const dialect: Dialect = { namespace: "groq", keep: [], thinking: "none", media: [media.image], prefill: true }
const thinking: Dialect = { ...dialect, thinking: "text" }

/** Systems of models that search and compute by themselves. https://console.groq.com/docs/compound */
const acts = (model: string) => /compound/i.test(model)
const acting: Dialect = { ...dialect, overheard: inGroq }

export const provider = AiSdkProvider.make({
  type: "groq_credential",
  title: "Groq",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.usual,
    ...Fields.effort("none", "default", "low", "medium", "high"),
    ...Fields.parallel
  }),
  dialect: ({ model }) => thinks(model) ? thinking : acts(model) ? acting : dialect,
  open: async ({ api_key, base_url }, fetch) => {
    const { createGroq } = await import("@ai-sdk/groq")
    const client = createGroq({ apiKey: api_key, baseURL: base_url ?? address, fetch })
    return { chat: (model) => client.languageModel(model) }
  },
  options: ({ model, output, parameters }) => {
    const { parallel_tool_calls, reasoning_effort } = parameters
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        groq: {
          ...(thinksAloud(model) && { reasoningFormat: "parsed" }),
          ...(reasoning_effort !== undefined && { reasoningEffort: reasoning_effort }),
          ...(parallel_tool_calls !== undefined && { parallelToolCalls: parallel_tool_calls }),
          ...(output !== undefined && { strictJsonSchema: isStrict(output.schema) })
        }
      }
    }
  },
  structured: isStructured,
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key)
})
