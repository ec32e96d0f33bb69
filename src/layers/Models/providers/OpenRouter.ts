/** OpenRouter: many providers' models behind one key. */
import { Schema } from "effect"
import * as AiSdkProvider from "../aisdk/Provider.ts"
import * as Chat from "../families/Chat.ts"
import * as Fields from "../families/Fields.ts"
import * as OpenRouterDetails from "../families/OpenRouterDetails.ts"
import { dialects, wantsThoughts } from "../families/Thoughtful.ts"

const name = "openrouter"
const address = "https://openrouter.ai/api/v1"

const dialectOf = dialects({
  ...Chat.dialect(name),
  keep: ["reasoning_details"],
  // What the package finds here it puts beside a message's content.
  sendAs: "openaiCompatible",
  late: true,
  reasoning: "always",
  filesOf: OpenRouterDetails.filesOf
})

export const provider = AiSdkProvider.make({
  type: "openrouter_credential",
  title: "OpenRouter",
  fields: Schema.Struct({ api_key: Fields.key(), base_url: Fields.baseUrl(address) }),
  parameters: Schema.Struct({
    ...Fields.usual,
    ...Fields.thinking,
    ...Fields.effort("none", "minimal", "low", "medium", "high", "xhigh")
  }),
  dialect: ({ model, parameters }) => dialectOf(wantsThoughts(model, parameters.thinking_enable)),
  open: ({ api_key, base_url = address }, fetch) =>
    Chat.open(
      { name, api_key, base_url, structured: true, metadataExtractor: OpenRouterDetails.extractor(name) },
      fetch
    ),
  options: ({ output, parameters }) => {
    const { reasoning_effort, thinking_budget, thinking_enable } = parameters
    /** https://openrouter.ai/docs/use-cases/reasoning-tokens: effort or max_tokens, one of them. */
    const reasoning = {
      ...(thinking_enable !== undefined && { enabled: thinking_enable }),
      ...(thinking_budget !== undefined
        ? { max_tokens: thinking_budget }
        : reasoning_effort !== undefined && { effort: reasoning_effort })
    }
    return Chat.options(
      name,
      { ...parameters, reasoning_effort: undefined },
      output,
      Object.keys(reasoning).length > 0 ? { reasoning } : {}
    )
  },
  structured: true,
  /** The list of all models answers without a key; this one needs it. */
  listing: ({ api_key, base_url }) => Chat.listing(base_url ?? address, api_key, "/models/user"),
  dimensions: (dimensions) => ({ openaiCompatible: { dimensions } })
})
