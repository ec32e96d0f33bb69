/** Any server that speaks the Chat Completions protocol. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { dialects, wantsThoughts } from "../families/Thoughtful.ts"

const name = "openai_compatible"

const dialectOf = dialects({ ...Chat.dialect(name), beside: ["field"], sealedFor: true, reasoning: "as it came" })

export const provider = AiSdkProvider.make({
  type: "openai_compatible_credential",
  title: "OpenAI-compatible",
  fields: Schema.Struct({
    base_url: Fields.address("Base URL", "https://api.example.com/v1"),
    api_key: Fields.optionalKey()
  }),
  parameters: Schema.Struct({
    ...Fields.usual,
    ...Fields.effort("none", "minimal", "low", "medium", "high", "xhigh")
  }),
  dialect: ({ model }) => dialectOf(wantsThoughts(model)),
  open: (credential, fetch) => Chat.open({ ...credential, name, structured: true }, fetch),
  options: ({ output, parameters }) => Chat.options(name, parameters, output),
  structured: false,
  listing: ({ api_key, base_url }) => Chat.listing(base_url, api_key),
  dimensions: (dimensions) => ({ openaiCompatible: { dimensions } })
})
