/** Google's Gemini API. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { googleSchema } from "../families/GoogleSchema.ts"
import { named } from "../Listing.ts"

const address = "https://generativelanguage.googleapis.com/v1beta"

const names = named("models", "name")

export const provider = AiSdkProvider.make({
  type: "gemini_credential",
  title: "Google Gemini",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.usual,
    ...Fields.topK,
    thinking_enable: Fields.toggle("Think"),
    thinking_budget: Fields.integer(0, 1_000_000, "Most tokens to think"),
    ...Fields.effort("minimal", "low", "medium", "high")
  }),
  dialect: {
    namespace: "google",
    keep: ["thoughtSignature"],
    beside: ["thought"],
    thinking: "signed",
    systemFirst: true,
    media: [[/^(image|audio|video)\//, true], [/^application\/pdf$/, true]],
    prefill: false,
    userFirst: true,
    schema: googleSchema,
    ownFiles: true
  },
  open: async ({ api_key, base_url }, fetch) => {
    const { createGoogleGenerativeAI } = await import("@ai-sdk/google")
    const client = createGoogleGenerativeAI({ apiKey: api_key, baseURL: base_url ?? address, fetch })
    return { chat: (model) => client.chat(model), embedding: (model) => client.embeddingModel(model) }
  },
  options: ({ card, parameters }) => {
    const { reasoning_effort, thinking_budget, thinking_enable } = parameters
    const thinks = card?.output_types.includes("application/x-thinking") === true
    const shown = thinking_enable ?? (thinks || thinking_budget !== undefined || reasoning_effort !== undefined)
    const budget = thinking_enable === false ? 0 : thinking_budget
    const draws = card?.output_types.some((type) => type.startsWith("image/")) === true
    return {
      ...Chat.settings(parameters),
      providerOptions: {
        google: {
          ...((shown || budget !== undefined) && {
            thinkingConfig: {
              includeThoughts: shown,
              ...(budget !== undefined && { thinkingBudget: budget }),
              ...(reasoning_effort !== undefined && { thinkingLevel: reasoning_effort })
            }
          }),
          ...(draws && { responseModalities: ["TEXT", "IMAGE"] })
        }
      }
    }
  },
  structured: true,
  listing: ({ api_key, base_url }) => ({
    url: `${Chat.trimmed(base_url ?? address)}/models?pageSize=1000`,
    headers: { "x-goog-api-key": api_key },
    names: (body) => names(body)?.map((name) => typeof name === "string" ? name.replace(/^models\//, "") : name)
  }),
  dimensions: (dimensions) => ({ google: { outputDimensionality: dimensions } })
})
