/** OpenAI: the Responses API, or Chat Completions where the credential says so or a parameter needs it. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import * as OpenAi from "../families/OpenAi.ts"

const address = "https://api.openai.com/v1"
const dialectOf = OpenAi.dialects("openai")

export const provider = AiSdkProvider.make({
  type: "openai_credential",
  title: "OpenAI",
  fields: Schema.Struct({
    api_key: Fields.key(),
    organization: Fields.optionalName("Organization"),
    base_url: Fields.baseUrl(address),
    api: Fields.choice("API", ["responses", "chat"])
  }),
  parameters: OpenAi.Parameters,
  dialect: ({ credential, parameters }) => dialectOf(credential.api, parameters),
  open: async ({ api_key, base_url, organization }, fetch) => {
    const { createOpenAI } = await import("@ai-sdk/openai")
    const client = createOpenAI({
      apiKey: api_key,
      baseURL: base_url ?? address,
      fetch,
      ...(organization !== undefined && { organization })
    })
    return {
      chat: (model, { api }) => api === "chat" ? client.chat(model) : client.responses(model),
      embedding: (model) => client.embeddingModel(model)
    }
  },
  options: (call) => OpenAi.options("openai", call),
  structured: true,
  listing: ({ api_key, base_url, organization }) => {
    const listing = Chat.listing(base_url ?? address, api_key)
    return organization === undefined
      ? listing
      : { ...listing, headers: { ...listing.headers, "openai-organization": organization } }
  },
  dimensions: (dimensions) => ({ openai: { dimensions } })
})
