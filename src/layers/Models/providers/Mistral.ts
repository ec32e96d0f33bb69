/** Mistral AI. */
import { Schema } from "effect"
import { nine } from "../aisdk/CallId.ts"
import type { Dialect } from "../aisdk/Dialect.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import { isStrict } from "../aisdk/Strict.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"

const address = "https://api.mistral.ai/v1"

const dialect: Dialect = {
  namespace: "mistral",
  keep: [],
  thinking: "none",
  media: [[/^image\//, true], [/^application\/pdf$/, true]],
  prefill: true,
  // "Unexpected role 'user' after role 'tool'"
  afterResults: "I have the result.",
  callId: nine
}

/** Models that think; others refuse messages with thoughts. */
const thinking: Dialect = { ...dialect, thinking: "text" }

export const provider = AiSdkProvider.make({
  type: "mistral_credential",
  title: "Mistral AI",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.usual,
    ...Fields.effort("none", "high"),
    ...Fields.parallel
  }),
  dialect: ({ card, model }) =>
    card?.output_types.includes("application/x-thinking") ?? /magistral/.test(model) ? thinking : dialect,
  open: async ({ api_key, base_url }, fetch) => {
    const { createMistral } = await import("@ai-sdk/mistral")
    const client = createMistral({ apiKey: api_key, baseURL: base_url ?? address, fetch })
    return { chat: (model) => client.chat(model), embedding: (model) => client.embeddingModel(model) }
  },
  options: ({ output, parameters }) => {
    const { parallel_tool_calls, reasoning_effort } = parameters
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        mistral: {
          ...(reasoning_effort !== undefined && { reasoningEffort: reasoning_effort }),
          ...(parallel_tool_calls !== undefined && { parallelToolCalls: parallel_tool_calls }),
          ...(output !== undefined && { strictJsonSchema: isStrict(output.schema) })
        }
      }
    }
  },
  structured: true,
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key),
  /** Its vectors have one length. */
  dimensions: () => undefined
})
