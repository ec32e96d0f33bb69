/** xAI, by its Chat Completions API. */
import { Schema } from "effect"
import { media } from "../aisdk/Dialect.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"

const name = "xai"
const address = "https://api.x.ai/v1"

/** It counts thoughts beside the answer, not in it. */
const convertUsage: typeof Chat.usageOf = (usage) => {
  const read = Chat.usageOf(usage)
  const { reasoning = 0, total = 0 } = read.outputTokens
  return { ...read, outputTokens: { ...read.outputTokens, text: total, total: total + reasoning } }
}

export const provider = AiSdkProvider.make({
  type: "xai_credential",
  title: "xAI",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({ ...Fields.usual, ...Fields.effort("none", "low", "medium", "high", "xhigh") }),
  dialect: { ...Chat.dialect(name, [media.image]), thinking: "none" },
  open: ({ api_key, base_url = address }, fetch) =>
    Chat.open({ name, api_key, base_url, structured: true, convertUsage }, fetch),
  options: ({ output, parameters }) => Chat.options(name, parameters, output),
  structured: true,
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key)
})
