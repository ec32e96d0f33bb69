/** xAI, by its Chat Completions API. */
import { Schema } from "effect"
import { media } from "../aisdk/Dialect.ts"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import { effortOf } from "../families/Thinking.ts"

const name = "xai"
const address = "https://api.x.ai/v1"

/** Clients of the Agent Service know the provider by the name of a host. */
const addressOf = ({ api_host, base_url }: { readonly api_host?: string; readonly base_url?: string }): string =>
  base_url ?? (api_host === undefined ? address : `https://${api_host}/v1`)

/** It counts thoughts beside the answer, not in it. */
const convertUsage: typeof Chat.usageOf = (usage) => {
  const read = Chat.usageOf(usage)
  const { reasoning = 0, total = 0 } = read.outputTokens
  return { ...read, outputTokens: { ...read.outputTokens, text: total, total: total + reasoning } }
}

export const provider = AiSdkProvider.make({
  type: "xai_credential",
  title: "xAI",
  fields: Schema.Struct({
    api_key: Fields.key(),
    base_url: Fields.baseUrl(address),
    api_host: Fields.optionalName("API host", /^[A-Za-z0-9.-]+(:\d{1,5})?$/, "the name of a host")
  }),
  problems: ({ api_host, base_url }) =>
    api_host === undefined || base_url === undefined
      ? []
      : [{ path: "api_host", message: "Give base_url or api_host, not both." }],
  parameters: Schema.Struct({
    ...Fields.usual,
    ...Fields.think,
    ...Fields.effort("none", "low", "medium", "high", "xhigh")
  }),
  dialect: { ...Chat.dialect(name, [media.image]), thinking: "none" },
  open: (credential, fetch) =>
    Chat.open(
      { name, api_key: credential.api_key, base_url: addressOf(credential), structured: true, convertUsage },
      fetch
    ),
  options: ({ card, output, parameters }) =>
    Chat.options(name, { ...parameters, reasoning_effort: effortOf(parameters, card) }, output),
  structured: true,
  listing: (credential) => Chat.listing(addressOf(credential), credential.api_key)
})
